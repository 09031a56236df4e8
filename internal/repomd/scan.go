package repomd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// event is what a scanner finds.
type event int

const (
	startElement event = iota + 1 // name and attributes are those of the element
	endElement                    // name is the element's; follows a start also where XML has one tag
	charData                      // text, of which there may be several pieces in a row
)

// maxDepth bounds the nesting of elements; primary.xml needs 5.
const maxDepth = 32

// maxTokenBytes bounds one tag or one run of text, which is held in memory
// whole.
const maxTokenBytes = 16 << 20

// scanner reads hostile XML a few times as fast as encoding/xml does, which
// matters for documents of hundreds of megabytes. What it accepts clients
// accept, too, and find the same in it: libxml2, which createrepo_c and dnf
// read with, and expat, which zypper does. It refuses other encodings than
// UTF-8, names that are not ASCII, a DTD in the document, deep nesting and huge
// tokens. What it finds is valid until the next call.
//
// Namespaces are not looked up: the name of an element is what stands behind
// its prefix.
type scanner struct {
	r         io.Reader
	left      int64 // bytes that may still be read
	buf       []byte
	pos       int   // in buf
	err       error // of r; io.EOF at the end
	open      []byte
	lengths   []int // of the names in open, the elements that are open
	closing   bool  // the element that was started has no content
	begun     bool  // something was read
	declared  bool  // a document type was
	rootEnded bool

	name  []byte
	full  []byte // name with its prefix
	attrs []scannedAttr
	space []byte // of the attributes' values that had to be decoded
	text  []byte
}

type scannedAttr struct{ name, value []byte }

// newScanner reads from r, at most limit bytes of it.
func newScanner(r io.Reader, limit int64) *scanner {
	return &scanner{r: r, left: limit, buf: make([]byte, 0, 64<<10)}
}

// syntaxError says what is wrong with XML.
type syntaxError string

func (e syntaxError) Error() string { return string(e) }

// fault says what an error means that came up while reading: the reader's own
// error, a bound, or malformed XML.
func (s *scanner) fault(verb string, err error) error {
	switch {
	case s.err != nil && !errors.Is(s.err, io.EOF):
		err = s.err
	case !errors.Is(err, ErrTooLarge):
		err = fmt.Errorf("%w: %w", err, ErrMalformed)
	}
	return fmt.Errorf("repomd: %s: %w", verb, err)
}

// attr is the value of the attribute of this name, which has no prefix; empty
// if there is none.
func (s *scanner) attr(name string) string { return string(s.attrBytes(name)) }

func (s *scanner) attrBytes(name string) []byte {
	for i := range s.attrs {
		if string(s.attrs[i].name) == name {
			return s.attrs[i].value
		}
	}
	return nil
}

// next finds the next event; io.EOF behind the root element.
func (s *scanner) next() (event, error) {
	if s.closing {
		s.closing = false
		return endElement, s.pop()
	}
	if !s.begun {
		if err := s.begin(); err != nil {
			return 0, err
		}
	}
	for {
		i, err := s.find('<', 0)
		switch {
		case errors.Is(err, io.EOF) && len(s.lengths) == 0 && s.rootEnded:
			return 0, s.outside(s.buf[s.pos:], io.EOF)
		case errors.Is(err, io.EOF):
			return 0, syntaxError("unexpected end")
		case err != nil:
			return 0, err
		case i > 0:
			text := s.buf[s.pos : s.pos+i]
			s.pos += i
			if len(s.lengths) == 0 {
				if err := s.outside(text, nil); err != nil {
					return 0, err
				}
				continue
			}
			s.text, err = appendDecoded(s.text[:0], text, true)
			return charData, err
		}
		e, err := s.markup()
		if e != 0 || err != nil {
			return e, err
		}
	}
}

// outside returns err unless there is text outside of the root element.
func (s *scanner) outside(text []byte, err error) error {
	if len(bytes.TrimLeft(text, blanks)) > 0 {
		return syntaxError("text outside of the root element")
	}
	return err
}

// fill reads more. What is before pos is forgotten.
func (s *scanner) fill() error {
	if s.err != nil {
		return s.err
	}
	if s.pos > 0 {
		s.buf = s.buf[:copy(s.buf, s.buf[s.pos:])]
		s.pos = 0
	}
	if len(s.buf) > maxTokenBytes {
		return ErrTooLarge
	}
	if len(s.buf) == cap(s.buf) {
		s.buf = append(make([]byte, 0, 2*cap(s.buf)), s.buf...)
	}
	n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
	s.buf = s.buf[:len(s.buf)+n]
	if s.left -= int64(n); s.left < 0 {
		err = ErrTooLarge
	}
	s.err = err
	if n > 0 && !errors.Is(err, ErrTooLarge) {
		return nil
	}
	return err
}

// find is where a byte is, counted from pos, at or behind an offset.
func (s *scanner) find(b byte, from int) (int, error) {
	for {
		if i := bytes.IndexByte(s.buf[s.pos+from:], b); i >= 0 {
			return from + i, nil
		}
		from = len(s.buf) - s.pos
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
}

// has says whether the text at pos begins so.
func (s *scanner) has(prefix string) bool {
	for len(s.buf)-s.pos < len(prefix) {
		if s.fill() != nil {
			return false
		}
	}
	return string(s.buf[s.pos:s.pos+len(prefix)]) == prefix
}

// markup reads what begins with '<'; no event for what is passed over.
func (s *scanner) markup() (event, error) {
	switch {
	case s.has("</"):
		return endElement, s.endTag()
	case s.has("<![CDATA["):
		text, err := s.until("<![CDATA[", "]]>")
		if err == nil && len(s.lengths) == 0 {
			err = syntaxError("text outside of the root element")
		}
		if err == nil {
			s.text = appendLines(s.text[:0], text)
			err = checkChars(text)
		}
		return charData, err
	case s.has("<!--"):
		text, err := s.until("<!--", "-->")
		if err == nil {
			err = checkComment(text)
		}
		return 0, err
	case s.has("<!"):
		return 0, s.documentType()
	case s.has("<?"):
		text, err := s.until("<?", "?>")
		if err == nil {
			err = checkInstruction(text)
		}
		return 0, err
	}
	return startElement, s.startTag()
}

// until returns what stands between two texts and goes behind the second.
func (s *scanner) until(begin, end string) ([]byte, error) {
	from := len(begin)
	for {
		i, err := s.find(end[len(end)-1], from)
		if errors.Is(err, io.EOF) {
			return nil, syntaxError("unexpected end in " + begin)
		}
		if err != nil {
			return nil, err
		}
		i++
		if text := s.buf[s.pos : s.pos+i]; i >= len(begin)+len(end) && bytes.HasSuffix(text, []byte(end)) {
			s.pos += i
			return text[len(begin) : len(text)-len(end)], nil
		}
		from = i
	}
}
