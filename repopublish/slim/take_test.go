package slim

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distbot/distbot/repopublish/moduletest"
	"github.com/distbot/distbot/repopublish/snapshot"
)

// scribble writes into a file in its place, as rpmsign does.
func scribble(t *testing.T, name string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("scribble"), 200); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const libs = "demo-libs-1.0-1.module+el8+1+aaaa.x86_64.rpm"

// TestRPMsAreCopies changes what was made: neither the source nor the cache of
// what was fetched must change.
func TestRPMsAreCopies(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	full := v.Write(t, "full")
	before := content(t, filepath.Join(full, libs))
	changed := func(t *testing.T, opts Options, s *snapshot.Snapshot) {
		t.Helper()
		opts.Packages, opts.Out = demo(), filepath.Join(t.TempDir(), "slim")
		if _, err := Make(t.Context(), []*snapshot.Snapshot{s}, opts); err != nil {
			t.Fatal(err)
		}
		scribble(t, filepath.Join(opts.Out, "Packages", "d", libs))
	}
	t.Run("of a directory", func(t *testing.T) {
		t.Parallel()
		changed(t, Options{}, open(t, "full", full))
		if content(t, filepath.Join(full, libs)) != before {
			t.Error("the source has changed, too")
		}
	})
	for _, linked := range []bool{false, true} {
		t.Run("of what was fetched, links or not", func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.FileServer(http.Dir(full)))
			t.Cleanup(server.Close)
			cache := t.TempDir()
			s, err := snapshot.Open(t.Context(), snapshot.Source{Name: "full", Location: server.URL}, snapshot.Options{CacheDir: cache})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			changed(t, Options{Link: linked}, s)
			found, err := filepath.Glob(filepath.Join(cache, "rpms", "*", "*.rpm"))
			if err != nil || len(found) != 2 {
				t.Fatal(found, err)
			}
			for _, name := range found {
				if strings.Contains(content(t, name), "scribble") {
					t.Errorf("%s has changed, too", name)
				}
			}
		})
	}
	t.Run("unless links are asked for", func(t *testing.T) {
		t.Parallel()
		dir := v.Write(t, "full")
		out, _ := mustMake(t, Options{Packages: demo(), Link: true}, "full,"+dir)
		here, err := os.Stat(filepath.Join(out, "Packages", "d", libs))
		if err != nil {
			t.Fatal(err)
		}
		there, err := os.Stat(filepath.Join(dir, libs))
		if err != nil || !os.SameFile(here, there) {
			t.Errorf("they are two files: %v", err)
		}
	})
}

// TestASourceThatChangesMeanwhile lets a source change again and again while it is
// copied: what is published is what was checked, or nothing is.
func TestASourceThatChangesMeanwhile(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	full := v.Write(t, "full")
	name := filepath.Join(full, libs)
	before := content(t, name)
	after := before[:200] + "scribble" + before[208:]
	stop, stopped := context.WithCancel(t.Context())
	finished := make(chan error, 1)
	go func() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		for stop.Err() == nil && err == nil {
			if _, err = f.WriteAt([]byte(after[200:208]), 200); err == nil {
				_, err = f.WriteAt([]byte(before[200:208]), 200)
			}
		}
		finished <- errors.Join(err, f.Close())
	}()
	s := open(t, "full", full)
	made, refused := 0, 0
	for range 20 {
		out := filepath.Join(t.TempDir(), "slim")
		_, err := Make(t.Context(), []*snapshot.Snapshot{s}, Options{Packages: demo(), Out: out})
		switch {
		case errors.Is(err, snapshot.ErrDamaged):
			refused++
		case err != nil:
			t.Fatal(err)
		case content(t, filepath.Join(out, "Packages", "d", libs)) != before:
			t.Error("another RPM was published than the one that was checked")
		default:
			made++
		}
	}
	stopped()
	if err := <-finished; err != nil {
		t.Fatal(err)
	}
	if made+refused == 0 {
		t.Error("nothing was tried")
	}
}

// What another repository has is refused by its name.
func TestXMLBaseIsRefused(t *testing.T) {
	t.Parallel()
	dir := moduletest.Load(t).Write(t, "base")
	moduletest.Lie(t, dir, `<location href`, `<location xml:base="https://elsewhere.invalid/os/" href`)
	_, _, err := try(t, Options{Packages: []string{"other"}}, "base,"+dir)
	if !errors.Is(err, snapshot.ErrElsewhere) || !strings.Contains(err.Error(), "https://elsewhere.invalid/os/") {
		t.Errorf("got %v", err)
	}
}
