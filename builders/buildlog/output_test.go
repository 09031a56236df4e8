package buildlog

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestOneLine(t *testing.T) {
	t.Parallel()
	if got, want := OneLine("a\n\tb \x1b[31mc\u202e\xff\u2028d"), "a b [31mc \uFFFD d"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := OneLine(strings.Repeat("ä", 1000)); utf8.RuneCountInString(got) != MaxReason || !strings.HasSuffix(got, "ä…") {
		t.Errorf("got %d characters, want %d", utf8.RuneCountInString(got), MaxReason)
	}
}
