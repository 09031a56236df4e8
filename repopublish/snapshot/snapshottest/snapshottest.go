// Package snapshottest makes repositories for tests, and damages them.
package snapshottest

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/rpmpack"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// Repository is what a repository consists of.
type Repository struct {
	// Names are those of its packages, in ascending order.
	Names []string
	// RPMs writes the RPMs; otherwise there are only words about them.
	RPMs        bool
	Compression repomd.Compression
	Modules     string
}

// Write makes a repository in a directory.
func Write(t testing.TB, dir string, r Repository) {
	t.Helper()
	var entries []repomd.Entry
	for _, name := range r.Names {
		raw := rpmtest.Pack(t, rpmpack.RPMMetaData{Name: name, Version: "1", Release: "1", Arch: "noarch", BuildTime: time.Unix(1, 0)}, nil)
		pkg, err := rpmfile.Read(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(raw)
		file := repomd.File{Href: "Packages/" + name + "-1-1.noarch.rpm", SHA256: hex.EncodeToString(sum[:]), Size: int64(len(raw))}
		fragments, err := repomd.Render(pkg, file)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, repomd.Entry{NEVRA: pkg.NEVRA, SHA256: file.SHA256, Fragments: fragments})
		if !r.RPMs {
			continue
		}
		if err := os.MkdirAll(filepath.Join(dir, "Packages"), 0o755); err != nil {
			t.Fatal(err)
		}
		Replace(t, filepath.Join(dir, file.Href), string(raw))
	}
	all := func(yield func(repomd.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
	opts := repomd.Options{Revision: "1", Compression: r.Compression}
	if r.Modules != "" {
		opts.Modules = []byte(r.Modules)
	}
	if _, err := repomd.Write(t.Context(), dir, len(entries), all, opts); err != nil {
		t.Fatal(err)
	}
}

// Recompress compresses every document of a repository by the program xz and
// describes it by its SHA-512.
func Recompress(t testing.TB, dir string) {
	t.Helper()
	path := filepath.Join(dir, "repodata", "repomd.xml")
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	md, err := repomd.ReadRepomd(f)
	if err != nil {
		t.Fatal(err)
	}
	text := "<repomd>"
	for _, d := range md.Data {
		r, err := d.Open(os.DirFS(dir))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), rpmtest.Tool(t, "xz"), "-c")
		cmd.Stdin = bytes.NewReader(plain)
		packed, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		href := "repodata/" + d.Type + ".xz"
		Replace(t, filepath.Join(dir, href), string(packed))
		sum := sha512.Sum512(packed)
		text += fmt.Sprintf(`<data type="%s"><checksum type="sha512">%x</checksum><location href="%s"/><size>%d</size></data>`, d.Type, sum, href, len(packed))
	}
	Replace(t, path, text+"</repomd>")
}

// Replace writes a file.
func Replace(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Edit replaces a text in a file, which must hold it.
func Edit(t testing.TB, path, before, after string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), before) {
		t.Fatalf("%s does not hold %q", path, before)
	}
	Replace(t, path, strings.ReplaceAll(string(text), before, after))
}

// Flip changes the last byte of a file.
func Flip(t testing.TB, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		t.Fatalf("read %s: %d bytes, %v", path, len(text), err)
	}
	text[len(text)-1] ^= 1
	Replace(t, path, string(text))
}
