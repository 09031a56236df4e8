package store

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// loosened are the digests of what Loose gives.
func loosened(tb testing.TB, s *Store, before time.Time) []string {
	tb.Helper()
	var got []string
	for blob, err := range s.Loose(tb.Context(), before) {
		if err != nil {
			tb.Fatal(err)
		}
		got = append(got, blob.SHA256)
	}
	return got
}

func TestLooseBlobs(t *testing.T) {
	t.Parallel()
	s := open(t)
	named, bare := put(t, s, "named"), put(t, s, "bare")
	if err := s.Link(t.Context(), named, "packages/named"); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	if diff := cmp.Diff([]string{bare.SHA256}, loosened(t, s, later)); diff != "" {
		t.Errorf("those without a name (-want +got)\n%s", diff)
	}
	if got := loosened(t, s, time.Now().Add(-time.Hour)); len(got) > 0 {
		t.Errorf("stored within the hour, and given: %v", got)
	}
	for blob, want := range map[Blob]bool{named: false, bare: true, {SHA256: sum("never stored")}: false} {
		if got, err := s.Remove(blob, later); err != nil || got != want {
			t.Errorf("remove %s: %t, %v, want %t", blob.SHA256, got, err, want)
		}
	}
	if _, err := s.OpenBlob(bare); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was removed is there: %v", err)
	}
	if _, err := s.Remove(Blob{SHA256: "../../etc/passwd"}, later); !errors.Is(err, ErrName) {
		t.Errorf("a digest that is a path: %v", err)
	}
	if err := s.Unlink("packages/named"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{named.SHA256}, loosened(t, s, later)); diff != "" {
		t.Errorf("that has lost its name (-want +got)\n%s", diff)
	}
}

// TestStoredAgain stores bytes again that nobody needed for long: whoever did so
// finds them, and their time is what it was.
func TestStoredAgain(t *testing.T) {
	t.Parallel()
	s := open(t)
	blob := put(t, s, "hello")
	old, err := os.Stat(s.Path(blob))
	if err != nil {
		t.Fatal(err)
	}
	between := later(t, s, blob)
	if got := loosened(t, s, between); len(got) != 1 {
		t.Fatalf("%v are loose, want one", got)
	}
	put(t, s, "hello")
	if removed, err := s.Remove(blob, between); err != nil || removed {
		t.Errorf("what was stored again a moment ago was removed: %t, %v", removed, err)
	}
	if again, err := os.Stat(s.Path(blob)); err != nil || !again.ModTime().Equal(old.ModTime()) {
		t.Errorf("it is from %v, %v, was from %v", again.ModTime(), err, old.ModTime())
	}
}

// later waits until the blob is older than the present and returns a time
// between: the clock of file systems is coarse.
func later(tb testing.TB, s *Store, blob Blob) time.Time {
	tb.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		// What is stored now has a later time when the clock has moved.
		between := time.Now()
		if removed := loosened(tb, s, between); slices.Contains(removed, blob.SHA256) {
			put(tb, s, between.String())
			if !slices.Contains(loosened(tb, s, between), sum(between.String())) {
				return between
			}
		}
	}
	tb.Fatal("the clock of the file system stands still")
	return time.Time{}
}

// TestPutWhileRemoving stores bytes that were there at the moment they are
// removed: whoever has put them finds them.
func TestPutWhileRemoving(t *testing.T) {
	t.Parallel()
	s := open(t)
	removed := 0
	for range 100 {
		began := time.Now()
		blob := put(t, s, "hello")
		takes := time.Since(began)
		before := later(t, s, blob)
		var both sync.WaitGroup
		both.Go(func() {
			<-time.After(rand.N(2 * takes))
			if was, err := s.Remove(blob, before); err != nil {
				t.Error(err)
			} else if was {
				removed++
			}
		})
		both.Go(func() {
			if _, err := s.Put(t.Context(), strings.NewReader("hello"), blob.SHA256, 5); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		if err := s.Verify(t.Context(), blob); err != nil {
			t.Fatal(err)
		}
	}
	if removed == 0 || removed == 100 {
		t.Errorf("%d of 100 were removed before they were stored again: the test shows nothing", removed)
	}
}
