package web

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/distbot/distbot/internal/tasklog"
)

// inPieces prints a text that comes in pieces of the given lengths, over and
// over.
func inPieces(text string, lengths []byte) string {
	var p printer
	var out strings.Builder
	for i := 0; text != ""; i++ {
		n := 1
		if len(lengths) > 0 {
			n += int(lengths[i%len(lengths)])
		}
		n = min(n, len(text))
		out.WriteString(p.add([]byte(text[:n])))
		text = text[n:]
	}
	out.WriteString(p.rest())
	return out.String()
}

func FuzzPrinterInPieces(f *testing.F) {
	f.Add("a\x1b[1;31mred\x1b[0m\r\n\x1b]0;title\x07b\xff\xfe\ne\u0301\u202e", []byte{0})
	f.Add("\r\r\n\x1b]8;;http://x\x1b\\t\x1b]8;;\x1b\\", []byte{1, 0, 2})
	f.Add("\x1b\n[31m\x1b", []byte{0, 3})
	f.Fuzz(func(t *testing.T, text string, lengths []byte) {
		text = text[:min(len(text), maxLine-1)] // longer lines are cut
		if got, want := inPieces(text, lengths), tasklog.Printable(text); got != want {
			t.Errorf("%q in pieces of %v:\ngot  %q\nwant %q", text, lengths, got, want)
		}
	})
}

// randomLog is made of what makes trouble at borders.
func randomLog(random *rand.Rand, pieces int) string {
	parts := []string{
		"make[1]: Entering directory\n", "\r\n", "\r", "\n", "\x1b", "[", "[1;31m", "\x1b[0m", "\x1b]0;t", "\x07", "\x1b\\", "ü", "\u202e", "\xe2\x80", "\xff",
		"\x00", "\t", "日本", "m", "\x1bP1$r", "<b>",
	}
	var log strings.Builder
	for range pieces {
		log.WriteString(parts[random.IntN(len(parts))])
	}
	return log.String()
}

func TestPiecesTogetherArePrintableOfTheWhole(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		text := randomLog(random, random.IntN(60))
		lengths := make([]byte, 1+random.IntN(5))
		for i := range lengths {
			lengths[i] = byte(random.IntN(9))
		}
		if got, want := inPieces(text, lengths), tasklog.Printable(text); got != want {
			t.Fatalf("%q in pieces of %v:\ngot  %q\nwant %q", text, lengths, got, want)
		}
	}
}

func TestALineWithoutEndIsCutAndStillPrintable(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	text := strings.ReplaceAll(randomLog(random, 200_000), "\n", "") + "end"
	var p printer
	var out strings.Builder
	for piece := range strings.SplitAfterSeq(text, "m") {
		out.WriteString(p.add([]byte(piece)))
		if p.holds() >= maxLine {
			t.Fatalf("%d bytes are held, more than a line may have", p.holds())
		}
	}
	out.WriteString(p.rest())
	if got := out.String(); got != tasklog.Printable(got) || !strings.HasSuffix(got, "end") {
		t.Error("a cut line is not printable, or its end is missing")
	}
	// Characters stay whole.
	wide := strings.Repeat("語", maxLine)
	if got := inPieces(wide, []byte{250}); got != wide {
		t.Errorf("characters were cut: %d runes, want %d; valid: %v", utf8.RuneCountInString(got), utf8.RuneCountInString(wide), utf8.ValidString(got))
	}
}
