package forge_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/distbot/distbot/forge"
)

func TestDetailsAreCut(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ got, want string }{
		"a summary stays as it is":                {forge.CutSummary("a\n\n```\n\tb\n```\n"), "a\n\n```\n\tb\n```\n"},
		"a summary loses what nobody sees":        {forge.CutSummary("a\x00\x1b[31mb\x1b[0m\r\n\u202ec\xff"), "ab\nc\uFFFD"},
		"a summary is cut between lines":          {forge.CutSummary("a\n`" + strings.Repeat("x", forge.MaxSummary) + "`"), "a\n…"},
		"a summary of one long line is left out":  {forge.CutSummary("`" + strings.Repeat("x", forge.MaxSummary) + "`"), "…"},
		"a message is cut between characters":     {forge.CutMessage(strings.Repeat("é", forge.MaxAnnotationMessage)), strings.Repeat("é", forge.MaxAnnotationMessage/2-2) + "…"},
		"a message begins and ends with its text": {forge.CutMessage("\n a\nb \x1b[0m\n"), "a\nb"},
		"a title is one line":                     {forge.CutAnnotationTitle("a\nb"), "a b"},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %.100q (%d bytes), want %.100q (%d bytes)", name, test.got, len(test.got), test.want, len(test.want))
		}
	}
}

func FuzzDetailsAreCut(f *testing.F) {
	f.Add("a\n`b`", "\x00\x1b[3", "\xff\u202e")
	f.Add(strings.Repeat("`é`\n", 20000), strings.Repeat("😀", 20000), strings.Repeat("a\n", 300))
	f.Fuzz(func(t *testing.T, summary, message, title string) {
		for text, limit := range map[string]int{
			forge.CutSummary(summary): forge.MaxSummary, forge.CutMessage(message): forge.MaxAnnotationMessage, forge.CutAnnotationTitle(title): 4 * forge.MaxAnnotationTitle,
		} {
			odd := func(r rune) bool { return r != '\n' && r != '\t' && unicode.IsControl(r) }
			if len(text) > limit || !utf8.ValidString(text) || strings.ContainsFunc(text, odd) {
				t.Errorf("%d bytes, at most %d: %.200q", len(text), limit, text)
			}
		}
	})
}
