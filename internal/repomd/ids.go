package repomd

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// maxHeadBytes bounds what stands before the root element of a document.
const maxHeadBytes = 64 << 10

// ReadCount is how many packages a decompressed document announces in its root
// element; -1 where it announces nothing. The error wraps ErrMalformed or
// ErrTooLarge, or is that of r.
func ReadCount(r io.Reader) (int, error) {
	d := newDecoder(r, maxHeadBytes)
	for {
		t, err := d.RawToken()
		if err != nil {
			return 0, d.fault("read the root element", err)
		}
		start, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		text := attr(start.Attr, "packages")
		if text == "" {
			return -1, nil
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return 0, fmt.Errorf("repomd: read the root element: %.40q packages: %w", text, ErrMalformed)
		}
		return n, nil
	}
}

// ReadIDs calls visit with the pkgid of every package of a decompressed
// filelists.xml or other.xml, in document order. Bounds and errors are those of
// ReadPrimary.
func ReadIDs(r io.Reader, visit func(pkgid string) error) error {
	d := newDecoder(r, MaxDocumentBytes)
	depth, inRoot := 0, false
	for {
		t, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && inRoot:
			return nil
		case err != nil:
			return d.fault("read packages", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			depth++
			inRoot = true
			switch {
			case depth == 2 && t.Name.Local != "package":
				return fmt.Errorf("repomd: read packages: element %.40q: %w", t.Name.Local, ErrMalformed)
			case depth == 2:
				if err := visit(attr(t.Attr, "pkgid")); err != nil {
					return err
				}
			}
		case xml.EndElement:
			depth--
		}
	}
}

// CheckXML reads a decompressed document that it knows nothing of. Bounds and
// errors are those of ReadPrimary.
func CheckXML(r io.Reader) error {
	d := newDecoder(r, MaxDocumentBytes)
	for inRoot := false; ; {
		t, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && inRoot:
			return nil
		case err != nil:
			return d.fault("read", err)
		}
		if _, ok := t.(xml.StartElement); ok {
			inRoot = true
		}
	}
}
