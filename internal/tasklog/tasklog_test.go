package tasklog

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ in, want string }{
		"Plain text stays":                          {"a\tb\nc ü", "a\tb\nc ü"},
		"Colours go":                                {"\x1b[1;31merror\x1b[0m", "error"},
		"A title sequence goes with its text":       {"a\x1b]0;pwned\x07b", "ab"},
		"A hyperlink goes, its text stays":          {"\x1b]8;;http://x\x1b\\text\x1b]8;;\x1b\\", "text"},
		"An unfinished sequence ends with its line": {"a\x1b]0;never\nb", "a\nb"},
		"A carriage return begins a line":           {"10%\r20%\r\n", "10%\n20%\n"},
		"Control characters go":                     {"a\x00\x08\x7f\u0085b", "ab"},
		"Text that turns direction goes":            {"a\u202eb\u2066c\ufeff", "abc"},
		"Bytes that are not UTF-8 are marked":       {"a\xffb", "a\uFFFDb"},
		"A lone escape goes":                        {"a\x1b", "a"},
		"A control inside a sequence ends it":       {"\x1b[1\x1b[2Kx", "x"},
		"Markup stays for the page to escape":       {"<script>", "<script>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Printable(test.in); got != test.want {
				t.Errorf("Printable(%q) = %q, want %q", test.in, got, test.want)
			}
		})
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\x1b[1;31mb\x1b]0;t\x07\r\n\xff")
	f.Fuzz(func(t *testing.T, in string) {
		got := Printable(in)
		if i := strings.IndexFunc(got, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 }); i >= 0 {
			t.Errorf("Printable(%q) = %q: control character at %d", in, got, i)
		}
		if again := Printable(got); again != got {
			t.Errorf("Printable is not stable: %q, then %q", got, again)
		}
	})
}

func TestOpen(t *testing.T) {
	t.Parallel()
	dirs := In(t.TempDir())
	dir, err := dirs.Make(7, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "build.log"), []byte("hello\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "root.log")); err != nil {
		t.Fatal(err)
	}
	file, err := dirs.Open(7, 2, "build.log")
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	for _, name := range []string{"root.log", "../2/build.log", "other.log", "", "/etc/passwd", "checkout.log"} {
		if _, err := dirs.Open(7, 2, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("open %q: %v, want fs.ErrNotExist", name, err)
		}
	}
	attempts, err := dirs.Attempts(7)
	if err != nil || len(attempts) != 1 || attempts[0] != 2 {
		t.Errorf("attempts: %v, %v, want [2]", attempts, err)
	}
}
