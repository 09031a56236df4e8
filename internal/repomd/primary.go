package repomd

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/distbot/distbot/internal/rpmfile"
)

// Bounds of a document and of what its decompression may hold in memory.
const (
	maxDocumentBytes = 2 << 30
	maxWindow        = 128 << 20
)

// PrimaryPackage is what a reader of primary.xml learns about one package.
type PrimaryPackage struct {
	rpmfile.NEVRA
	ChecksumType string // such as "sha256"
	Checksum     string
	Href         string // path relative to the repository
	Size         int64  // bytes of the RPM
	SourceRPM    string // file name, empty for a source RPM
}

// ReadPrimary calls visit for every package of a decompressed primary.xml, in
// document order. Packages whose NEVRA is not valid, or whose location leaves
// the repository, are errors, as are documents of more than 2 GiB. The error
// wraps ErrMalformed or ErrTooLarge, or is that of r or, unchanged, of visit.
func ReadPrimary(r io.Reader, visit func(PrimaryPackage) error) error {
	d := newDecoder(r, maxDocumentBytes)
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
			p, err := readPackage(d, start)
			if err != nil {
				return d.fault("read primary.xml", err)
			}
			if err := visit(p); err != nil {
				return err
			}
		}
	}
}

func readPackage(d decoder, start xml.StartElement) (PrimaryPackage, error) {
	var x struct {
		Name    string `xml:"name"`
		Arch    string `xml:"arch"`
		Version struct {
			Epoch number `xml:"epoch,attr"`
			Ver   string `xml:"ver,attr"`
			Rel   string `xml:"rel,attr"`
		} `xml:"version"`
		Checksum struct {
			Type string `xml:"type,attr"`
			Text string `xml:",chardata"`
		} `xml:"checksum"`
		Size struct {
			Package number `xml:"package,attr"`
		} `xml:"size"`
		Location struct {
			Href string `xml:"href,attr"`
		} `xml:"location"`
		SourceRPM string `xml:"format>sourcerpm"`
	}
	if err := d.DecodeElement(&x, &start); err != nil {
		return PrimaryPackage{}, err
	}
	p := PrimaryPackage{
		NEVRA:        rpmfile.NEVRA{Name: x.Name, Epoch: int(x.Version.Epoch), Version: x.Version.Ver, Release: x.Version.Rel, Arch: x.Arch},
		ChecksumType: x.Checksum.Type, Checksum: strings.TrimSpace(x.Checksum.Text),
		Href: x.Location.Href, Size: int64(x.Size.Package), SourceRPM: x.SourceRPM,
	}
	if err := p.Validate(); err != nil || p.Arch == "" || p.Epoch > math.MaxInt32 {
		return PrimaryPackage{}, fmt.Errorf("package %.200q is not a NEVRA: %w", p.NEVRA, errors.Join(err))
	}
	if !filepath.IsLocal(p.Href) {
		return PrimaryPackage{}, fmt.Errorf("location %.200q of %s leaves the repository", p.Href, p.NEVRA)
	}
	return p, nil
}

// Decompress returns the content of a document of the given file name: .gz and
// .zst are decompressed in bounded memory, anything else is passed through.
func Decompress(name string, r io.Reader) (io.ReadCloser, error) {
	switch filepath.Ext(name) {
	case ".gz":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("repomd: decompress %s: %w: %w", name, err, ErrMalformed)
		}
		return z, nil
	case ".zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, fmt.Errorf("repomd: decompress %s: %w: %w", name, err, ErrMalformed)
		}
		return z.IOReadCloser(), nil
	}
	return io.NopCloser(r), nil
}
