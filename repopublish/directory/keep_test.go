package directory

import (
	"crypto/sha1"
	"crypto/sha512"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/repomd"
)

// describe changes what repomd.xml says of the modules, in <data> without its
// checksum and size.
func describe(tb testing.TB, dir, checksum, size string) {
	tb.Helper()
	name := filepath.Join(dir, "repodata", "repomd.xml")
	raw, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	head, modules, ok := strings.Cut(string(raw), `<data type="modules">`)
	if !ok {
		tb.Fatalf("no modules in\n%s", raw)
	}
	modules = regexp.MustCompile(`<checksum.*</checksum>`).ReplaceAllLiteralString(modules, checksum)
	if size != "" {
		modules = regexp.MustCompile(`<size.*</size>`).ReplaceAllLiteralString(modules, "<size>"+size+"</size>")
	}
	if err := os.WriteFile(name, []byte(head+`<data type="modules">`+modules), 0o644); err != nil {
		tb.Fatal(err)
	}
}

func TestDocumentsAreKeptWhenTheyAreWhatRepomdSays(t *testing.T) {
	t.Parallel()
	checksum := func(kind string, sum []byte) string {
		return fmt.Sprintf(`<checksum type="%s">%x</checksum>`, kind, sum)
	}
	for _, tt := range []struct {
		name     string
		describe func(text []byte) (checksum, size string)
		evil     bool // there is another text
		want     error
		says     string
	}{
		{"by SHA-512", func(text []byte) (string, string) {
			sum := sha512.Sum512(text)
			return checksum("sha512", sum[:]), ""
		}, false, nil, ""},
		{"by SHA-512 without size", func(text []byte) (string, string) {
			sum := sha512.Sum512(text)
			return checksum("sha512", sum[:]), "0"
		}, false, nil, ""},
		{"another one than the SHA-512", func(text []byte) (string, string) {
			sum := sha512.Sum512(text)
			return checksum("sha512", sum[:]), ""
		}, true, repomd.ErrChecksum, "sha512"},
		{"of another size", func(text []byte) (string, string) {
			sum := sha512.Sum512(text)
			return checksum("sha512", sum[:]), fmt.Sprint(len(text) + 1)
		}, false, repomd.ErrChecksum, "bytes"},
		{"by SHA-1, which can be made to fit", func(text []byte) (string, string) {
			sum := sha1.Sum(text)
			return checksum("sha", sum[:]), ""
		}, false, repomd.ErrChecksum, "neither SHA-256 nor SHA-512"},
		{"without checksum", func([]byte) (string, string) { return "", "" }, false, repomd.ErrChecksum, "neither SHA-256 nor SHA-512"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			mustCreate(t, Options{Dir: dir, Modules: defaults("1")})
			var file, text string
			for name, content := range repodata(t, dir) {
				if strings.Contains(name, "modules") {
					file, text = filepath.Join(dir, name), content
				}
			}
			sum, size := tt.describe([]byte(text))
			describe(t, dir, sum, size)
			if tt.evil {
				if err := os.WriteFile(file, []byte(strings.Repeat("x", len(text))), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			before := repodata(t, dir)
			_, err := Create(t.Context(), Options{Dir: dir})
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err == nil {
				md, err := repomd.ReadRepomd(strings.NewReader(repodata(t, dir)["repodata/repomd.xml"]))
				if err != nil {
					t.Fatal(err)
				}
				if err := repomd.CheckWritten(dir, md); err != nil {
					t.Error(err)
				}
				return
			}
			for _, part := range []string{tt.says, "keep modules", "drop it"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%v does not say %q", err, part)
				}
			}
			if after := repodata(t, dir); after["repodata/repomd.xml"] != before["repodata/repomd.xml"] {
				t.Error("repomd.xml has changed")
			}
			mustCreate(t, Options{Dir: dir, Drop: []string{"modules"}})
		})
	}
}
