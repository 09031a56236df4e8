package remote

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/rpmpack"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// proxyBundle is a proxy and a repository elsewhere that counts what is asked of
// it.
type proxyBundle struct {
	proxy *RepoProxy
	dir   string // the proxy's
	repo  string // the repository's directory
	url   string // where it is served
	mu    sync.Mutex
	asked map[string]int
	// slow, if not nil, is called before a file is served.
	slow func(path string)
}

func setupProxy(tb testing.TB, packages ...string) *proxyBundle {
	tb.Helper()
	b := &proxyBundle{dir: tb.TempDir(), repo: tb.TempDir(), asked: map[string]int{}}
	writeRepo(tb, b.repo, packages...)
	files := http.FileServer(http.Dir(b.repo))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.asked[strings.TrimPrefix(r.URL.Path, "/")]++
		slow := b.slow
		b.mu.Unlock()
		if slow != nil {
			slow(r.URL.Path)
		}
		files.ServeHTTP(w, r)
	}))
	tb.Cleanup(server.Close)
	b.url = server.URL
	b.proxy = b.open(tb)
	return b
}

// open starts a proxy, as after a restart of the host.
func (b *proxyBundle) open(tb testing.TB) *RepoProxy {
	tb.Helper()
	cache, err := OpenCache(filepath.Join(b.dir, "cache"), 1<<20)
	if err != nil {
		tb.Fatal(err)
	}
	proxy, err := OpenProxy(tb.Context(), filepath.Join(b.dir, "proxy"), cache, http.DefaultClient, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { proxy.Close() })
	return proxy
}

func (b *proxyBundle) count(path string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked[path]
}

// writeRepo makes a repository of packages NAME-1-1.noarch in dir.
func writeRepo(tb testing.TB, dir string, names ...string) {
	tb.Helper()
	if err := os.RemoveAll(filepath.Join(dir, "repodata")); err != nil {
		tb.Fatal(err)
	}
	var entries []repomd.Entry
	for _, name := range names {
		file := name + "-1-1.noarch.rpm"
		content := rpmtest.Pack(tb, rpmpack.RPMMetaData{Name: name, Version: "1", Release: "1", Arch: "noarch"}, func(r *rpmpack.RPM) {
			r.AddFile(rpmpack.RPMFile{Name: "/usr/share/" + name, Body: bytes.Repeat([]byte(name), 1000), Mode: 0o644})
		})
		writeFile(tb, filepath.Join(dir, "Packages", file), string(content))
		pkg, digest, err := rpmfile.ReadFile(filepath.Join(dir, "Packages", file))
		if err != nil {
			tb.Fatal(err)
		}
		fragments, err := repomd.Render(pkg, repomd.File{Href: "Packages/" + file, SHA256: digest.SHA256, Size: digest.Size})
		if err != nil {
			tb.Fatal(err)
		}
		entries = append(entries, repomd.Entry{NEVRA: pkg.NEVRA, Fragments: fragments})
	}
	all := func(yield func(repomd.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
	if _, err := repomd.Write(tb.Context(), dir, len(entries), iter.Seq2[repomd.Entry, error](all), repomd.Options{Revision: "1", Timestamp: 1}); err != nil {
		tb.Fatal(err)
	}
}

// share shares the repository as one that is not the hub's.
func (b *proxyBundle) share(tb testing.TB, proxy *RepoProxy, hub bool) (url string, end func()) {
	tb.Helper()
	source := proxy.external(b.url)
	if hub {
		source.ofHub, source.url = true, ""
	}
	url, end, err := proxy.share(tb.Context(), source)
	if err != nil {
		tb.Fatal(err)
	}
	return url, end
}

// fetch asks the proxy for a file; status 0 is an answer that did not arrive.
func fetch(tb testing.TB, url string, header ...string) (int, []byte) {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, url, nil)
	if err != nil {
		tb.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, nil
	}
	return response.StatusCode, text
}

const helloRPM = "Packages/hello-1-1.noarch.rpm"

func TestProxy(t *testing.T) {
	t.Parallel()
	t.Run("A package is fetched once, also after a restart", func(t *testing.T) {
		t.Parallel()
		b := setupProxy(t, "hello")
		want, err := os.ReadFile(filepath.Join(b.repo, helloRPM))
		if err != nil {
			t.Fatal(err)
		}
		proxy := b.proxy
		for round := range 2 {
			url, end := b.share(t, proxy, false)
			for range 3 {
				if status, got := fetch(t, url+"/"+helloRPM); status != http.StatusOK || !bytes.Equal(got, want) {
					t.Fatalf("round %d: %d and %d bytes", round, status, len(got))
				}
			}
			if status, got := fetch(t, url+"/"+helloRPM, "Range", "bytes=4-7"); status != http.StatusPartialContent || !bytes.Equal(got, want[4:8]) {
				t.Errorf("a part: %d %x", status, got)
			}
			end()
			if err := proxy.Close(); err != nil {
				t.Fatal(err)
			}
			proxy = b.open(t)
		}
		if n := b.count(helloRPM); n != 1 {
			t.Errorf("the package was fetched %d times", n)
		}
	})
	t.Run("A repository of the hub has one URL while its content is the same", func(t *testing.T) {
		t.Parallel()
		b := setupProxy(t, "hello")
		first, end := b.share(t, b.proxy, true)
		second, endSecond := b.share(t, b.proxy, true)
		end()
		if status, _ := fetch(t, second+"/"+repomdPath); status != http.StatusOK {
			t.Errorf("with one user left: %d", status)
		}
		endSecond()
		if err := b.proxy.Close(); err != nil {
			t.Fatal(err)
		}
		proxy := b.open(t)
		restarted, _ := b.share(t, proxy, true)
		if first != second || second != restarted {
			t.Errorf("the URLs differ: %s, %s, %s", first, second, restarted)
		}
		writeRepo(t, b.repo, "hello", "world")
		if other, _ := b.share(t, proxy, true); other == first {
			t.Error("another content has the same URL")
		}
	})
	t.Run("What nobody works with is not served, nor anything without the secret", func(t *testing.T) {
		t.Parallel()
		b := setupProxy(t, "hello")
		url, end := b.share(t, b.proxy, false)
		base, rest, _ := strings.Cut(url, b.proxy.secret)
		for _, bad := range []string{
			base, base + strings.Repeat("0", secretLength) + rest + "/" + repomdPath, url, url + "/", url + "/../x", url + "x/" + repomdPath, url + "/%2e%2e/" + repomdPath, url + "/nothing",
		} {
			if status, _ := fetch(t, bad); status != http.StatusNotFound {
				t.Errorf("%s: %d, want 404", bad, status)
			}
		}
		end()
		if status, _ := fetch(t, url+"/"+repomdPath); status != http.StatusNotFound {
			t.Errorf("after its end: %d, want 404", status)
		}
	})
	t.Run("A repository that changes is served as it is", func(t *testing.T) {
		t.Parallel()
		b := setupProxy(t, "hello")
		url, _ := b.share(t, b.proxy, false)
		fetch(t, url+"/"+helloRPM)
		writeRepo(t, b.repo, "hello", "world")
		for _, path := range []string{repomdPath, "Packages/world-1-1.noarch.rpm", helloRPM} {
			want, err := os.ReadFile(filepath.Join(b.repo, path))
			if err != nil {
				t.Fatal(err)
			}
			if status, got := fetch(t, url+"/"+path); status != http.StatusOK || !bytes.Equal(got, want) {
				t.Errorf("%s: %d and %d bytes, want %d", path, status, len(got), len(want))
			}
		}
		fetch(t, url+"/Packages/world-1-1.noarch.rpm")
		if n := b.count("Packages/world-1-1.noarch.rpm"); n != 1 {
			t.Errorf("the new package was fetched %d times", n)
		}
	})
	t.Run("A package that is not what the repository says is passed on and not kept", func(t *testing.T) {
		t.Parallel()
		b := setupProxy(t, "hello")
		writeFile(t, filepath.Join(b.repo, helloRPM), "evil")
		url, _ := b.share(t, b.proxy, false)
		for range 2 {
			if _, got := fetch(t, url+"/"+helloRPM); string(got) != "evil" {
				t.Errorf("got %q", got)
			}
		}
		if n := b.count(helloRPM); n != 2 {
			t.Errorf("it was fetched %d times, want 2", n)
		}
	})
	t.Run("A damaged file of the cache is fetched again", func(t *testing.T) {
		t.Parallel()
		b := setupProxy(t, "hello")
		url, _ := b.share(t, b.proxy, false)
		_, want := fetch(t, url+"/"+helloRPM)
		if err := b.proxy.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(b.dir, "cache", sumOf(want)), make([]byte, len(want)), 0o600); err != nil {
			t.Fatal(err)
		}
		url, _ = b.share(t, b.open(t), false)
		if _, got := fetch(t, url+"/"+helloRPM); !bytes.Equal(got, want) {
			t.Error("the damaged file was served")
		}
	})
	t.Run("A transfer that breaks off is not kept, and is noticed", func(t *testing.T) {
		t.Parallel()
		b := setupProxy(t, "hello")
		source := b.proxy.external(b.url)
		get := source.get
		var breaks atomic.Bool
		breaks.Store(true)
		source.get = func(ctx context.Context, path string, header http.Header) (*http.Response, error) {
			response, err := get(ctx, path, header)
			if err == nil && path == helloRPM && breaks.Load() {
				response.Body = struct {
					io.Reader
					io.Closer
				}{io.MultiReader(io.LimitReader(response.Body, 100), broken{}), response.Body}
			}
			return response, err
		}
		url, _, err := b.proxy.share(t.Context(), source)
		if err != nil {
			t.Fatal(err)
		}
		if status, _ := fetch(t, url+"/"+helloRPM); status != 0 {
			t.Errorf("a file that breaks off arrived as a whole: %d", status)
		}
		breaks.Store(false)
		want, err := os.ReadFile(filepath.Join(b.repo, helloRPM))
		if err != nil {
			t.Fatal(err)
		}
		if _, got := fetch(t, url+"/"+helloRPM); !bytes.Equal(got, want) {
			t.Errorf("then got %d bytes, want %d", len(got), len(want))
		}
	})
}

// broken is the rest of an answer that broke off.
type broken struct{}

// Read implements io.Reader.
func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestCacheKeepsWhatWasUsedLast(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cache, err := OpenCache(dir, 300)
	if err != nil {
		t.Fatal(err)
	}
	contents := map[string][]byte{}
	keep := func(name string, size int) {
		t.Helper()
		content := bytes.Repeat([]byte(name), size)
		contents[name] = content
		fill := cache.fill(sumOf(content), int64(size))
		if fill == nil {
			t.Fatalf("%s is not kept", name)
		}
		if _, err := fill.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := fill.end(); err != nil {
			t.Fatal(err)
		}
	}
	has := func(name string) bool {
		file := cache.open(sumOf(contents[name]))
		if file == nil {
			return false
		}
		defer file.Close()
		got, err := io.ReadAll(file)
		if err != nil || !bytes.Equal(got, contents[name]) {
			t.Errorf("%s is damaged: %v", name, err)
		}
		return true
	}
	keep("a", 100)
	keep("b", 100)
	keep("c", 100)
	if !has("a") {
		t.Error("a is gone though there is room")
	}
	keep("d", 100)
	for name, want := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		if got := has(name); got != want {
			t.Errorf("%s is there: %t, want %t", name, got, want)
		}
	}
	if fill := cache.fill(sumOf(nil), 151); fill != nil {
		t.Error("a file of more than half of the room is kept")
	}
	// What a killed process left of a file goes with the next start.
	fill := cache.fill(sumOf([]byte("part")), 4)
	if _, err := fill.Write([]byte("pa")); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(cache.path(sumOf(contents["c"])), old, old); err != nil {
		t.Fatal(err)
	}
	if cache, err = OpenCache(dir, 200); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"a": true, "c": false, "d": true} {
		if got := has(name); got != want {
			t.Errorf("after the next start %s is there: %t, want %t", name, got, want)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the directory holds %v, %v", entries, err)
	}
}

func TestManyReadersOfAPackage(t *testing.T) {
	t.Parallel()
	b := setupProxy(t, "hello")
	url, _ := b.share(t, b.proxy, false)
	want, err := os.ReadFile(filepath.Join(b.repo, helloRPM))
	if err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	errs := make(chan error, 20)
	for range 20 {
		readers.Go(func() {
			if status, got := fetch(t, url+"/"+helloRPM); status != http.StatusOK || !bytes.Equal(got, want) {
				errs <- fmt.Errorf("%d and %d bytes", status, len(got))
			}
		})
	}
	readers.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}
