package repopublish

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/store"
)

// stored puts a text into the store, as if it were the package NAME-VERSION-1.
func (s *stage) stored(t *testing.T, name, version, text string) repomd.Item {
	t.Helper()
	blob, err := s.Store.Put(t.Context(), strings.NewReader(text), "", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	nevra := rpmfile.NEVRA{Name: name, Version: version, Release: "1", Arch: "noarch"}
	return repomd.Item{NEVRA: nevra, File: repomd.File{Href: hrefOf(nevra), SHA256: blob.SHA256, Size: blob.Size}}
}

// files lists what lies below a directory, directories too.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		names = append(names, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestLink(t *testing.T) {
	t.Parallel()
	s := newStage(t, "x86_64")
	random := rand.New(rand.NewPCG(1, 2))
	reused, there := t.TempDir(), []repomd.Item(nil)
	for round := range 20 {
		chosen := map[string]repomd.Item{}
		for range random.IntN(40) {
			name := fmt.Sprintf("%c%d", 'a'+random.IntN(8), random.IntN(3))
			version := fmt.Sprint(random.IntN(3))
			// Other bytes under the same name, too.
			chosen[name] = s.stored(t, name, version, name+version+fmt.Sprint(random.IntN(2)))
		}
		items := make([]repomd.Item, 0, len(chosen))
		for _, item := range chosen {
			items = append(items, item)
		}
		slices.SortFunc(items, repomd.CompareItems)
		anew, again := t.TempDir(), slices.Clone(items)
		if err := s.link(t.Context(), anew, items, formerly(items, nil)); err != nil {
			t.Fatal(err)
		}
		known := formerly(again, there)
		known.there = true
		if err := s.link(t.Context(), reused, again, known); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(files(t, anew), files(t, reused)); diff != "" {
			t.Fatalf("round %d (-made anew +made of the one before)\n%s", round, diff)
		}
		if diff := cmp.Diff(items, again); diff != "" {
			t.Errorf("round %d: items (-made anew +made of the one before)\n%s", round, diff)
		}
		for _, item := range items {
			raw, err := os.ReadFile(filepath.Join(reused, item.Href))
			if err != nil || item.Origin == "" || fmt.Sprintf("%x", sha256.Sum256(raw)) != item.SHA256 {
				t.Fatalf("%s: %d bytes, %v; want %+v", item.NEVRA, len(raw), err, item)
			}
		}
		there = again
	}
}

func TestLinkReadsWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	for what, spoil := range map[string]func(string) error{
		"another file is in its place": func(path string) error {
			other := path + ".other"
			return errors.Join(os.WriteFile(other, []byte("evil"), 0o444), os.Rename(other, path))
		},
		"other bytes were written": func(path string) error {
			return errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte("evil"), 0o600))
		},
		"it is shorter": func(path string) error {
			return errors.Join(os.Chmod(path, 0o600), os.Truncate(path, 3))
		},
		"it is gone": os.Remove,
	} {
		t.Run("and refuses a package when "+what, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, "x86_64")
			items := []repomd.Item{s.stored(t, "good", "1", "good")}
			if err := s.link(t.Context(), t.TempDir(), items, formerly(items, nil)); err != nil {
				t.Fatal(err)
			}
			known := slices.Clone(items)
			if err := spoil(s.Store.Path(store.Blob{SHA256: items[0].SHA256})); err != nil {
				t.Fatal(err)
			}
			for _, known := range [][]repomd.Item{known, nil} {
				if err := s.link(t.Context(), t.TempDir(), items, formerly(items, known)); !errors.Is(err, store.ErrDigest) && !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("known %v: %v", known != nil, err)
				}
			}
		})
	}

	t.Run("and not what is known", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		items := []repomd.Item{s.stored(t, "good", "1", "good")}
		// Nothing tells this file from one that was read.
		path := s.Store.Path(store.Blob{SHA256: items[0].SHA256})
		if err := s.link(t.Context(), t.TempDir(), items, formerly(items, nil)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte("evil"), 0o600), os.Chtimes(path, info.ModTime(), info.ModTime())); err != nil {
			t.Fatal(err)
		}
		if err := s.link(t.Context(), t.TempDir(), slices.Clone(items), formerly(items, items)); err != nil {
			t.Error(err)
		}
	})
}

func TestPackageThatCanBeLinkedNoMoreIsCopied(t *testing.T) {
	t.Parallel()
	s := newStage(t, "x86_64")
	item := s.stored(t, "good", "1", "good")
	file := filepath.Join(t.TempDir(), "good.rpm")
	if err := s.copyOne(file, &item); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(file); err != nil || string(raw) != "good" {
		t.Errorf("%q, %v", raw, err)
	}
	path := s.Store.Path(store.Blob{SHA256: item.SHA256})
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte("evil"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := s.copyOne(filepath.Join(t.TempDir(), "evil.rpm"), &item); !errors.Is(err, store.ErrDigest) {
		t.Errorf("got %v, want ErrDigest", err)
	}
}
