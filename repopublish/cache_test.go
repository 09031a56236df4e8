package repopublish

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// What is kept can be made again, whatever became of it.
func TestKeptMetadataMayBeAnything(t *testing.T) {
	t.Parallel()
	for what, spoil := range map[string]func(dir string) error{
		"gone":                    os.RemoveAll,
		"without its lock":        func(dir string) error { return os.Remove(filepath.Join(dir, "lock")) },
		"something else":          func(dir string) error { return os.WriteFile(filepath.Join(dir, ".nfs1"), nil, 0o600) },
		"without its index":       func(dir string) error { return os.Remove(filepath.Join(dir, "index")) },
		"with a cut index":        func(dir string) error { return os.Truncate(filepath.Join(dir, "index"), 10) },
		"half removed by a crash": func(dir string) error { return os.Remove(filepath.Join(dir, "members.1")) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, "x86_64")
			s.tag(t, s.dist.DestTag, s.complete(t, 1, "hello", "1", "hello.x86_64"))
			if err := s.publish(t); err != nil {
				t.Fatal(err)
			}
			if err := spoil(filepath.Join(s.CacheDir, strconv.FormatInt(s.dist.DestTag, 10), "x86_64")); err != nil {
				t.Fatal(err)
			}
			s.tag(t, s.dist.DestTag, s.complete(t, 2, "other", "1", "other.x86_64"))
			if err := s.publish(t); err != nil {
				t.Fatal(err)
			}
			s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64", "other-1-1.x86_64")
		})
	}
}

func TestMetadataOfExternalRepositoriesIsKeptForATime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := removeOld(filepath.Join(dir, "nothing"), time.Hour); err != nil {
		t.Error(err)
	}
	for name, age := range map[string]time.Duration{"old": 2 * time.Hour, "below/old": 2 * time.Hour, "below/new": 0} {
		path := filepath.Join(dir, name)
		at := time.Now().Add(-age)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeOld(dir, time.Hour); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"old": false, "below/old": false, "below/new": true} {
		if _, err := os.Lstat(filepath.Join(dir, name)); errors.Is(err, fs.ErrNotExist) == want {
			t.Errorf("%s is there: %t, want %t", name, err == nil, want)
		}
	}
}
