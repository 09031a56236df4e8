package repomd

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/distbot/distbot/internal/rpmfile"
)

// SelectUpdateinfo unites the updateinfo.xml documents of several repositories
// into one for a repository that has only some of their packages, and returns it
// with the ids of its advisories; nil where none is left.
//
// An advisory keeps the packages that keep wants, of the module stream NAME:STREAM
// or of none, collections that lose all go, and so do advisories. Those with the
// same id and version are one, with the collections of all, as they are when an
// update has packages in several repositories. All else stays as it is.
//
// The error wraps ErrMalformed, ErrTooLarge, or is that of a reader.
func SelectUpdateinfo(documents []Source, keep func(stream string, n rpmfile.NEVRA) bool) (text []byte, ids []string, err error) {
	u := updates{keep: keep, known: map[string]*element{}}
	for _, r := range documents {
		if err := u.read(r); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", r.Name, err)
		}
	}
	if len(u.all) == 0 {
		return nil, nil, nil
	}
	var d document
	d.raw(xmlHeader + "<updates>\n")
	for _, e := range u.all {
		d.element("  ", e)
		ids = append(ids, e.value("id"))
	}
	d.raw("</updates>\n")
	return d.b, ids, nil
}

// updates are the advisories that were found so far.
type updates struct {
	keep  func(stream string, n rpmfile.NEVRA) bool
	all   []*element
	known map[string]*element // by id and version
	held  int                 // elements in memory
}

func (u *updates) read(r io.Reader) error {
	s := newScanner(r, MaxDocumentBytes)
	inRoot := false
	for {
		e, err := s.next()
		switch {
		case errors.Is(err, io.EOF) && inRoot:
			return nil
		case err != nil:
			return s.fault("read updateinfo.xml", err)
		case e != startElement:
		case !inRoot && string(s.name) != "updates":
			return fmt.Errorf("repomd: read updateinfo.xml: root element %.40q: %w", s.name, ErrMalformed)
		case !inRoot:
			inRoot = true
		default:
			left := maxElements - u.held
			update, err := readElement(s, &left)
			if err != nil {
				return s.fault("read updateinfo.xml", err)
			}
			if err := u.add(update); err != nil {
				return err
			}
		}
	}
}

func (u *updates) add(update *element) error {
	id := update.value("id")
	if update.name != "update" || id == "" {
		return fmt.Errorf("repomd: read updateinfo.xml: %.40q without id: %w", update.name, ErrMalformed)
	}
	list := update.child("pkglist")
	if list == nil {
		return nil
	}
	list.remove(u.trim)
	if len(list.children) == 0 {
		return nil
	}
	u.held += update.count()
	key := id + "\n" + update.attr("version")
	if known := u.known[key]; known != nil {
		uniteCollections(known.child("pkglist"), list)
		return nil
	}
	u.known[key] = update
	u.all = append(u.all, update)
	return nil
}

// uniteCollections adds the collections that an advisory does not have yet.
func uniteCollections(into, from *element) {
	have := map[string]bool{}
	text := func(e *element) string {
		var d document
		d.element("", e)
		return string(d.b)
	}
	for _, c := range into.children {
		have[text(c)] = true
	}
	for _, c := range from.children {
		if !have[text(c)] {
			into.children = append(into.children, c)
		}
	}
}

// trim takes unwanted packages out of a collection, and those that are none, and
// says whether no package is left.
func (u *updates) trim(collection *element) (empty bool) {
	stream := ""
	if m := collection.child("module"); m != nil {
		stream = m.attr("name") + ":" + m.attr("stream")
	}
	empty = true
	collection.remove(func(e *element) bool {
		if e.name != "package" {
			return false
		}
		epoch, err := numeral(e.attr("epoch"))
		n := rpmfile.NEVRA{Name: e.attr("name"), Epoch: int(epoch), Version: e.attr("version"), Release: e.attr("release"), Arch: e.attr("arch")}
		unwanted := err != nil || epoch > math.MaxInt32 || n.Validate() != nil || !u.keep(stream, n)
		empty = empty && unwanted
		return unwanted
	})
	return empty
}

// count is how many elements an element consists of.
func (e *element) count() int {
	n := 1
	for _, c := range e.children {
		n += c.count()
	}
	return n
}
