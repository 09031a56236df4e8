package repomd

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// appendDecoded appends text with its references decoded and its line ends
// made one character, in attributes each blank made a space (XML 1.0 §3.3.3).
func appendDecoded(to, text []byte, content bool) ([]byte, error) {
	appendPlain := appendLines
	if !content {
		appendPlain = appendSpaced
	}
	if content && bytes.Contains(text, []byte("]]>")) {
		return nil, syntaxError("]]> outside of CDATA")
	}
	if err := checkChars(text); err != nil {
		return nil, err
	}
	for {
		i := bytes.IndexByte(text, '&')
		if i < 0 {
			return appendPlain(to, text), nil
		}
		to = appendPlain(to, text[:i])
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

// appendSpaced appends text as appendLines does, with spaces for other blanks.
func appendSpaced(to, text []byte) []byte {
	from := len(to)
	to = appendLines(to, text)
	for i, b := range to[from:] {
		if isBlank(b) {
			to[from+i] = ' '
		}
	}
	return to
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
