package repomd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sizeOfCache is how many bytes its files have.
func sizeOfCache(tb testing.TB, dir string) (n int64) {
	tb.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			tb.Fatal(err)
		}
		n += info.Size()
	}
	return n
}

// openFiles are the files below a directory that the process has open.
func openFiles(tb testing.TB, dir string) (names []string) {
	tb.Helper()
	const fds = "/proc/self/fd"
	entries, err := os.ReadDir(fds)
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range entries {
		name, err := os.Readlink(filepath.Join(fds, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // of another test, closed since
		}
		if err != nil {
			tb.Fatal(err)
		}
		if rest, ok := strings.CutPrefix(name, dir+"/"); ok {
			names = append(names, rest)
		}
	}
	slices.Sort(names)
	return names
}

// A cache whose files are mostly of no use is written anew: what it keeps is
// the same, and goes on to be used.
func TestCacheIsWrittenAnew(t *testing.T) {
	t.Parallel()
	s := &shelf{tb: t}
	var items []Item
	for i := range 400 {
		items = append(items, s.item(i, 1))
	}
	slices.SortFunc(items, CompareItems)
	dir := t.TempDir()
	var full int64
	for _, step := range []struct {
		name  string
		items []Item
		spare int64
		put   int
		files []string
	}{
		{"all packages", items, 0, 400, []string{"filelists.1", "index", "lock", "members.1", "other.1", "primary.1"}},
		{"a tenth of them, with more to spare", items[:40], 1 << 40, 0, []string{"filelists.1", "index", "lock", "members.1", "other.1", "primary.1"}},
		{"a tenth of them", items[:40], 0, 0, []string{"filelists.2", "index", "lock", "members.2", "other.2", "primary.2"}},
		{"the same", items[:40], 0, 0, []string{"filelists.2", "index", "lock", "members.2", "other.2", "primary.2"}},
		{"twice as many", items[:80], 0, 40, []string{"filelists.2", "index", "lock", "members.2", "other.2", "primary.2"}},
	} {
		c, err := openFormat(dir, RenderFormat, step.spare)
		if err != nil {
			t.Fatal(err)
		}
		if put := s.put(c, step.items); put != step.put {
			t.Errorf("%s: %d packages were missing, want %d", step.name, put, step.put)
		}
		out := t.TempDir()
		if _, err := c.Write(t.Context(), out, step.items, Options{Revision: "1"}); err != nil {
			t.Fatal(err)
		}
		compareWritten(t, s, step.items, out)
		if err := c.Save(); err != nil {
			t.Fatal(err)
		}
		// The same cache can go on.
		again := t.TempDir()
		if _, err := c.Write(t.Context(), again, step.items, Options{Revision: "1"}); err != nil {
			t.Errorf("%s: write once more: %v", step.name, err)
		}
		compareWritten(t, s, step.items, again)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if left := openFiles(t, dir); len(left) > 0 {
			t.Errorf("%s: still open: %v", step.name, left)
		}
		var files []string
		for name := range tree(t, dir) {
			files = append(files, name)
		}
		slices.Sort(files)
		if diff := cmp.Diff(step.files, files); diff != "" {
			t.Errorf("%s: files (-want +got)\n%s", step.name, diff)
		}
		size := sizeOfCache(t, dir)
		full = max(full, size)
		if anew := slices.Contains(step.files, "primary.2"); anew && size > full/3 {
			t.Errorf("%s: %d bytes, all together were %d", step.name, size, full)
		}
	}
}

// After trouble the cache has the files it had, or is empty where they are
// damaged; no others are open.
func TestCacheThatCannotBeWrittenAnew(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil func(dir string) error
		want  error
		files []string
	}{
		"no file can be made": {func(dir string) error { return os.Mkdir(filepath.Join(dir, "other.2"), 0o700) }, nil, []string{"filelists.1", "lock", "members.1", "other.1", "primary.1"}},
		"what is to be kept is damaged": {func(dir string) error {
			file := filepath.Join(dir, "other.1")
			raw, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			raw[10] ^= 1
			return os.WriteFile(file, raw, 0o600)
		}, ErrDamaged, []string{"filelists.2", "lock", "members.2", "other.2", "primary.2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{tb: t}
			items := []Item{s.item(1, 1), s.item(2, 1), s.item(3, 1)}
			dir := t.TempDir()
			c, err := openFormat(dir, RenderFormat, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}()
			for n := 3; n > 0; n -= 2 {
				s.put(c, items[:n])
				if _, err := c.Write(t.Context(), t.TempDir(), items[:n], Options{Revision: "1"}); err != nil {
					t.Fatal(err)
				}
				if n < len(items) {
					continue
				}
				if err := c.Save(); err != nil {
					t.Fatal(err)
				}
			}
			if err := tt.spoil(dir); err != nil {
				t.Fatal(err)
			}
			if err := c.Save(); err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want an error (%v)", err, tt.want)
			}
			if diff := cmp.Diff(tt.files, openFiles(t, dir)); diff != "" {
				t.Errorf("open files (-want +got)\n%s", diff)
			}
			if missing := !c.Has(items[0]); missing != (tt.want != nil) {
				t.Errorf("metadata is missing: %v", missing)
			}
		})
	}
}
