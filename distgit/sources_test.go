package distgit

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hexOf repeats a digit to the length of a hash.
func hexOf(digits int, digit string) string { return strings.Repeat(digit, digits) }

func TestParseSources(t *testing.T) {
	t.Parallel()
	text := "SHA512 (hello-2.12.tar.gz) = " + hexOf(128, "a") + "\n" +
		"\n" +
		"# a comment\n" +
		"sha256 (file (1) with spaces.zip) = " + hexOf(64, "B") + "\r\n" +
		hexOf(32, "c") + "  old-1.0.tar.bz2\n" +
		hexOf(32, "D") + " *binary.bin\n" +
		"SHA1 (x) = " + hexOf(40, "1") + "\n" +
		"MD5 (no-newline) = " + hexOf(32, "2")
	want := []SourceFile{
		{Name: "hello-2.12.tar.gz", Type: SHA512, Hash: hexOf(128, "a"), Line: 1},
		{Name: "file (1) with spaces.zip", Type: SHA256, Hash: hexOf(64, "b"), Line: 4},
		{Name: "old-1.0.tar.bz2", Type: MD5, Hash: hexOf(32, "c"), Line: 5},
		{Name: "binary.bin", Type: MD5, Hash: hexOf(32, "d"), Line: 6},
		{Name: "x", Type: SHA1, Hash: hexOf(40, "1"), Line: 7},
		{Name: "no-newline", Type: MD5, Hash: hexOf(32, "2"), Line: 8},
	}
	got, err := ParseSources([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ParseSources (-want +got):\n%s", diff)
	}
	weak := map[string]bool{}
	for _, source := range got {
		weak[source.Name] = source.Type.Weak()
	}
	if diff := cmp.Diff(map[string]bool{"hello-2.12.tar.gz": false, "file (1) with spaces.zip": false, "old-1.0.tar.bz2": true, "binary.bin": true, "x": true, "no-newline": true}, weak); diff != "" {
		t.Errorf("Weak (-want +got):\n%s", diff)
	}
	if none, err := ParseSources(nil); err != nil || len(none) != 0 {
		t.Errorf("ParseSources of an empty file: %v, %v", none, err)
	}
}

func TestParseSourcesRefuses(t *testing.T) {
	t.Parallel()
	sum := hexOf(128, "a")
	for _, test := range []struct {
		name, text, reason string
		line               int
	}{
		{"a hash of the wrong length", "SHA512 (a) = " + sum[1:], "a SHA512 hash has 128 digits, not 127", 1},
		{"a type that does not match", "SHA256 (a) = " + sum, "a SHA256 hash has 64 digits, not 128", 1},
		{"an unknown type", "CRC32 (a) = 12345678", `hash type "CRC32" is not known`, 1},
		{"digits that are none", "SHA512 (a) = " + strings.Repeat("g", 128), "the line is neither", 1},
		{"a path", "SHA512 (a/b) = " + sum, "is not a base name", 1},
		{"an absolute path", hexOf(32, "a") + "  /etc/passwd", "is not a base name", 1},
		{"a backslash", `SHA512 (a\b) = ` + sum, "is not a base name", 1},
		{"the parent folder", "SHA512 (..) = " + sum, `begins with "."`, 1},
		{"a hidden file", "SHA512 (.osc) = " + sum, `begins with "."`, 1},
		{"an option", "SHA512 (-rf) = " + sum, `begins with "-"`, 1},
		{"a control character", "SHA512 (a\x1b[31m) = " + sum, "has a control character", 1},
		{"a NUL", "SHA512 (a\x00b) = " + sum, "has a control character", 1},
		{"a name that is not UTF-8", "SHA512 (a\xff) = " + sum, "is not UTF-8", 1},
		{"a long name", "SHA512 (" + strings.Repeat("a", 256) + ") = " + sum, "more than 255 bytes", 1},
		{"blanks around a name", "SHA512 ( a ) = " + sum, "white space", 1},
		{"a name twice", "SHA512 (a) = " + sum + "\n\n" + hexOf(32, "a") + "  a", `file "a" is there twice, first at line 1`, 3},
		{"one word", "\nnonsense", "the line is neither", 2},
		{"a hash alone", hexOf(32, "a"), "the line is neither", 1},
		{"too many files", strings.Repeat("#\n", 10) + manySources(maxSources+1), "more than 5000 files", maxSources + 11},
		{"a huge file", strings.Repeat("\n", maxSourcesBytes+1), "more than 1048576 bytes", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseSources([]byte(test.text))
			var wrong *SourcesError
			if !errors.As(err, &wrong) || wrong.Line != test.line || !strings.Contains(wrong.Reason, test.reason) || got != nil {
				t.Errorf("ParseSources: %v, %v; want line %d: …%s…", got, err, test.line, test.reason)
			}
		})
	}
}

// manySources is a sources file of n lines.
func manySources(n int) string {
	var text strings.Builder
	for i := range n {
		text.WriteString(hexOf(32, "a") + " f" + strings.Repeat("x", i%50) + string(rune('a'+i%26)) + strings.Repeat("y", i/50) + "\n")
	}
	return text.String()
}

func FuzzParseSources(f *testing.F) {
	f.Add([]byte("SHA512 (a) = " + hexOf(128, "a") + "\n"))
	f.Add([]byte(hexOf(32, "a") + "  old\n\n# c"))
	f.Add([]byte("SHA512 (..) = "))
	f.Fuzz(func(t *testing.T, data []byte) {
		sources, err := ParseSources(data)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, source := range sources {
			if wrongFileName(source.Name) != "" || strings.ContainsAny(source.Name, "/\x00\n") || seen[source.Name] {
				t.Errorf("name %q", source.Name)
			}
			if len(source.Hash) != source.Type.hexDigits() || source.Line < 1 {
				t.Errorf("source %+v", source)
			}
			seen[source.Name] = true
		}
	})
}
