package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func open(t testing.TB) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t testing.TB, s *Store, content string) Blob {
	t.Helper()
	blob, err := s.Put(t.Context(), strings.NewReader(content), "", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

func sum(content string) string {
	d := sha256.Sum256([]byte(content))
	return hex.EncodeToString(d[:])
}

// files returns all files of the store with their content.
func files(t testing.TB, s *Store) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := fs.WalkDir(s.root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(s.root.FS(), path)
		got[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestPutStoresUnderTheDigest(t *testing.T) {
	t.Parallel()
	s := open(t)
	blob, err := s.Put(t.Context(), iotest.OneByteReader(strings.NewReader("hello")), sum("hello"), 5)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Blob{SHA256: sum("hello"), Size: 5}); blob != want {
		t.Errorf("got %v, want %v", blob, want)
	}
	name := "blobs/" + blob.SHA256[:2] + "/" + blob.SHA256
	if diff := cmp.Diff(map[string]string{name: "hello"}, files(t, s)); diff != "" {
		t.Errorf("files (-want +got)\n%s", diff)
	}
	info, err := os.Stat(s.Path(blob))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o444 {
		t.Errorf("mode %v, want read-only for all", info.Mode())
	}
	f, err := s.OpenBlob(blob)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if content, err := io.ReadAll(f); err != nil || string(content) != "hello" {
		t.Errorf("OpenBlob gives %q, %v", content, err)
	}
	if again, err := s.Stat(blob.SHA256); err != nil || again != blob {
		t.Errorf("Stat gives %v, %v", again, err)
	}
}

func TestPutTwiceKeepsTheFirstFile(t *testing.T) {
	t.Parallel()
	s := open(t)
	blob := put(t, s, "hello")
	before, err := os.Stat(s.Path(blob))
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "hello")
	after, err := os.Stat(s.Path(blob))
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) || len(files(t, s)) != 1 {
		t.Errorf("the second put replaced the file, or left one: %v", files(t, s))
	}
}

func TestPutReplacesATruncatedBlob(t *testing.T) {
	t.Parallel()
	s := open(t)
	blob := put(t, s, "hello")
	if err := os.Truncate(s.Path(blob), 2); err != nil {
		t.Fatal(err)
	}
	put(t, s, "hello")
	if err := s.Verify(t.Context(), blob); err != nil {
		t.Error(err)
	}
}

func TestPutFailuresLeaveNothing(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		r    io.Reader
		want string
		max  int64
		err  error
	}{
		{"too many bytes", t.Context(), strings.NewReader("hello"), "", 4, ErrTooLarge},
		{"another digest", t.Context(), strings.NewReader("hello"), sum("hullo"), 5, ErrDigest},
		{"a digest in capitals", t.Context(), strings.NewReader("hello"), strings.ToUpper(sum("hello")), 5, ErrName},
		{"a digest that is a path", t.Context(), strings.NewReader("hello"), "../../etc/passwd", 5, ErrName},
		{"a reader that breaks off", t.Context(), io.MultiReader(strings.NewReader("hel"), iotest.ErrReader(broken)), "", 5, broken},
		{"a cancelled context", cancelled, strings.NewReader("hello"), "", 5, context.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			if blob, err := s.Put(tt.ctx, tt.r, tt.want, tt.max); !errors.Is(err, tt.err) {
				t.Errorf("got %v, %v; want %v", blob, err, tt.err)
			}
			if got := files(t, s); len(got) != 0 {
				t.Errorf("left behind: %v", got)
			}
		})
	}
}

func TestConcurrentPutsAndLinks(t *testing.T) {
	t.Parallel()
	s := open(t)
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			content := strings.Repeat(fmt.Sprint(i%4), 100_000)
			blob, err := s.Put(t.Context(), strings.NewReader(content), sum(content), 1<<20)
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Link(t.Context(), blob, fmt.Sprintf("packages/p%d/1/1/noarch/f", i%4)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got := files(t, s)
	if len(got) != 8 {
		t.Errorf("%d files, want 4 blobs and 4 links", len(got))
	}
	for name, content := range got {
		if strings.HasPrefix(name, blobDir) && filepath.Base(name) != sum(content) {
			t.Errorf("%s holds %s", name, sum(content))
		}
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	s := open(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	blob, err := s.Import(t.Context(), file, sum("hello"), 5)
	if err != nil {
		t.Fatal(err)
	}
	// Whoever still has the file open changes it afterwards.
	if err := os.WriteFile(file, []byte("hullo"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), blob); err != nil {
		t.Errorf("the blob changed with the file it came from: %v", err)
	}
}

func TestImportRefusesWhatIsNoFile(t *testing.T) {
	t.Parallel()
	s := open(t)
	dir := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "symlink")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"symlink", "fifo", ".", "missing"} {
		if blob, err := s.Import(t.Context(), filepath.Join(dir, name), "", 1<<20); err == nil {
			t.Errorf("import of %s: got %v, want an error", name, blob)
		}
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	s := open(t)
	blob := put(t, s, "hello")
	if err := s.Verify(t.Context(), blob); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(s.Path(blob), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Path(blob), []byte("hullo"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), blob); !errors.Is(err, ErrDigest) {
		t.Errorf("changed bytes: got %v, want ErrDigest", err)
	}
	if err := s.Verify(t.Context(), Blob{SHA256: sum("other")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no blob: got %v, want fs.ErrNotExist", err)
	}
}

func TestSweepRemovesOldTemporaryFilesOnly(t *testing.T) {
	t.Parallel()
	s := open(t)
	blob := put(t, s, "hello")
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	for name, age := range map[string]time.Duration{"tmp/old": 25 * time.Hour, "tmp/young": time.Hour} {
		path := filepath.Join(s.dir, name)
		if err := os.WriteFile(path, []byte("partial"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(s.Path(blob), time.Time{}, now.Add(-1000*time.Hour)); err != nil {
		t.Fatal(err)
	}
	removed, err := s.Sweep(now.Add(-24 * time.Hour))
	if err != nil || removed != 1 {
		t.Errorf("removed %d, %v; want 1", removed, err)
	}
	if diff := cmp.Diff(map[string]string{blobName(blob.SHA256): "hello", "tmp/young": "partial"}, files(t, s)); diff != "" {
		t.Errorf("files (-want +got)\n%s", diff)
	}
}

func BenchmarkPut(b *testing.B) {
	s := open(b)
	content := make([]byte, 1<<20)
	b.SetBytes(int64(len(content)))
	for i := 0; b.Loop(); i++ {
		copy(content, fmt.Sprintf("%20d", i))
		if _, err := s.Put(b.Context(), bytes.NewReader(content), "", 1<<20); err != nil {
			b.Fatal(err)
		}
	}
}
