package repomd

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
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
		i := slices.IndexFunc(start.Attr, func(a xml.Attr) bool { return a.Name.Local == "packages" })
		if i < 0 {
			return -1, nil
		}
		text := start.Attr[i].Value
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
	s := newScanner(r, MaxDocumentBytes)
	for depth := 0; ; {
		e, err := s.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return s.fault("read packages", err)
		case e == startElement && depth == 1 && string(s.name) != "package":
			return fmt.Errorf("repomd: read packages: element %.40q: %w", s.name, ErrMalformed)
		case e == startElement && depth == 1:
			if err := visit(s.attr("pkgid")); err != nil {
				return err
			}
			depth++
		case e == startElement:
			depth++
		case e == endElement:
			depth--
		}
	}
}

// CheckXML reads a decompressed document that it knows nothing of. Bounds and
// errors are those of ReadPrimary.
func CheckXML(r io.Reader) error {
	s := newScanner(r, MaxDocumentBytes)
	for {
		_, err := s.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return s.fault("read", err)
		}
	}
}
