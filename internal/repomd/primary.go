package repomd

import (
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"

	"github.com/distbot/distbot/internal/rpmfile"
)

// MaxDocumentBytes bounds a document that lists packages, decompressed.
const MaxDocumentBytes = 2 << 30

// PrimaryPackage is what a reader of primary.xml learns about one package.
type PrimaryPackage struct {
	rpmfile.NEVRA
	ChecksumType string // such as "sha256"
	Checksum     string
	Href         string // path relative to the repository, or to Base
	// Base is the xml:base of the location, as mergerepo_c writes it: the address
	// of the repository that has the RPM, where that is not this one. It is
	// somebody's word, and nothing is fetched from there because of it.
	Base      string
	Size      int64  // bytes of the RPM
	SourceRPM string // file name, empty for a source RPM
	Dependencies
	Files []string // those that primary.xml lists; all are in filelists.xml
}

// Dependencies are what a package says about others, as the XML has it. Of
// the flags only the comparison is known, and Pre of requirements.
type Dependencies struct {
	Provides, Requires, Conflicts, Obsoletes    []rpmfile.Dependency
	Recommends, Suggests, Supplements, Enhances []rpmfile.Dependency
}

// ReadPrimary calls visit for every package of a decompressed primary.xml, in
// document order. Packages whose NEVRA is not valid, or whose location leaves
// the repository, are errors, as are documents of more than 2 GiB, a million
// packages or eight million files and dependencies, and packages of more than
// 128 MiB, a million files or 262,144 dependencies. The error wraps
// ErrMalformed or ErrTooLarge, or is that of r or, unchanged, of visit.
func ReadPrimary(r io.Reader, visit func(PrimaryPackage) error) error {
	s := newScanner(r, MaxDocumentBytes)
	var t tally
	inRoot := false
	for {
		e, err := s.next()
		switch {
		case errors.Is(err, io.EOF) && inRoot:
			return nil
		case err != nil:
			return s.fault("read primary.xml", err)
		case e != startElement:
		case !inRoot && string(s.name) != "metadata":
			return fmt.Errorf("repomd: read primary.xml: root element %.40q: %w", s.name, ErrMalformed)
		case !inRoot:
			inRoot = true
		case string(s.name) != "package":
			return fmt.Errorf("repomd: read primary.xml: element %.40q: %w", s.name, ErrMalformed)
		default:
			p, err := readPackage(s, &t)
			if err != nil {
				return s.fault("read primary.xml", err)
			}
			if err := visit(p); err != nil {
				return err
			}
		}
	}
}

// readPackage reads the rest of a <package>.
func readPackage(s *scanner, t *tally) (PrimaryPackage, error) {
	if err := t.begin(s); err != nil {
		return PrimaryPackage{}, err
	}
	var p PrimaryPackage
	var into *string // where the text of the current element goes
	var text []byte  // of that element
	// The elements below <package> that are open, as far as they matter.
	var path [2]string
	depth := 0
	for depth >= 0 {
		e, err := s.next()
		if err == nil {
			err = t.size(s)
		}
		if err != nil {
			return PrimaryPackage{}, err
		}
		switch e {
		case startElement:
			if depth < len(path) {
				path[depth] = known(s.name)
			}
			if into, err = p.element(s, t, path, depth); err != nil {
				return PrimaryPackage{}, err
			}
			depth++
			text = text[:0]
		case charData:
			if into != nil {
				text = append(text, s.text...)
			}
		case endElement:
			if into != nil {
				*into = string(text)
				into = nil
			}
			depth--
		}
	}
	p.Checksum = strings.TrimSpace(p.Checksum)
	if err := p.Validate(); err != nil || p.Arch == "" || p.Epoch > math.MaxInt32 {
		return PrimaryPackage{}, malformed("package %.200q is not a NEVRA: %v", p.NEVRA, err)
	}
	if !filepath.IsLocal(p.Href) {
		return PrimaryPackage{}, malformed("location %.200q of %s leaves the repository", p.Href, p.NEVRA)
	}
	return p, nil
}

func malformed(format string, args ...any) error { return syntaxError(fmt.Sprintf(format, args...)) }

// known is the name of an element that matters; empty for others.
func known(name []byte) string {
	for _, n := range [...]string{
		"format", "provides", "requires", "conflicts", "obsoletes", "suggests", "enhances", "recommends", "supplements",
	} {
		if string(name) == n {
			return n
		}
	}
	return ""
}

// element takes what an element says that was just started, below the given
// path; it returns where its text belongs, nil where nobody wants it.
func (p *PrimaryPackage) element(s *scanner, t *tally, path [2]string, depth int) (*string, error) {
	switch {
	case depth == 0:
		return p.child(s)
	case path[0] != "format":
	case depth == 1 && string(s.name) == "sourcerpm":
		return &p.SourceRPM, nil
	case depth == 1 && string(s.name) == "file":
		if err := t.file(); err != nil {
			return nil, err
		}
		p.Files = append(p.Files, "")
		return &p.Files[len(p.Files)-1], nil
	case depth == 2 && string(s.name) == "entry":
		list := p.list(path[1])
		if list == nil {
			return nil, nil
		}
		if err := t.entry(); err != nil {
			return nil, err
		}
		entry, err := readEntry(s)
		if err != nil {
			return nil, fmt.Errorf("%s of %.200q: %w", path[1], p.NEVRA, err)
		}
		*list = append(*list, entry)
	}
	return nil, nil
}

// child takes an element directly below <package>.
func (p *PrimaryPackage) child(s *scanner) (*string, error) {
	switch string(s.name) {
	case "name":
		return &p.Name, nil
	case "arch":
		return &p.Arch, nil
	case "checksum":
		p.ChecksumType = s.attr("type")
		return &p.Checksum, nil
	case "location":
		p.Href, p.Base = s.attr("href"), s.attr("xml:base")
	case "size":
		n, err := numeral(s.attr("package"))
		p.Size = n
		return nil, err
	case "version":
		n, err := numeral(s.attr("epoch"))
		p.Epoch, p.Version, p.Release = int(n), s.attr("ver"), s.attr("rel")
		return nil, err
	}
	return nil, nil
}

// list is the list of dependencies that an element of <format> holds; nil for
// other elements.
func (p *PrimaryPackage) list(element string) *[]rpmfile.Dependency {
	switch element {
	case "provides":
		return &p.Provides
	case "requires":
		return &p.Requires
	case "conflicts":
		return &p.Conflicts
	case "obsoletes":
		return &p.Obsoletes
	case "recommends":
		return &p.Recommends
	case "suggests":
		return &p.Suggests
	case "supplements":
		return &p.Supplements
	case "enhances":
		return &p.Enhances
	}
	return nil
}

// comparisons are the flags that an rpm:entry can have.
var comparisons = map[string]rpmfile.Flags{
	"":   0,
	"LT": rpmfile.FlagLess,
	"GT": rpmfile.FlagGreater,
	"EQ": rpmfile.FlagEqual,
	"LE": rpmfile.FlagLess | rpmfile.FlagEqual,
	"GE": rpmfile.FlagGreater | rpmfile.FlagEqual,
}

// readEntry reads an <rpm:entry>. An epoch that is missing is 0 where there is
// a version; one that is not a number is an error, since createrepo_c writes
// none and nothing could ever meet it.
func readEntry(s *scanner) (rpmfile.Dependency, error) {
	d := rpmfile.Dependency{
		Name: s.attr("name"), Epoch: s.attr("epoch"), Version: s.attr("ver"), Release: s.attr("rel"),
		Pre: string(s.attrBytes("pre")) == "1",
	}
	op := s.attrBytes("flags")
	var known bool
	if d.Flags, known = comparisons[string(op)]; !known || d.Name == "" {
		return d, malformed("entry %.200q with flags %.40q", d.Name, op)
	}
	if d.Version == "" && d.Release == "" {
		d.Epoch = ""
		return d, nil
	}
	if d.Epoch == "" {
		d.Epoch = "0"
	}
	if strings.Trim(d.Epoch, "0123456789") != "" {
		return d, malformed("entry %.200q with epoch %.40q", d.Name, d.Epoch)
	}
	d.EVR = d.Version
	if d.Epoch != "0" {
		d.EVR = d.Epoch + ":" + d.EVR
	}
	if d.Release != "" {
		d.EVR += "-" + d.Release
	}
	return d, nil
}

// numeral reads an attribute that is a number, or 0 when it is not there.
func numeral(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	var n number
	if err := n.UnmarshalText([]byte(text)); err != nil {
		return 0, malformed("%v", err)
	}
	return int64(n), nil
}
