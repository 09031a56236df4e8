package repomd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// event is what a scanner finds.
type event int

const (
	startElement event = iota + 1 // name and attributes are those of the element
	endElement                    // name is the element's; follows a start also where XML has one tag
	charData                      // text, of which there may be several pieces in a row
)

// scanner reads hostile XML a few times as fast as encoding/xml does, which
// matters for documents of hundreds of megabytes. What it accepts that package
// accepts, too, and finds the same in it; it refuses other encodings than UTF-8,
// names that are not ASCII, text outside of the root element, a DTD in the
// document, deep nesting and huge tokens. What it finds is valid until the next
// call.
//
// Namespaces are not looked up: a name is what stands behind its prefix.
type scanner struct {
	r         io.Reader
	left      int64 // bytes that may still be read
	buf       []byte
	pos       int   // in buf
	err       error // of r; io.EOF at the end
	open      []byte
	lengths   []int // of the names in open, the elements that are open
	closing   bool  // the element that was started has no content
	rootEnded bool

	name  []byte
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

// fault says what err, returned by next, means: the reader's own error, a bound,
// or malformed XML.
func (s *scanner) fault(verb string, err error) error {
	var syntax syntaxError
	if errors.As(err, &syntax) || errors.Is(err, io.EOF) {
		return fmt.Errorf("repomd: %s: %w: %w", verb, err, ErrMalformed)
	}
	return fmt.Errorf("repomd: %s: %w", verb, err)
}

// attr is the value of an attribute; empty if there is none.
func (s *scanner) attr(name string) string { return string(s.attrBytes(name)) }

func (s *scanner) attrBytes(name string) []byte {
	for i := range s.attrs {
		if string(local(s.attrs[i].name)) == name {
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
	if len(bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\uFEFF")), " \t\r\n")) > 0 {
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
		if err == nil && (bytes.Contains(text, []byte("--")) || bytes.HasSuffix(text, []byte("-"))) {
			err = syntaxError("-- in a comment")
		}
		return 0, err
	case s.has("<!"):
		text, err := s.until("<!", ">")
		if err == nil && !doctype.Match(text) {
			err = syntaxError(fmt.Sprintf("directive <!%.40s>", text))
		}
		return 0, err
	case s.has("<?"):
		text, err := s.until("<?", "?>")
		if err == nil {
			err = checkDeclaration(text)
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

// doctype is a document type declared elsewhere.
var doctype = regexp.MustCompile(`^DOCTYPE([^"'\[<>]|"[^"\[<>]*"|'[^'\[<>]*')*$`)

// declaration is what may stand in <?xml …?>.
var declaration = regexp.MustCompile(`^[ \t\r\n]+version=("1\.0"|'1\.0')([ \t\r\n]+encoding=("(?i:utf-8)"|'(?i:utf-8)'))?([ \t\r\n]+standalone=("(yes|no)"|'(yes|no)'))?[ \t\r\n]*$`)

// checkDeclaration refuses nameless instructions, and other encodings than
// UTF-8.
func checkDeclaration(text []byte) error {
	name := text
	if i := bytes.IndexAny(text, " \t\r\n"); i >= 0 {
		name = text[:i]
	}
	if !isName(name) || string(name) == "xml" && !declaration.Match(text[len(name):]) {
		return syntaxError(fmt.Sprintf("instruction <?%.80s?>", text))
	}
	return nil
}

// endTag reads </name>.
func (s *scanner) endTag() error {
	text, err := s.until("</", ">")
	if err != nil {
		return err
	}
	name := bytes.TrimRight(text, " \t\r\n")
	if n := len(s.lengths); n == 0 || string(s.open[len(s.open)-s.lengths[n-1]:]) != string(name) {
		return syntaxError(fmt.Sprintf("</%.40s> closes another element", name))
	}
	return s.pop()
}

// pop closes the innermost element, whose name stays readable.
func (s *scanner) pop() error {
	n := len(s.lengths) - 1
	at := len(s.open) - s.lengths[n]
	s.name = local(s.open[at:])
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
	s.name = local(name)
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

func (s *scanner) readAttrs(text []byte) error {
	s.attrs, s.space = s.attrs[:0], s.space[:0]
	for {
		text = bytes.TrimLeft(text, " \t\r\n")
		if len(text) == 0 {
			return nil
		}
		name, rest := cutName(text)
		rest = bytes.TrimLeft(rest, " \t\r\n")
		if !isName(name) || len(rest) == 0 || rest[0] != '=' {
			return syntaxError(fmt.Sprintf("attribute %.40q", text))
		}
		rest = bytes.TrimLeft(rest[1:], " \t\r\n")
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

// isName says whether text is a name of ASCII, as all that metadata needs is.
func isName(text []byte) bool {
	for i, b := range text {
		letter := b|0x20 >= 'a' && b|0x20 <= 'z' || b == '_' || b == ':'
		if !letter && (i == 0 || b != '-' && b != '.' && (b < '0' || b > '9')) {
			return false
		}
	}
	return len(text) > 0 && bytes.Count(text, []byte(":")) <= 1
}

// local is a name without its prefix.
func local(name []byte) []byte {
	if i := bytes.IndexByte(name, ':'); i > 0 && i < len(name)-1 {
		return name[i+1:]
	}
	return name
}

// appendDecoded appends text with its references decoded and its line ends
// made one character.
func appendDecoded(to, text []byte, content bool) ([]byte, error) {
	if content && bytes.Contains(text, []byte("]]>")) {
		return nil, syntaxError("]]> outside of CDATA")
	}
	if err := checkChars(text); err != nil {
		return nil, err
	}
	for {
		i := bytes.IndexByte(text, '&')
		if i < 0 {
			return appendLines(to, text), nil
		}
		to = appendLines(to, text[:i])
		text = text[i+1:]
		end := bytes.IndexByte(text[:min(len(text), 16)], ';')
		if end < 0 {
			return nil, syntaxError(fmt.Sprintf("reference &%.10q without end", text))
		}
		r, ok := reference(string(text[:end]))
		if !ok {
			return nil, syntaxError(fmt.Sprintf("reference &%.16s;", text[:end]))
		}
		to = utf8.AppendRune(to, r)
		text = text[end+1:]
	}
}

// reference is the character that a reference stands for.
func reference(name string) (rune, bool) {
	switch name {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, ok := strings.CutPrefix(name, "#")
	if !ok {
		return 0, false
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n > utf8.MaxRune || strings.HasPrefix(digits, "+") || strings.Contains(digits, "_") {
		return 0, false
	}
	return rune(n), isChar(rune(n))
}

// appendLines appends text with CR LF and CR as LF.
func appendLines(to, text []byte) []byte {
	for {
		i := bytes.IndexByte(text, '\r')
		if i < 0 {
			return append(to, text...)
		}
		to = append(append(to, text[:i]...), '\n')
		text = text[i+1:]
		if len(text) > 0 && text[0] == '\n' {
			text = text[1:]
		}
	}
}

// checkChars refuses what is not UTF-8 or not a character of XML.
func checkChars(text []byte) error {
	for i := 0; i < len(text); {
		if b := text[i]; b >= 0x20 && b < utf8.RuneSelf || isBlank(b) {
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return syntaxError("text that is not UTF-8")
		}
		if !isChar(r) {
			return syntaxError(fmt.Sprintf("character %U", r))
		}
		i += size
	}
	return nil
}

// isChar is XML 1.0's Char.
func isChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}
