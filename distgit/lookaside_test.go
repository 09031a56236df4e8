package distgit

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const tarball = "this is the content of hello-1.0.tar.gz"

// helloSource names tarball by its real digest.
func helloSource() SourceFile {
	sum := sha512.Sum512([]byte(tarball))
	return SourceFile{Name: "hello-1.0.tar.gz", Type: SHA512, Hash: hex.EncodeToString(sum[:])}
}

// newLookaside serves handler and makes a Lookaside of it.
func newLookaside(t *testing.T, handler http.HandlerFunc) *Lookaside {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &Lookaside{Base: server.URL + "/repo/pkgs", Cache: filepath.Join(t.TempDir(), "sources")}
}

// cached lists the files in the cache.
func cached(t *testing.T, l *Lookaside) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(l.Cache, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestLookasideFetch(t *testing.T) {
	t.Parallel()

	t.Run("downloads once and serves from the cache", func(t *testing.T) {
		t.Parallel()
		source := helloSource()
		var asked atomic.Int32
		l := newLookaside(t, func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			want := "/repo/pkgs/rpms/hello/" + source.Name + "/sha512/" + source.Hash + "/" + source.Name
			if r.URL.Path != want {
				t.Errorf("asked for %s, want %s", r.URL.Path, want)
			}
			fmt.Fprint(w, tarball)
		})
		for range 3 {
			path, err := l.Fetch(t.Context(), "hello", source)
			if err != nil {
				t.Fatal(err)
			}
			if content, err := os.ReadFile(path); err != nil || string(content) != tarball {
				t.Errorf("%s: %q, %v", path, content, err)
			}
		}
		if asked.Load() != 1 {
			t.Errorf("the lookaside was asked %d times, want 1", asked.Load())
		}
	})

	t.Run("downloads once for many at once", func(t *testing.T) {
		t.Parallel()
		var asked atomic.Int32
		l := newLookaside(t, func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			fmt.Fprint(w, tarball)
		})
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				path, err := l.Fetch(t.Context(), "hello", helloSource())
				if err != nil {
					t.Error(err)
					return
				}
				if content, err := os.ReadFile(path); err != nil || string(content) != tarball {
					t.Errorf("%q, %v", content, err)
				}
			})
		}
		all.Wait()
		if asked.Load() != 1 || len(l.locks.queues) != 0 {
			t.Errorf("the lookaside was asked %d times, want 1; %d locks are left", asked.Load(), len(l.locks.queues))
		}
	})

	t.Run("takes old MD5 sources and escapes names", func(t *testing.T) {
		t.Parallel()
		sum := md5.Sum([]byte(tarball))
		source := SourceFile{Name: "a b?c#d%2e(1).tgz", Type: MD5, Hash: hex.EncodeToString(sum[:])}
		l := newLookaside(t, func(w http.ResponseWriter, r *http.Request) {
			if want := "/repo/pkgs/md5/a%20b%3Fc%23d%252e%281%29.tgz/gtk+-2"; r.URL.EscapedPath() != want || r.URL.RawQuery != "" {
				t.Errorf("asked for %s, want %s", r.URL.RequestURI(), want)
			}
			fmt.Fprint(w, tarball)
		})
		l.Layout = "{hashtype}/{file}/{name}"
		if _, err := l.Fetch(t.Context(), "gtk+-2", source); err != nil {
			t.Error(err)
		}
	})

	t.Run("follows redirects within the host only", func(t *testing.T) {
		t.Parallel()
		var askedElsewhere atomic.Int32
		elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			askedElsewhere.Add(1)
			fmt.Fprint(w, tarball)
		}))
		t.Cleanup(elsewhere.Close)
		for target, allowed := range map[string]bool{"/moved": true, elsewhere.URL: false, "/loop": false} {
			l := newLookaside(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/moved" {
					fmt.Fprint(w, tarball)
					return
				}
				http.Redirect(w, r, target, http.StatusFound)
			})
			_, err := l.Fetch(t.Context(), "hello", helloSource())
			if allowed && err != nil || !allowed && !errors.Is(err, ErrNotAllowed) {
				t.Errorf("redirect to %s: %v", target, err)
			}
		}
		if askedElsewhere.Load() > 0 {
			t.Error("another host was asked")
		}
	})

	t.Run("removes what a killed download left long ago", func(t *testing.T) {
		t.Parallel()
		source := helloSource()
		l := newLookaside(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, tarball) })
		dir := filepath.Join(l.Cache, "sha512")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		old, running := filepath.Join(dir, "tmp_"+source.Hash+"_1"), filepath.Join(dir, "tmp_"+source.Hash+"_2")
		for _, name := range []string{old, running} {
			if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		long := time.Now().Add(-3 * DefaultDownloadTimeout)
		if err := os.Chtimes(old, long, long); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Fetch(t.Context(), "hello", source); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(old); !isNotExist(err) {
			t.Errorf("the old file is still there (%v)", err)
		}
		if _, err := os.Stat(running); err != nil {
			t.Errorf("the file of another process that may still run is gone (%v)", err)
		}
	})
}

func TestLookasideErrors(t *testing.T) {
	t.Parallel()
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "11")
			w.WriteHeader(code)
			fmt.Fprint(w, tarball)
		}
	}
	flood := func(w http.ResponseWriter, r *http.Request) {
		block := bytes.Repeat([]byte("x"), 1<<16)
		for r.Context().Err() == nil {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}
	isDigest := func(err error) bool { var e *DigestError; return errors.As(err, &e) }
	isTemporary := func(err error) bool { var e *TemporaryError; return errors.As(err, &e) }
	isLimit := func(err error) bool { var e *LimitError; return errors.As(err, &e) }
	isNotFound := func(err error) bool { return errors.Is(err, ErrSourceNotFound) }
	isNotAllowed := func(err error) bool { return errors.Is(err, ErrNotAllowed) }
	all := map[string]func(error) bool{"digest": isDigest, "temporary": isTemporary, "limit": isLimit, "not found": isNotFound, "not allowed": isNotAllowed}
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		change  func(l *Lookaside, s *SourceFile)
		want    string
	}{
		{"another content", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "evil") }, nil, "digest"},
		{"an empty body", func(http.ResponseWriter, *http.Request) {}, nil, "digest"},
		{"a body that ends early", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, tarball)
		}, nil, "temporary"},
		{"a source that is not there", status(404), nil, "not found"},
		{"a source that is gone", status(410), nil, "not found"},
		{"a server that is down", status(503), nil, "temporary"},
		{"a server that wants patience", status(429), nil, "temporary"},
		{"a server that forbids", status(403), nil, ""},
		{"partial content", status(206), nil, ""},
		{"a body without end", flood, func(l *Lookaside, _ *SourceFile) { l.MaxBytes = 1 << 20 }, "limit"},
		{"a length over the cap", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5000000")
		}, func(l *Lookaside, _ *SourceFile) { l.MaxBytes = 1 << 20 }, "limit"},
		{
			"a server that does not answer", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			func(l *Lookaside, _ *SourceFile) { l.Timeout = 50 * time.Millisecond }, "temporary",
		},
		{"a server that stops in the middle", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, tarball[:10])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, func(l *Lookaside, _ *SourceFile) { l.Timeout = 100 * time.Millisecond }, "temporary"},
		{"nobody there", nil, func(l *Lookaside, _ *SourceFile) { l.Base = "http://127.0.0.1:1" }, "temporary"},
		{"a file URL", nil, func(l *Lookaside, _ *SourceFile) { l.Base = "file:///etc" }, "not allowed"},
		{"a user in the URL", nil, func(l *Lookaside, _ *SourceFile) { l.Base = "https://u:p@h.example/" }, "not allowed"},
		{"a layout that climbs", nil, func(l *Lookaside, _ *SourceFile) { l.Layout = "../{file}" }, "not allowed"},
		{"a layout with an unknown word", nil, func(l *Lookaside, _ *SourceFile) { l.Layout = "{branch}/{file}" }, "not allowed"},
		{"a name that climbs", nil, func(_ *Lookaside, s *SourceFile) { s.Name = "../../x" }, "not allowed"},
		{"a hash that is a path", nil, func(_ *Lookaside, s *SourceFile) { s.Hash = strings.Repeat("../", 42) + "aa" }, "not allowed"},
		{"an unknown hash type", nil, func(_ *Lookaside, s *SourceFile) { s.Type = "ADLER" }, "not allowed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			handler := test.handler
			if handler == nil {
				handler = func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the lookaside was asked for %s", r.URL) }
			}
			l, source := newLookaside(t, handler), helloSource()
			if test.change != nil {
				test.change(l, &source)
			}
			path, err := l.Fetch(t.Context(), "hello", source)
			if err == nil || path != "" || !strings.Contains(err.Error(), "of hello") {
				t.Fatalf("Fetch = %q, %v", path, err)
			}
			for kind, is := range all {
				if is(err) != (kind == test.want) {
					t.Errorf("%v: being %s is %t, want %q", err, kind, is(err), test.want)
				}
			}
			if left := cached(t, l); len(left) > 0 {
				t.Errorf("a failed download left %v", left)
			}
		})
	}

	t.Run("says which digest was wanted and which came", func(t *testing.T) {
		t.Parallel()
		l := newLookaside(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "evil") })
		_, err := l.Fetch(t.Context(), "hello", helloSource())
		sum := sha512.Sum512([]byte("evil"))
		var wrong *DigestError
		if !errors.As(err, &wrong) || wrong.File != "hello-1.0.tar.gz" || wrong.Want != helloSource().Hash || wrong.Got != hex.EncodeToString(sum[:]) {
			t.Errorf("Fetch: %#v", err)
		}
	})

	t.Run("passes on how long to wait", func(t *testing.T) {
		t.Parallel()
		_, err := newLookaside(t, status(503)).Fetch(t.Context(), "hello", helloSource())
		var later *TemporaryError
		if !errors.As(err, &later) || later.After != 11*time.Second {
			t.Errorf("Fetch: %v, want to wait 11 s", err)
		}
	})

	t.Run("leaves a cancelled context what it is", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := newLookaside(t, status(200)).Fetch(ctx, "hello", helloSource())
		if !errors.Is(err, context.Canceled) || isTemporary(err) {
			t.Errorf("Fetch: %v, want context.Canceled", err)
		}
	})
}
