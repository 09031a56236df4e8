package closure

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
)

// writePackages makes a repository without RPMs.
func writePackages(t testing.TB, packages []*rpmfile.Package, modules string) string {
	t.Helper()
	var entries []repomd.Entry
	for _, p := range packages {
		sum := sha256.Sum256([]byte(p.String()))
		file := repomd.File{Href: p.NVRA() + ".rpm", SHA256: hex.EncodeToString(sum[:]), Size: 1}
		fragments, err := repomd.Render(p, file)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, repomd.Entry{NEVRA: p.NEVRA, SHA256: file.SHA256, Fragments: fragments})
	}
	slices.SortFunc(entries, repomd.Compare)
	opts := repomd.Options{Revision: "1"}
	if modules != "" {
		opts.Modules = []byte(modules)
	}
	dir := t.TempDir()
	_, err := repomd.Write(t.Context(), dir, len(entries), func(yield func(repomd.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}, opts)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// damaged is a file system whose files are not what they were.
type damaged struct{ fs.FS }

func (d damaged) Open(string) (fs.File, error) {
	return fstest.MapFS{"x": {Data: []byte("<repomd")}}.Open("x")
}
