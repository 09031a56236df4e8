package repomd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/internal/rpmfile"
)

// shelf makes packages by number and version, as a repository would have them.
type shelf struct {
	tb      testing.TB
	entries map[string]Entry
}

func (s *shelf) item(i, version int) Item {
	s.tb.Helper()
	p, f := example(i)
	p.Release = fmt.Sprint(version)
	sum := sha256.Sum256([]byte(p.NVRA()))
	f.SHA256, f.Href = hex.EncodeToString(sum[:]), "Packages/p/"+p.NVRA()+".rpm"
	fragments, err := Render(p, f)
	if err != nil {
		s.tb.Fatal(err)
	}
	if s.entries == nil {
		s.entries = map[string]Entry{}
	}
	s.entries[f.SHA256] = Entry{NEVRA: p.NEVRA, SHA256: f.SHA256, Fragments: fragments}
	return Item{NEVRA: p.NEVRA, File: f, Origin: "origin of " + p.NVRA()}
}

// put adds what the cache lacks and says how many that were.
func (s *shelf) put(c *Cache, items []Item) (added int) {
	s.tb.Helper()
	for _, item := range items {
		if c.Has(item) {
			continue
		}
		added++
		if err := c.Put(item, s.entries[item.SHA256].Fragments); err != nil {
			s.tb.Fatal(err)
		}
	}
	return added
}

// written is a repository as the function Write makes it of the same packages.
func (s *shelf) written(items []Item, opts Options) map[string]string {
	s.tb.Helper()
	entries := make([]Entry, len(items))
	for i, item := range items {
		entries[i] = s.entries[item.SHA256]
	}
	dir := s.tb.TempDir()
	if _, err := Write(s.tb.Context(), dir, len(entries), sequence(entries), opts); err != nil {
		s.tb.Fatal(err)
	}
	return tree(s.tb, dir)
}

func openCache(tb testing.TB, dir string) *Cache {
	tb.Helper()
	c, err := OpenCache(dir)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestCacheWritesWhatWriteWrites(t *testing.T) {
	t.Parallel()
	for _, compression := range []Compression{Gzip, Zstd} {
		t.Run(string(compression), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(1, 2))
			s := &shelf{tb: t}
			var items []Item
			for i := range 300 {
				items = append(items, s.item(i, 1))
			}
			slices.SortFunc(items, CompareItems)
			dir := t.TempDir()
			for round := range 25 {
				for range random.IntN(4) {
					switch at := random.IntN(len(items)); random.IntN(3) {
					case 0:
						items = slices.Delete(items, at, at+1)
					case 1:
						items = append(items, s.item(1000+random.IntN(1000), round))
					default:
						items[at] = s.item(random.IntN(300), 100+round)
					}
					slices.SortFunc(items, CompareItems)
					items = slices.CompactFunc(items, func(a, b Item) bool { return a.SHA256 == b.SHA256 })
				}
				opts := Options{Revision: fmt.Sprint(round), Timestamp: int64(round), Compression: compression}
				c := openCache(t, dir)
				s.put(c, items)
				out := t.TempDir()
				if _, err := c.Write(t.Context(), out, items, opts); err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(c.Save(), c.Close()); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(s.written(items, opts), tree(t, out)); diff != "" {
					t.Fatalf("round %d (-without +with the cache)\n%.2000s", round, diff)
				}
				c = openCache(t, dir)
				if diff := cmp.Diff(items, c.Items()); diff != "" {
					t.Errorf("round %d: items (-written +remembered)\n%s", round, diff)
				}
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
			}
			files, err := os.ReadDir(dir)
			if err != nil || len(files) != segmentCount+2 {
				t.Errorf("files of the cache: %v, %v", files, err)
			}
		})
	}
}

// Where as many packages as before begin with the same ones, the hash of the
// text goes on there.
func TestHashOfTheTextGoesOn(t *testing.T) {
	t.Parallel()
	s := &shelf{tb: t}
	var items []Item
	for i := range 400 {
		items = append(items, s.item(i, 1))
	}
	slices.SortFunc(items, CompareItems)
	dir := t.TempDir()
	fill := func(c *Cache) (same int) {
		s.put(c, items)
		blocks, err := c.plan(items, Gzip)
		if err != nil {
			t.Fatal(err)
		}
		w := &documentWriter{dataFile: &dataFile{open: newCounter()}}
		same = c.resume(w, 0, blocks, len(items))
		out := t.TempDir()
		if _, err := c.Write(t.Context(), out, items, Options{Revision: "1"}); err != nil {
			t.Fatal(err)
		}
		compareWritten(t, s, items, out)
		if err := errors.Join(c.Save(), c.Close()); err != nil {
			t.Fatal(err)
		}
		return same
	}
	if same := fill(openCache(t, dir)); same != 0 {
		t.Fatalf("%d blocks are the same as before in an empty cache", same)
	}
	last := -1
	for _, at := range []int{0, 150, 250, 399, 399} {
		var n int
		if _, err := fmt.Sscanf(items[at].Name, "package%d", &n); err != nil {
			t.Fatal(err)
		}
		items[at] = s.item(n, at+last+3)
		same := fill(openCache(t, dir))
		if at > 0 && same == 0 || at == 0 && same > 0 || same < last {
			t.Errorf("package %d changed: the hash goes on after %d blocks, before after %d", at, same, last)
		}
		last = same
	}
}

func TestHashStates(t *testing.T) {
	t.Parallel()
	for _, bad := range []hashState{"", "short", "12345678", "12345678 and something that is no hash"} {
		c := newCounter()
		_, _ = c.Write([]byte("a")) // a hash never fails
		want := c.Sum(nil)
		if err := c.resume(bad); !errors.Is(err, errNoState) || string(c.Sum(nil)) != string(want) || c.n != 1 {
			t.Errorf("%q: %v, %x after %d bytes; want errNoState and %x after 1", bad, err, c.Sum(nil), c.n, want)
		}
	}
}

func TestOneChangeCompressesOneBlock(t *testing.T) {
	t.Parallel()
	s := &shelf{tb: t}
	var items []Item
	for i := range 1000 {
		items = append(items, s.item(i, 1))
	}
	slices.SortFunc(items, CompareItems)
	c := openCache(t, t.TempDir())
	defer c.Close()
	s.put(c, items)
	for _, change := range []struct {
		name string
		edit func([]Item) []Item
	}{
		{"nothing", func(items []Item) []Item { return items }},
		{"another version of a package", func(items []Item) []Item { items[500] = s.item(500, 2); return items }},
		{"a package more", func(items []Item) []Item { return append(items, s.item(2000, 1)) }},
		{"a package less", func(items []Item) []Item { return slices.Delete(items, 700, 701) }},
	} {
		if _, err := c.Write(t.Context(), t.TempDir(), items, Options{Revision: "1"}); err != nil {
			t.Fatal(err)
		}
		items = change.edit(items)
		slices.SortFunc(items, CompareItems)
		s.put(c, items)
		before := len(c.blocks)
		blocks, err := c.plan(items, Gzip)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.pack(t.Context(), blocks, Gzip); err != nil {
			t.Fatal(err)
		}
		// The border of a block may be the package that came or went.
		if got := len(c.blocks) - before; got > 2 {
			t.Errorf("%s: %d of %d blocks compressed", change.name, got, len(blocks))
		}
	}
}

func TestCacheLeavesOtherFilesAlone(t *testing.T) {
	t.Parallel()
	for what, names := range map[string][]string{
		"a directory with texts":            {"thesis.txt"},
		"one with RPMs":                     {"a.rpm", "b.rpm"},
		"one with a hidden file":            {".profile"},
		"a file that is called like ours":   {"index"},
		"files that are called nearly so":   {"lock", "index", "primary.1", "primary.xml"},
		"a directory below":                 {"lock", "sub/"},
		"an index and segments, never ours": {"index", "members.1"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, name := range names {
				var err error
				if below, ok := strings.CutSuffix(name, "/"); ok {
					err = os.Mkdir(filepath.Join(dir, below), 0o755)
				} else {
					err = os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if c, err := OpenCache(dir); !errors.Is(err, ErrNoCache) {
				t.Errorf("got %v, %v; want ErrNoCache", c, err)
			}
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) != len(names) {
				t.Errorf("%v lie there, %v; want %v", entries, err, names)
			}
		})
	}
}

// Metadata that another version of the program rendered is rendered again.
func TestCacheOfAnotherFormatIsEmptied(t *testing.T) {
	t.Parallel()
	s := &shelf{tb: t}
	dir, items := t.TempDir(), []Item{s.item(1, 1), s.item(2, 1)}
	var keys []blockKey
	for _, step := range []struct {
		format uint64
		put    int
	}{{1, 2}, {1, 0}, {2, 2}, {2, 0}, {1, 2}} {
		c, err := openFormat(dir, step.format, 0)
		if err != nil {
			t.Fatal(err)
		}
		if put := s.put(c, items); put != step.put {
			t.Errorf("format %d: %d packages were missing, want %d", step.format, put, step.put)
		}
		out := t.TempDir()
		if _, err := c.Write(t.Context(), out, items, Options{Revision: "1"}); err != nil {
			t.Fatal(err)
		}
		compareWritten(t, s, items, out)
		keys = append(keys, c.written[0].key)
		if err := errors.Join(c.Save(), c.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if keys[0] != keys[1] || keys[1] == keys[2] || keys[2] != keys[3] || keys[4] != keys[0] {
		t.Errorf("identities of the block: %x", keys)
	}
}

func TestCacheBelongsToOneProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := openCache(t, dir)
	if _, err := OpenCache(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	// A process that is being started has the file for a moment.
	child, err := unix.Dup(int(c.lock.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(child)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := openCache(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
}

// A cache is not synced to disk: after a crash of the machine its files may
// hold anything.
func TestDamagedCacheIsFound(t *testing.T) {
	t.Parallel()
	s := &shelf{tb: t}
	var items []Item
	for i := range 200 {
		items = append(items, s.item(i, 1))
	}
	slices.SortFunc(items, CompareItems)
	fill := func(t *testing.T) string {
		dir := t.TempDir()
		c := openCache(t, dir)
		s.put(c, items)
		if _, err := c.Write(t.Context(), t.TempDir(), items, Options{Revision: "1"}); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.Save(), c.Close()); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for _, name := range []string{"index", "primary.1", "filelists.1", "other.1", "members.1"} {
		for what, spoil := range map[string]func(b []byte) []byte{
			"a bit flipped": func(b []byte) []byte { b[len(b)/2] ^= 4; return b },
			"cut off":       func(b []byte) []byte { return b[:len(b)-1] },
			"empty":         func([]byte) []byte { return nil },
			"zeroes":        func(b []byte) []byte { clear(b); return b },
		} {
			t.Run(name+" "+what, func(t *testing.T) {
				t.Parallel()
				dir := fill(t)
				file := filepath.Join(dir, name)
				raw, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, spoil(raw), 0o600); err != nil {
					t.Fatal(err)
				}
				c := openCache(t, dir)
				defer c.Close()
				if s.put(c, items) == 0 {
					// Its index looked well.
					_, err := c.Write(t.Context(), t.TempDir(), items[1:], Options{Revision: "1"})
					if !errors.Is(err, ErrDamaged) {
						t.Fatalf("got %v, want ErrDamaged", err)
					}
					// Of what is the same as before nothing but its members is read.
					out := t.TempDir()
					if _, err = c.Write(t.Context(), out, items, Options{Revision: "1"}); err == nil {
						compareWritten(t, s, items, out)
					} else if !errors.Is(err, ErrDamaged) {
						t.Fatalf("got %v, want ErrDamaged", err)
					}
					if err := c.Reset(); err != nil {
						t.Fatal(err)
					}
					s.put(c, items)
				}
				out := t.TempDir()
				if _, err := c.Write(t.Context(), out, items, Options{Revision: "1"}); err != nil {
					t.Fatal(err)
				}
				compareWritten(t, s, items, out)
			})
		}
	}
}

// compareWritten compares a repository that a cache wrote with one written
// without.
func compareWritten(t *testing.T, s *shelf, items []Item, dir string) {
	t.Helper()
	if diff := cmp.Diff(s.written(items, Options{Revision: "1"}), tree(t, dir)); diff != "" {
		t.Errorf("(-without +with the cache)\n%.2000s", diff)
	}
}

func TestCacheThatWasNotSavedIsTheOldOne(t *testing.T) {
	t.Parallel()
	s := &shelf{tb: t}
	items := []Item{s.item(1, 1), s.item(2, 1)}
	dir := t.TempDir()
	c := openCache(t, dir)
	s.put(c, items)
	if _, err := c.Write(t.Context(), t.TempDir(), items, Options{Revision: "1"}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Save(), c.Close()); err != nil {
		t.Fatal(err)
	}
	c = openCache(t, dir)
	s.put(c, []Item{s.item(3, 1)})
	if _, err := c.Write(t.Context(), t.TempDir(), append(slices.Clone(items), s.item(3, 1)), Options{Revision: "2"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil { // as if the process had been killed
		t.Fatal(err)
	}
	c = openCache(t, dir)
	defer c.Close()
	if diff := cmp.Diff(items, c.Items()); diff != "" {
		t.Errorf("items (-saved +remembered)\n%s", diff)
	}
	for _, item := range items {
		f, err := c.Fragments(item)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s.entries[item.SHA256].Fragments, f); diff != "" {
			t.Error(diff)
		}
	}
}

func TestCacheWriteRefuses(t *testing.T) {
	t.Parallel()
	s := &shelf{tb: t}
	a, b := s.item(1, 1), s.item(2, 1)
	c := openCache(t, t.TempDir())
	defer c.Close()
	s.put(c, []Item{a, b})
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name  string
		ctx   context.Context
		items []Item
		want  error
	}{
		{"descending packages", t.Context(), []Item{b, a}, ErrOrder},
		{"a package twice", t.Context(), []Item{a, a}, ErrOrder},
		{"to go on when canceled", canceled, []Item{a, b}, context.Canceled},
	} {
		dir := t.TempDir()
		if _, err := c.Write(tt.ctx, dir, tt.items, Options{Revision: "1"}); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("%s: left behind: %v, %v", tt.name, left, err)
		}
	}
	if err := c.Put(Item{NEVRA: rpmfile.NEVRA{Name: "x"}, File: File{SHA256: "zz"}}, Fragments{}); err == nil {
		t.Error("a checksum that is none was accepted")
	}
}

func BenchmarkCacheOneOf5000(b *testing.B) {
	s := &shelf{tb: b}
	var items []Item
	for i := range 5000 {
		items = append(items, s.item(i, 1))
	}
	slices.SortFunc(items, CompareItems)
	dir := b.TempDir()
	n := 1
	for b.Loop() {
		n++
		c := openCache(b, dir)
		items[(n*977)%len(items)] = s.item((n*977)%len(items), n)
		s.put(c, items)
		if _, err := c.Write(b.Context(), b.TempDir(), items, Options{Revision: "1"}); err != nil {
			b.Fatal(err)
		}
		if err := errors.Join(c.Save(), c.Close()); err != nil {
			b.Fatal(err)
		}
	}
}

func TestMembersAreReadOnce(t *testing.T) {
	t.Parallel()
	text := []byte(strings.Repeat("some text that is compressed, ", 10_000))
	for _, compression := range []Compression{Gzip, Zstd} {
		member, err := compression.member(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := compression.checkMember(member, text); err != nil {
			t.Errorf("%s: %v", compression, err)
		}
		for what, other := range map[string][]byte{"shorter": text[:len(text)-1], "longer": append(slices.Clone(text), '!'), "another": append([]byte("S"), text[1:]...), "empty": nil} {
			if err := compression.checkMember(member, other); !errors.Is(err, ErrChecksum) {
				t.Errorf("%s, %s text: got %v, want ErrChecksum", compression, what, err)
			}
		}
		member[len(member)/2] ^= 8
		if err := compression.checkMember(member, text); err == nil {
			t.Errorf("%s: a member that was changed is taken for right", compression)
		}
	}
}
