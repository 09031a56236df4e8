package distgit

import (
	"bytes"
	"fmt"
)

// Bounds of a spec file.
const (
	maxSpecBytes     = 2 << 20
	maxSpecLines     = 100_000
	maxSpecLineBytes = 64 << 10
	maxJoinedBytes   = 1 << 20
)

// specLine is a line as rpm sees it: several lines of the file when a macro
// call stays open at the end or a backslash joins them.
type specLine struct {
	text   string
	number int
}

// splitSpec cuts a spec into lines. rpm joins lines before it knows what they
// are, so this looks at comments and false branches like at anything else. An
// error is about one line and ends the reading.
func splitSpec(data []byte) ([]specLine, *Problem) {
	if len(data) > maxSpecBytes {
		return nil, &Problem{Line: 1, Text: fmt.Sprintf("the file has more than %d bytes", maxSpecBytes)}
	}
	var lines []specLine
	var open openMacros
	first, begin := 0, 0 // number and offset of the line that the current one is joined to
	for number, at := 1, 0; at < len(data); number++ {
		line, _, _ := bytes.Cut(data[at:], []byte("\n"))
		end := at + len(line)
		if first == 0 {
			first, begin = number, at
		}
		switch {
		case number > maxSpecLines:
			return lines, &Problem{Line: number, Text: fmt.Sprintf("the file has more than %d lines", maxSpecLines)}
		case len(line) > maxSpecLineBytes:
			return lines, &Problem{Line: number, Text: fmt.Sprintf("the line has more than %d bytes", maxSpecLineBytes)}
		case bytes.IndexByte(line, 0) >= 0:
			return lines, &Problem{Line: number, Text: "the line has a NUL byte"}
		case end-begin > maxJoinedBytes:
			return lines, &Problem{Line: first, Text: fmt.Sprintf("the macro that opens here has more than %d bytes", maxJoinedBytes)}
		}
		if !open.scan(line) {
			lines = append(lines, specLine{text: string(data[begin:end]), number: first})
			first, open = 0, openMacros{}
		}
		at = end + 1
	}
	if first != 0 {
		return lines, &Problem{Line: first, Text: "unclosed macro or bad line continuation"}
	}
	return lines, nil
}

// openMacros counts what is open at the end of a line.
type openMacros struct{ braces, parentheses, brackets int }

// scan adds one line of the file, without its newline, and reports whether the
// next line belongs to it.
func (o *openMacros) scan(line []byte) (joined bool) {
	continued := false
	for i := 0; i < len(line); i++ {
		next := byte('\n')
		if i+1 < len(line) {
			next = line[i+1]
		}
		switch line[i] {
		case '\\':
			continued = next == '\n'
			i++
		case '%':
			switch next {
			case '{':
				o.braces++
				i++
			case '(':
				o.parentheses++
				i++
			case '[':
				o.brackets++
				i++
			case '%':
				i++
			}
		case '{':
			o.braces += nested(o.braces)
		case '}':
			o.braces -= nested(o.braces)
		case '(':
			o.parentheses += nested(o.parentheses)
		case ')':
			o.parentheses -= nested(o.parentheses)
		case '[':
			o.brackets += nested(o.brackets)
		case ']':
			o.brackets -= nested(o.brackets)
		}
	}
	return continued || o.braces > 0 || o.parentheses > 0 || o.brackets > 0
}

// nested is 1 inside an open macro: only there do plain brackets count.
func nested(open int) int {
	if open > 0 {
		return 1
	}
	return 0
}
