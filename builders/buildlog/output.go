package buildlog

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// MaxReason bounds a reason, in characters.
const MaxReason = 300

// OneLine makes a reason of what anybody may have printed: one line of
// printable characters, not longer than MaxReason.
func OneLine(text string) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if runes := []rune(text); len(runes) > MaxReason {
		return string(runes[:MaxReason-1]) + "…"
	}
	return text
}

// Tail is a writer that keeps the last part of what is written.
type Tail struct{ Buffer *bytes.Buffer }

// maxTail bounds what is kept of a command's output.
const maxTail = 256 << 10

// Write implements io.Writer.
func (t *Tail) Write(p []byte) (int, error) {
	t.Buffer.Write(p)
	if over := t.Buffer.Len() - maxTail; over > 0 {
		t.Buffer.Next(over)
	}
	return len(p), nil
}

// Bounded is a writer that refuses to take more than it has room for.
type Bounded struct {
	Buffer *bytes.Buffer
	Left   int
}

var errTooMuch = errors.New("buildlog: a command printed more than it may")

// Write implements io.Writer.
func (w *Bounded) Write(p []byte) (int, error) {
	if len(p) > w.Left {
		return 0, errTooMuch
	}
	w.Left -= len(p)
	return w.Buffer.Write(p)
}

// SizeText is a number of bytes for people, in GiB when even, else in MiB.
func SizeText(n int64) string {
	if n >= 1<<30 && n%(1<<30) == 0 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
