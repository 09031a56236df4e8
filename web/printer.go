package web

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/distbot/distbot/internal/tasklog"
)

// maxLine is the longest line that is made printable in one piece. A longer
// one is cut: every piece is printable, but of an escape sequence across a cut
// the parameters may stay.
const maxLine = 64 << 10

// printer is tasklog.Printable for text that comes in pieces. What an escape
// sequence or a character is, is never told before its line has ended: nothing
// reaches beyond a line feed, so the pieces together are Printable of the
// whole. The zero value is ready.
type printer struct{ held []byte }

// add takes a piece and returns what is known to be printable by now.
func (p *printer) add(piece []byte) string {
	before := len(p.held)
	p.held = append(p.held, piece...)
	var text strings.Builder
	if at := bytes.LastIndexByte(piece, '\n'); at >= 0 {
		text.WriteString(p.cut(before + at + 1))
	}
	for len(p.held) >= maxLine {
		text.WriteString(p.cut(runeStart(p.held, maxLine)))
	}
	return text.String()
}

// rest returns what was held back, when no more comes.
func (p *printer) rest() string { return p.cut(len(p.held)) }

// holds is how many bytes were taken and not returned.
func (p *printer) holds() int { return len(p.held) }

// cut takes the first n bytes.
func (p *printer) cut(n int) string {
	text := tasklog.Printable(string(p.held[:n]))
	p.held = append(p.held[:0], p.held[n:]...)
	return text
}

// runeStart is the last place up to at where no character is cut.
func runeStart(text []byte, at int) int {
	for i := at; i > at-utf8.UTFMax; i-- {
		if i == len(text) || utf8.RuneStart(text[i]) {
			return i
		}
	}
	return at
}
