package repomd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// endTag reads </name>.
func (s *scanner) endTag() error {
	text, err := s.until("</", ">")
	if err != nil {
		return err
	}
	name := bytes.TrimRight(text, blanks)
	if n := len(s.lengths); n == 0 || string(s.open[len(s.open)-s.lengths[n-1]:]) != string(name) {
		return syntaxError(fmt.Sprintf("</%.40s> closes another element", name))
	}
	return s.pop()
}

// pop closes the innermost element, whose name stays readable.
func (s *scanner) pop() error {
	n := len(s.lengths) - 1
	at := len(s.open) - s.lengths[n]
	s.full = s.open[at:]
	s.name = local(s.full)
	s.open, s.lengths = s.open[:at], s.lengths[:n]
	s.rootEnded = n == 0
	s.attrs = s.attrs[:0]
	return nil
}

// startTag reads <name attribute="value"> or <name/>.
func (s *scanner) startTag() error {
	end, err := s.tagEnd()
	if err != nil {
		return err
	}
	tag := s.buf[s.pos+1 : s.pos+end]
	s.pos += end + 1
	if s.closing = len(tag) > 0 && tag[len(tag)-1] == '/'; s.closing {
		tag = tag[:len(tag)-1]
	}
	name, rest := cutName(tag)
	switch {
	case !isName(name):
		return syntaxError(fmt.Sprintf("element name %.40q", name))
	case len(s.lengths) == 0 && s.rootEnded:
		return syntaxError("a second root element")
	case len(s.lengths) == maxDepth:
		return syntaxError(fmt.Sprintf("elements nested deeper than %d", maxDepth))
	}
	s.open = append(s.open, name...)
	s.lengths = append(s.lengths, len(name))
	s.full, s.name = name, local(name)
	return s.readAttrs(rest)
}

// tagEnd is where the tag at pos ends, which is not within quotes.
func (s *scanner) tagEnd() (int, error) {
	at, quote := 1, byte(0)
	for {
		for ; s.pos+at < len(s.buf); at++ {
			switch b := s.buf[s.pos+at]; {
			case quote != 0 && b == quote:
				quote = 0
			case quote != 0:
			case b == '"' || b == '\'':
				quote = b
			case b == '>':
				return at, nil
			case b == '<':
				return 0, syntaxError("< in a tag")
			}
		}
		if err := s.fill(); errors.Is(err, io.EOF) {
			return 0, syntaxError("unexpected end in a tag")
		} else if err != nil {
			return 0, err
		}
	}
}

// maxAttrs bounds the attributes of an element, each of which is compared with
// all others.
const maxAttrs = 64

func (s *scanner) readAttrs(text []byte) error {
	s.attrs, s.space = s.attrs[:0], s.space[:0]
	for {
		before := len(text)
		text = bytes.TrimLeft(text, blanks)
		switch {
		case len(text) == 0:
			return nil
		case len(text) == before:
			return syntaxError(fmt.Sprintf("no blank before attribute %.40q", text))
		case len(s.attrs) == maxAttrs:
			return fmt.Errorf("an element of more than %d attributes: %w", maxAttrs, ErrTooLarge)
		}
		name, rest := cutName(text)
		rest = bytes.TrimLeft(rest, blanks)
		if !isName(name) || len(rest) == 0 || rest[0] != '=' {
			return syntaxError(fmt.Sprintf("attribute %.40q", text))
		}
		for i := range s.attrs {
			if bytes.Equal(s.attrs[i].name, name) {
				return syntaxError(fmt.Sprintf("attribute %.40q twice", name))
			}
		}
		rest = bytes.TrimLeft(rest[1:], blanks)
		if len(rest) == 0 || rest[0] != '"' && rest[0] != '\'' {
			return syntaxError(fmt.Sprintf("attribute %.40q without quotes", name))
		}
		end := bytes.IndexByte(rest[1:], rest[0])
		if end < 0 {
			return syntaxError(fmt.Sprintf("attribute %.40q without end", name))
		}
		value := rest[1 : 1+end]
		if bytes.IndexByte(value, '<') >= 0 {
			return syntaxError(fmt.Sprintf("< in attribute %.40q", name))
		}
		from := len(s.space)
		var err error
		if s.space, err = appendDecoded(s.space, value, false); err != nil {
			return err
		}
		// Where space grows, earlier values stay in the old memory.
		s.attrs = append(s.attrs, scannedAttr{name, s.space[from:len(s.space):len(s.space)]})
		text = rest[1+end+1:]
	}
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }

// cutName cuts at what can't be part of a name.
func cutName(text []byte) (name, rest []byte) {
	for i, b := range text {
		if isBlank(b) || b == '=' || b == '"' || b == '\'' || b == '/' {
			return text[:i], text[i:]
		}
	}
	return text, nil
}

// isName says whether text is a name of ASCII, as all that metadata needs is,
// with one prefix at most.
func isName(text []byte) bool {
	first, prefixed := true, false
	for _, b := range text {
		switch {
		case b|0x20 >= 'a' && b|0x20 <= 'z' || b == '_':
			first = false
		case first:
			return false
		case b == ':' && !prefixed:
			first, prefixed = true, true
		case b != '-' && b != '.' && (b < '0' || b > '9'):
			return false
		}
	}
	return !first
}

// local is a name without its prefix.
func local(name []byte) []byte {
	if i := bytes.IndexByte(name, ':'); i >= 0 {
		return name[i+1:]
	}
	return name
}
