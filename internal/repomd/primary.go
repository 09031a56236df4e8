package repomd

import (
	"encoding/xml"
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
	Href         string // path relative to the repository
	Size         int64  // bytes of the RPM
	SourceRPM    string // file name, empty for a source RPM
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
// the repository, are errors, as are documents of more than 2 GiB. The error
// wraps ErrMalformed or ErrTooLarge, or is that of r or, unchanged, of visit.
func ReadPrimary(r io.Reader, visit func(PrimaryPackage) error) error {
	d := newDecoder(r, MaxDocumentBytes)
	inRoot := false
	for {
		t, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && inRoot:
			return nil
		case err != nil:
			return d.fault("read primary.xml", err)
		}
		start, ok := t.(xml.StartElement)
		switch {
		case !ok:
		case !inRoot && start.Name.Local != "metadata":
			return fmt.Errorf("repomd: read primary.xml: root element %.40q: %w", start.Name.Local, ErrMalformed)
		case !inRoot:
			inRoot = true
		case start.Name.Local != "package":
			return fmt.Errorf("repomd: read primary.xml: element %.40q: %w", start.Name.Local, ErrMalformed)
		default:
			p, err := readPackage(d)
			if err != nil {
				return d.fault("read primary.xml", err)
			}
			if err := visit(p); err != nil {
				return err
			}
		}
	}
}

// readPackage reads the rest of a <package>.
func readPackage(d decoder) (PrimaryPackage, error) {
	var p PrimaryPackage
	var into *string   // where the text of the current element goes
	var text []byte    // of that element
	var path [4]string // the elements below <package> that are open
	depth := 0         // how many are
	for depth >= 0 {
		t, err := d.Token()
		if err != nil {
			return PrimaryPackage{}, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if depth < len(path) {
				path[depth] = t.Name.Local
				if into, err = p.element(path[:depth+1], t.Attr); err != nil {
					return PrimaryPackage{}, err
				}
			}
			depth++
			text = text[:0]
		case xml.CharData:
			if into != nil {
				text = append(text, t...)
			}
		case xml.EndElement:
			if into != nil {
				*into = string(text)
				into = nil
			}
			depth--
		}
	}
	p.Checksum = strings.TrimSpace(p.Checksum)
	if err := p.Validate(); err != nil || p.Arch == "" || p.Epoch > math.MaxInt32 {
		return PrimaryPackage{}, fmt.Errorf("package %.200q is not a NEVRA: %w", p.NEVRA, errors.Join(err))
	}
	if !filepath.IsLocal(p.Href) {
		return PrimaryPackage{}, fmt.Errorf("location %.200q of %s leaves the repository", p.Href, p.NEVRA)
	}
	return p, nil
}

// element takes what the attributes of an element say, and returns where its
// text belongs; nil where nobody wants it.
func (p *PrimaryPackage) element(path []string, attrs []xml.Attr) (*string, error) {
	switch {
	case len(path) == 1:
		return p.child(path[0], attrs)
	case path[0] != "format":
	case len(path) == 2 && path[1] == "sourcerpm":
		return &p.SourceRPM, nil
	case len(path) == 2 && path[1] == "file":
		p.Files = append(p.Files, "")
		return &p.Files[len(p.Files)-1], nil
	case len(path) == 3 && path[2] == "entry":
		list := p.list(path[1])
		if list == nil {
			return nil, nil
		}
		entry, err := readEntry(attrs)
		if err != nil {
			return nil, fmt.Errorf("%s of %.200q: %w", path[1], p.NEVRA, err)
		}
		*list = append(*list, entry)
	}
	return nil, nil
}

// child takes an element directly below <package>.
func (p *PrimaryPackage) child(name string, attrs []xml.Attr) (*string, error) {
	switch name {
	case "name":
		return &p.Name, nil
	case "arch":
		return &p.Arch, nil
	case "checksum":
		p.ChecksumType = attr(attrs, "type")
		return &p.Checksum, nil
	case "location":
		p.Href = attr(attrs, "href")
	case "size":
		n, err := numeral(attr(attrs, "package"))
		p.Size = n
		return nil, err
	case "version":
		n, err := numeral(attr(attrs, "epoch"))
		p.Epoch, p.Version, p.Release = int(n), attr(attrs, "ver"), attr(attrs, "rel")
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
func readEntry(attrs []xml.Attr) (rpmfile.Dependency, error) {
	d := rpmfile.Dependency{
		Name: attr(attrs, "name"), Epoch: attr(attrs, "epoch"), Version: attr(attrs, "ver"), Release: attr(attrs, "rel"),
		Pre: attr(attrs, "pre") == "1",
	}
	op := attr(attrs, "flags")
	var known bool
	if d.Flags, known = comparisons[op]; !known || d.Name == "" {
		return d, fmt.Errorf("entry %.200q with flags %.40q", d.Name, op)
	}
	if d.Version == "" && d.Release == "" {
		d.Epoch = ""
		return d, nil
	}
	if d.Epoch == "" {
		d.Epoch = "0"
	}
	if strings.Trim(d.Epoch, "0123456789") != "" {
		return d, fmt.Errorf("entry %.200q with epoch %.40q", d.Name, d.Epoch)
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

func attr(attrs []xml.Attr, name string) string {
	for i := range attrs {
		if attrs[i].Name.Local == name {
			return attrs[i].Value
		}
	}
	return ""
}

// numeral reads an attribute that is a number, or 0 when it is not there.
func numeral(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	var n number
	err := n.UnmarshalText([]byte(text))
	return int64(n), err
}
