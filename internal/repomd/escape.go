package repomd

import (
	"strconv"
	"unicode/utf8"
)

// document builds XML as libxml2 formats it for createrepo_c. The first name
// that XML cannot express is remembered in bad; prose loses such characters.
//
// encoding/xml is not used to write: it cannot write the "rpm:" prefix without
// declaring it in every element.
type document struct {
	b   []byte
	bad string
}

func (d *document) raw(s string) { d.b = append(d.b, s...) }

func (d *document) int(n int64) { d.b = strconv.AppendInt(d.b, n, 10) }

// attr writes ` key="value"` where value is a name.
func (d *document) attr(key, value string) {
	d.b = append(append(append(d.b, ' '), key...), `="`...)
	d.b = appendAttr(d.b, d.name(value))
	d.b = append(d.b, '"')
}

// proseAttr is attr for prose.
func (d *document) proseAttr(key, value string) {
	d.b = append(append(append(d.b, ' '), key...), `="`...)
	d.b = appendAttr(d.b, prose(value))
	d.b = append(d.b, '"')
}

func (d *document) intAttr(key string, n int64) {
	d.b = append(append(append(d.b, ' '), key...), `="`...)
	d.b = append(strconv.AppendInt(d.b, n, 10), '"')
}

// prose writes a line `<key>text</key>` with its indentation.
func (d *document) prose(indent, key, text string) {
	d.raw(indent)
	d.raw("<")
	d.raw(key)
	d.raw(">")
	d.b = appendText(d.b, prose(text))
	d.raw("</")
	d.raw(key)
	d.raw(">\n")
}

// name returns s as UTF-8, and remembers it as bad if it cannot be written
// without becoming another name.
func (d *document) name(s string) string {
	s = toUTF8(s)
	if d.bad == "" && indexUnprintable(s) >= 0 {
		d.bad = s
	}
	return s
}

// prose returns s as UTF-8 without the characters XML 1.0 has no way to write.
// createrepo_c leaves a package with such characters out of the repository
// altogether (and merely removes them when the text is Latin-1).
func prose(s string) string {
	s = toUTF8(s)
	i := indexUnprintable(s)
	if i < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i >= 0 {
		b = append(b, s[:i]...)
		_, size := utf8.DecodeRuneInString(s[i:])
		s = s[i+size:]
		i = indexUnprintable(s)
	}
	return string(append(b, s...))
}

// indexUnprintable is the index of the first rune of the valid UTF-8 string s
// that is no Char of XML 1.0, or -1.
func indexUnprintable(s string) int {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < 0x20 && c != '\t' && c != '\n' && c != '\r':
			return i
		case c == 0xef && i+2 < len(s) && s[i+1] == 0xbf && s[i+2] >= 0xbe: // U+FFFE, U+FFFF
			return i
		}
	}
	return -1
}

// toUTF8 reads s as UTF-8, or where it is not valid as Latin-1 without the
// control characters (createrepo_c's cr_latin1_to_utf8).
func toUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	b := make([]byte, 0, 2*len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x20 && c != '\t' && c != '\n' && c != '\r', c >= 0x80 && c < 0xc0:
		default:
			b = utf8.AppendRune(b, rune(c))
		}
	}
	return string(b)
}

// appendText escapes s as the content of an element.
func appendText(b []byte, s string) []byte {
	from := 0
	for i := range len(s) {
		var esc string
		switch s[i] {
		case '<':
			esc = "&lt;"
		case '>':
			esc = "&gt;"
		case '&':
			esc = "&amp;"
		case '\r':
			esc = "&#13;"
		default:
			continue
		}
		b = append(append(b, s[from:i]...), esc...)
		from = i + 1
	}
	return append(b, s[from:]...)
}

// appendAttr escapes s as the value of an attribute in double quotes; what is
// not ASCII becomes a character reference, as libxml2 does without a document.
func appendAttr(b []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>':
			b = append(b, "&gt;"...)
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '"':
			b = append(b, "&quot;"...)
		case r == '\t' || r == '\n' || r == '\r':
			b = append(append(append(b, "&#"...), strconv.Itoa(int(r))...), ';')
		case r < utf8.RuneSelf:
			b = append(b, byte(r))
		default:
			b = append(b, "&#x"...)
			for shift := 20; shift >= 0; shift -= 4 {
				if r>>shift != 0 {
					b = append(b, "0123456789ABCDEF"[r>>shift&0xf])
				}
			}
			b = append(b, ';')
		}
	}
	return b
}

// Write appends markup, so that fmt can.
func (d *document) Write(p []byte) (int, error) {
	d.b = append(d.b, p...)
	return len(p), nil
}
