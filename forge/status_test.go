package forge_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/distbot/distbot/forge"
)

func TestCutDescription(t *testing.T) {
	t.Parallel()
	x := func(n int) string { return strings.Repeat("x", n) }
	tests := []struct{ name, in, want string }{
		{"what fits stays", x(140), x(140)},
		{"what is too long ends with an ellipsis", x(141), x(139) + "…"},
		{"characters count, not bytes", strings.Repeat("é", 140), strings.Repeat("é", 140)},
		{"a character is never halved", strings.Repeat("😀", 141), strings.Repeat("😀", 139) + "…"},
		{"no blank before the ellipsis", x(138) + " " + x(10), x(138) + "…"},
		{"lines become one", "a\r\nb\tc\n", "a b c"},
		{"blanks around go", "  a  ", "a"},
		{"colours go", "\x1b[1;31mred\x1b[0m", "red"},
		{"other escapes become blanks", "a\x1b]0;title\x07b", "a ]0;title b"},
		{"NUL goes", "a\x00b", "a b"},
		{"text stays in its direction", "a\u202eb\u2066c", "abc"},
		{"broken text is marked", "a\xffb", "a\uFFFDb"},
		{"nothing stays nothing", "", ""},
		{"blanks only are nothing", " \n\t", ""},
		{"blanks do not count", strings.Repeat(" ", 500) + x(140) + strings.Repeat(" ", 500), x(140)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := forge.CutDescription(tt.in); got != tt.want {
				t.Errorf("CutDescription(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func FuzzCutDescription(f *testing.F) {
	f.Add("a\x1b[31mb")
	f.Add(strings.Repeat("é ", 200))
	f.Fuzz(func(t *testing.T, text string) {
		got := forge.CutDescription(text)
		if utf8.RuneCountInString(got) > forge.MaxDescription || !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\x1b\n\r") {
			t.Errorf("CutDescription(%q) = %q", text, got)
		}
		if again := forge.CutDescription(got); again != got {
			t.Errorf("CutDescription twice: %q, then %q", got, again)
		}
	})
}
