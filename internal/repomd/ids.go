package repomd

import (
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
	s := newScanner(r, maxHeadBytes)
	if _, err := s.next(); err != nil { // an element is the first that can be found
		return 0, s.fault("read the root element", err)
	}
	text := s.attr("packages")
	if text == "" {
		return -1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("repomd: read the root element: %.40q packages: %w", text, ErrMalformed)
	}
	return n, nil
}

// ReadIDs calls visit with the pkgid of every package of a decompressed
// document of type filelists or other, in document order. Bounds and errors are
// those of ReadPrimary.
func ReadIDs(kind string, r io.Reader, visit func(pkgid string) error) error {
	verb := "read " + kind + ".xml"
	root := ""
	for _, doc := range packageDocuments {
		if doc.name == kind {
			root = doc.root
		}
	}
	s := newScanner(r, MaxDocumentBytes)
	var t tally
	for depth := 0; ; {
		e, err := s.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return s.fault(verb, err)
		case e == endElement:
			depth--
			continue
		case e != startElement:
			continue
		case depth == 0 && string(s.name) != root, depth == 1 && string(s.name) != "package":
			return s.fault(verb, malformed("element %.40q", s.name))
		case depth == 1:
			id := s.attr("pkgid")
			if err := errors.Join(t.begin(s), bound(len(id), maxIdentifierBytes, "bytes of a pkgid")); err != nil {
				return s.fault(verb, err)
			}
			if err := visit(id); err != nil {
				return err
			}
		}
		depth++
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
