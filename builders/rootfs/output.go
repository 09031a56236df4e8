package rootfs

import (
	"bytes"
	"errors"
	"strings"
	"unicode"
)

// maxReason bounds a reason, in characters.
const maxReason = 300

// oneLine makes a reason of what anybody may have printed: one line of
// printable characters, not longer than maxReason.
func oneLine(text string) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if runes := []rune(text); len(runes) > maxReason {
		return string(runes[:maxReason-1]) + "…"
	}
	return text
}

// tail is a writer that keeps the last part of what is written.
type tail struct{ buffer *bytes.Buffer }

// maxTail bounds what is kept of a command's output.
const maxTail = 256 << 10

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.buffer.Write(p)
	if over := t.buffer.Len() - maxTail; over > 0 {
		t.buffer.Next(over)
	}
	return len(p), nil
}

// bounded is a writer that refuses to take more than it has room for.
type bounded struct {
	buffer *bytes.Buffer
	left   int
}

var errTooMuch = errors.New("rootfs: a command printed more than it may")

// Write implements io.Writer.
func (w *bounded) Write(p []byte) (int, error) {
	if len(p) > w.left {
		return 0, errTooMuch
	}
	w.left -= len(p)
	return w.buffer.Write(p)
}
