package snapshot

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/repopublish/snapshot/snapshottest"
)

// quick waits for nothing that a test would wait for.
func quick() Options { return Options{Pause: time.Millisecond} }

func mustOpen(t *testing.T, location string, opts Options) *Snapshot {
	t.Helper()
	source, err := ParseSource(location)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), source, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func names(t *testing.T, s *Snapshot) (all []string) {
	t.Helper()
	err := s.Packages(t.Context(), func(p repomd.PrimaryPackage) error {
		all = append(all, p.Name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func TestARepositoryIsRead(t *testing.T) {
	t.Parallel()
	for _, compression := range []repomd.Compression{repomd.Gzip, repomd.Zstd} {
		dir := t.TempDir()
		snapshottest.Write(t, dir, snapshottest.Repository{Names: []string{"a", "b"}, Compression: compression, Modules: "---\n"})
		url := serve(t, http.FileServer(http.Dir(dir)))
		for what, location := range map[string]string{
			"a directory": dir, "a file URL": "file://" + dir, "an address": url, "an address with a slash": url + "/", "a name and an address": "r," + url,
		} {
			t.Run(string(compression)+" from "+what, func(t *testing.T) {
				t.Parallel()
				s := mustOpen(t, location, quick())
				if diff := cmp.Diff([]string{"a", "b"}, names(t, s)); diff != "" {
					t.Errorf("packages (-want +got)\n%s", diff)
				}
				if !s.Has("modules") || !s.Has("filelists") || s.Has("other") {
					t.Error("it does not have the documents that were asked for")
				}
			})
		}
	}
}

func TestSHA512AndXZAreRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	snapshottest.Write(t, dir, snapshottest.Repository{Names: []string{"a"}})
	snapshottest.Recompress(t, dir)
	if diff := cmp.Diff([]string{"a"}, names(t, mustOpen(t, dir, quick()))); diff != "" {
		t.Errorf("packages (-want +got)\n%s", diff)
	}
}

// changing serves a repository that is replaced by the next one after so many
// requests.
type changing struct {
	mu    sync.Mutex
	dirs  []string
	after int // requests to the first one
	seen  int
}

func (c *changing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	if c.seen == c.after && len(c.dirs) > 1 {
		c.dirs, c.seen = c.dirs[1:], 0
	}
	c.seen++
	dir := c.dirs[0]
	c.mu.Unlock()
	http.FileServer(http.Dir(dir)).ServeHTTP(w, r)
}

func TestARepositoryThatChangesWhileItIsRead(t *testing.T) {
	t.Parallel()
	published := func(name string) string {
		dir := t.TempDir()
		snapshottest.Write(t, dir, snapshottest.Repository{Names: []string{name}, Modules: "---\n# " + name + "\n"})
		return dir
	}
	t.Run("is read as one moment of it", func(t *testing.T) {
		t.Parallel()
		for after := 1; after <= 4; after++ {
			url := serve(t, &changing{dirs: []string{published("old"), published("new")}, after: after})
			s := mustOpen(t, url, quick())
			r, err := s.Document("modules")
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if got := names(t, s)[0]; !strings.Contains(string(text), got) {
				t.Errorf("changed after %d requests: packages are %s's, modules %s", after, got, text)
			}
			want := "new"
			if after == 4 { // repomd.xml, primary, filelists, modules
				want = "old"
			}
			if got := names(t, s)[0]; got != want {
				t.Errorf("changed after %d requests: read %s, want %s", after, got, want)
			}
		}
	})
	t.Run("is given up when it never stands still", func(t *testing.T) {
		t.Parallel()
		var dirs []string
		for _, name := range strings.Split("abcdefghijkl", "") {
			dirs = append(dirs, published(name))
		}
		url := serve(t, &changing{dirs: dirs, after: 1})
		_, err := Open(t.Context(), Source{Name: "r", Location: url}, quick())
		if !errors.Is(err, ErrUnstable) || !strings.Contains(err.Error(), "changes faster") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("keeps what was read of a directory", func(t *testing.T) {
		t.Parallel()
		dir := published("old")
		s := mustOpen(t, dir, quick())
		if err := os.RemoveAll(filepath.Join(dir, "repodata")); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"old"}, names(t, s)); diff != "" {
			t.Errorf("packages (-want +got)\n%s", diff)
		}
	})
}

func TestADamagedRepositoryIsRefused(t *testing.T) {
	t.Parallel()
	document := func(t *testing.T, dir, kind string) string {
		found, err := filepath.Glob(filepath.Join(dir, "repodata", "*-"+kind+".*"))
		if err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		return found[0]
	}
	for what, test := range map[string]struct {
		damage func(t *testing.T, dir string)
		want   error
	}{
		"a document that is another one": {func(t *testing.T, dir string) {
			snapshottest.Flip(t, document(t, dir, "primary"))
		}, ErrUnstable},
		"a document that is cut off": {func(t *testing.T, dir string) {
			if err := os.Truncate(document(t, dir, "filelists"), 10); err != nil {
				t.Fatal(err)
			}
		}, ErrUnstable},
		"a document that is missing": {func(t *testing.T, dir string) {
			if err := os.Remove(document(t, dir, "primary")); err != nil {
				t.Fatal(err)
			}
		}, ErrUnstable},
		"no repomd.xml": {func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, repomdHref)); err != nil {
				t.Fatal(err)
			}
		}, ErrNoRepository},
		"a repomd.xml without end": {func(t *testing.T, dir string) {
			snapshottest.Replace(t, filepath.Join(dir, repomdHref), strings.Repeat("<a>", 2<<20))
		}, repomd.ErrTooLarge},
		"a repomd.xml with a bomb": {func(t *testing.T, dir string) {
			snapshottest.Replace(t, filepath.Join(dir, repomdHref), `<!DOCTYPE a [<!ENTITY a "&#97;">]><repomd>&a;</repomd>`)
		}, repomd.ErrMalformed},
		"a location outside": {func(t *testing.T, dir string) {
			snapshottest.Edit(t, filepath.Join(dir, repomdHref), `href="repodata/`, `href="../repodata/`)
		}, repomd.ErrMalformed},
		"checksums that can be forged": {func(t *testing.T, dir string) {
			snapshottest.Edit(t, filepath.Join(dir, repomdHref), `type="sha256"`, `type="sha"`)
		}, repomd.ErrMalformed},
		"a document that leads out of it": {func(t *testing.T, dir string) {
			name := document(t, dir, "primary")
			out := filepath.Join(t.TempDir(), "secret")
			if err := os.Rename(name, out); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(out, name); err != nil {
				t.Fatal(err)
			}
		}, nil},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			snapshottest.Write(t, dir, snapshottest.Repository{Names: []string{"a"}})
			test.damage(t, dir)
			s, err := Open(t.Context(), Source{Name: "r", Location: dir}, quick())
			if err == nil {
				s.Close()
			}
			if err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	snapshottest.Write(t, dir, snapshottest.Repository{Names: []string{"a"}})
	files := serve(t, http.FileServer(http.Dir(dir)))
	to := func(target func(r *http.Request) string) string {
		return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, target(r), http.StatusFound)
		}))
	}
	mirror := to(func(r *http.Request) string { return files + r.URL.Path })
	if diff := cmp.Diff([]string{"a"}, names(t, mustOpen(t, mirror, quick()))); diff != "" {
		t.Errorf("through a mirror (-want +got)\n%s", diff)
	}
	for what, url := range map[string]string{
		"to a file": to(func(r *http.Request) string { return "file://" + dir + r.URL.Path }),
		"in a ring": to(func(r *http.Request) string { return r.URL.Path }),
	} {
		_, err := Open(t.Context(), Source{Name: "r", Location: url}, quick())
		if !errors.Is(err, errRedirect) {
			t.Errorf("a redirect %s: %v", what, err)
		}
	}
}

func TestAServerInTroubleIsAskedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	snapshottest.Write(t, dir, snapshottest.Repository{Names: []string{"a"}})
	files := http.FileServer(http.Dir(dir))
	var mu sync.Mutex
	asked := map[string]int{}
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.URL.Path]++
		first := asked[r.URL.Path] == 1
		mu.Unlock()
		if first {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		files.ServeHTTP(w, r)
	}))
	if diff := cmp.Diff([]string{"a"}, names(t, mustOpen(t, url, quick()))); diff != "" {
		t.Errorf("packages (-want +got)\n%s", diff)
	}
}

// A connection that breaks is tried again, too; where there is none, that is
// all that is told.
func TestAConnectionThatBreaksIsMadeAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	snapshottest.Write(t, dir, snapshottest.Repository{Names: []string{"a"}})
	files := http.FileServer(http.Dir(dir))
	var mu sync.Mutex
	asked := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.URL.Path]++
		first := asked[r.URL.Path] == 1
		mu.Unlock()
		if first {
			panic(http.ErrAbortHandler)
		}
		files.ServeHTTP(w, r)
	}))
	if diff := cmp.Diff([]string{"a"}, names(t, mustOpen(t, server.URL, quick()))); diff != "" {
		t.Errorf("packages (-want +got)\n%s", diff)
	}
	server.Close()
	_, err := Open(t.Context(), Source{Name: "r", Location: server.URL}, quick())
	if !errors.Is(err, errTransient) || errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "\n") {
		t.Errorf("without a server: %v", err)
	}
}

func TestAPasswordIsNotTold(t *testing.T) {
	t.Parallel()
	for _, location := range []string{"http://user:hunter2@127.0.0.1:1/", "ftp://user:hunter2@x/", "http://user:hunter2@%zz/"} {
		source, err := ParseSource(location)
		if err == nil {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err = Open(ctx, source, quick())
		}
		if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(source.Name, "hunter2") {
			t.Errorf("%s: %q, %v", location, source.Name, err)
		}
	}
}

func first(t *testing.T, s *Snapshot) (found repomd.PrimaryPackage) {
	t.Helper()
	err := s.Packages(t.Context(), func(p repomd.PrimaryPackage) error {
		found = p
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestRPMsAreFetchedOnceAndChecked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	snapshottest.Write(t, dir, snapshottest.Repository{Names: []string{"a"}, RPMs: true})
	files := http.FileServer(http.Dir(dir))
	var mu sync.Mutex
	var ranges []string
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".rpm") {
			mu.Lock()
			ranges = append(ranges, r.Header.Get("Range"))
			mu.Unlock()
		}
		files.ServeHTTP(w, r)
	}))
	cache := t.TempDir()
	opts := quick()
	opts.CacheDir = cache
	s := mustOpen(t, url, opts)
	p := first(t, s)
	want, err := os.ReadFile(filepath.Join(dir, p.Href))
	if err != nil {
		t.Fatal(err)
	}
	fetch := func() {
		t.Helper()
		f, err := s.RPM(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, err := io.ReadAll(f)
		if err != nil || string(got) != string(want) {
			t.Fatalf("got %d bytes, want %d: %v", len(got), len(want), err)
		}
	}
	fetch()
	fetch()
	cached := filepath.Join(cache, "rpms", p.Checksum[:2], "sha256-"+p.Checksum+".rpm")
	snapshottest.Flip(t, cached)
	fetch() // again, as what is in the cache is damaged
	// A download that was interrupted.
	if err := os.Remove(cached); err != nil {
		t.Fatal(err)
	}
	snapshottest.Replace(t, cached+".part", string(want[:100]))
	fetch()
	// One of another file.
	if err := os.Remove(cached); err != nil {
		t.Fatal(err)
	}
	snapshottest.Replace(t, cached+".part", strings.Repeat("x", 100))
	fetch()
	if diff := cmp.Diff([]string{"", "", "bytes=100-", "bytes=100-", ""}, ranges); diff != "" {
		t.Errorf("ranges (-want +got)\n%s", diff)
	}
}

func TestARPMThatIsAnotherIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	snapshottest.Write(t, dir, snapshottest.Repository{Names: []string{"a"}, RPMs: true})
	for what, location := range map[string]string{"directory": dir, "address": serve(t, http.FileServer(http.Dir(dir)))} {
		opts := quick()
		opts.CacheDir = t.TempDir()
		s := mustOpen(t, location, opts)
		p := first(t, s)
		path := filepath.Join(dir, p.Href)
		original, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for how, damage := range map[string]func(){
			"other bytes": func() { snapshottest.Flip(t, path) },
			"longer":      func() { snapshottest.Replace(t, path, string(original)+"x") },
			"shorter":     func() { snapshottest.Replace(t, path, string(original[:len(original)-1])) },
		} {
			damage()
			if _, err := s.RPM(t.Context(), p); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s, %s: %v", what, how, err)
			}
			snapshottest.Replace(t, path, string(original))
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := s.RPM(t.Context(), p); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s, gone: %v", what, err)
		}
		snapshottest.Replace(t, path, string(original))
	}
}
