package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLink(t *testing.T) {
	t.Parallel()
	s := open(t)
	blob := put(t, s, "hello")
	const name = "packages/n/1/2.fc37/x86_64/n-1-2.fc37.x86_64.rpm"
	for range 2 { // the second time changes nothing
		if err := s.Link(t.Context(), blob, name); err != nil {
			t.Fatal(err)
		}
	}
	a, err := os.Stat(s.Path(blob))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.Stat(filepath.Join(s.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(a, b) {
		t.Error("the name is not a hard link of the blob")
	}
}

func TestLinkNeverChangesAName(t *testing.T) {
	t.Parallel()
	s := open(t)
	first, same, other := put(t, s, "hello"), put(t, s, "hullo"), put(t, s, "something longer")
	const name = "packages/n/1/1/src/n-1-1.src.rpm"
	if err := s.Link(t.Context(), first, name); err != nil {
		t.Fatal(err)
	}
	for _, blob := range []Blob{same, other} {
		if err := s.Link(t.Context(), blob, name); !errors.Is(err, ErrConflict) {
			t.Errorf("got %v, want ErrConflict", err)
		}
	}
	if err := s.Link(t.Context(), first, "packages/n/1/1/src"); !errors.Is(err, ErrConflict) {
		t.Errorf("a directory's name: got %v, want ErrConflict", err)
	}
	if got := files(t, s)[name]; got != "hello" {
		t.Errorf("the name now holds %q", got)
	}
}

func TestLinkAcceptsACopyOfTheSameBytes(t *testing.T) {
	t.Parallel()
	s := open(t)
	blob := put(t, s, "hello")
	if err := s.Link(t.Context(), blob, "a/b"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.Path(blob)); err != nil { // lost, and stored anew
		t.Fatal(err)
	}
	put(t, s, "hello")
	if err := s.Link(t.Context(), blob, "a/b"); err != nil {
		t.Error(err)
	}
}

func TestLinkOfNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	if err := s.Link(t.Context(), Blob{SHA256: sum("nothing")}, "a/b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}

func TestLinkRefusesPaths(t *testing.T) {
	t.Parallel()
	s := open(t)
	blob := put(t, s, "hello")
	for _, name := range []string{
		"", ".", "..", "/etc/passwd", "../x", "a/../../x", "a/../b", "a//b", "a/", "./a", "blobs/aa/x", "blobs", "tmp/x",
		"a/.hidden", "-rf", "a/-rf", "a\x00b", "a\nb", "a/\x1b[31m", `a\b`, strings.Repeat("a/", 3000) + "a",
	} {
		if err := s.Link(t.Context(), blob, name); !errors.Is(err, ErrName) {
			t.Errorf("Link(%.40q): got %v, want ErrName", name, err)
		}
	}
	if got := files(t, s); len(got) != 1 {
		t.Errorf("files appeared: %v", got)
	}
}

// TestLinkDoesNotLeaveThroughASymlink: somebody put a symbolic link to a
// directory outside into the layout.
func TestLinkDoesNotLeaveThroughASymlink(t *testing.T) {
	t.Parallel()
	s := open(t)
	blob := put(t, s, "hello")
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(s.dir, "packages")); err != nil {
		t.Fatal(err)
	}
	if err := s.Link(t.Context(), blob, "packages/x"); err == nil {
		t.Error("no error")
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 0 {
		t.Errorf("outside holds %v, %v", entries, err)
	}
}
