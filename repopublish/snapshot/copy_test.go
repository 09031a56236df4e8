package snapshot

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/distbot/distbot/repopublish/snapshot/snapshottest"
)

func TestCopiesAreChecked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	snapshottest.Write(t, dir, snapshottest.Repository{Names: []string{"a"}, RPMs: true})
	for what, location := range map[string]string{"directory": dir, "address": serve(t, http.FileServer(http.Dir(dir)))} {
		opts := quick()
		opts.CacheDir = t.TempDir()
		s := mustOpen(t, location, opts)
		p := first(t, s)
		original := filepath.Join(dir, p.Href)
		want, err := os.ReadFile(original)
		if err != nil {
			t.Fatal(err)
		}
		target := func() *os.File {
			f, err := os.Create(filepath.Join(t.TempDir(), "copy"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			return f
		}
		for how, text := range map[string]string{
			"other bytes": string(want[:len(want)-1]) + "x", "longer": string(want) + "x", "shorter": string(want[:len(want)-1]), "empty": "",
		} {
			snapshottest.Replace(t, original, text)
			if err := s.Copy(t.Context(), p, target()); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s, %s: %v", what, how, err)
			}
		}
		if err := os.Remove(original); err != nil {
			t.Fatal(err)
		}
		if err := s.Copy(t.Context(), p, target()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s, gone: %v", what, err)
		}
		snapshottest.Replace(t, original, string(want))
		to := target()
		if err := s.Copy(t.Context(), p, to); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(to.Name())
		if err != nil || string(got) != string(want) {
			t.Errorf("%s: got %d bytes, want %d: %v", what, len(got), len(want), err)
		}
		// The copy is nobody else's.
		if _, err := to.WriteAt([]byte("x"), 0); err != nil {
			t.Fatal(err)
		}
		if err := s.Copy(t.Context(), p, target()); err != nil {
			t.Errorf("%s, after a copy was changed: %v", what, err)
		}
	}
}
