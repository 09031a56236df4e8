package distgit

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFetchErrors(t *testing.T) {
	t.Parallel()
	answer := func(status int) func(http.Handler) http.Handler {
		return func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				http.Error(w, "secret detail \x1b[31m", status)
			})
		}
	}
	for _, test := range []struct {
		name      string
		wrap      func(http.Handler) http.Handler
		temporary bool
		is        error
		after     time.Duration
	}{
		{"a repository that is not there", answer(404), false, ErrRepositoryNotFound, 0},
		{"a forge that is down", answer(503), true, nil, 7 * time.Second},
		{"a forge that wants patience", answer(429), true, nil, 7 * time.Second},
		{"refused credentials", answer(401), true, nil, 7 * time.Second},
		{"a request the forge does not like", answer(418), false, nil, 0},
		{"a connection that breaks off", func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					next.ServeHTTP(w, r)
					return
				}
				panic(http.ErrAbortHandler)
			})
		}, true, nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t)
			o.commit("one")
			o.push("refs/heads/main")
			remote, m := o.serve(test.wrap), &Mirrors{Dir: t.TempDir()}
			err := m.Fetch(t.Context(), remote)
			if err == nil || strings.Contains(err.Error(), "secret") {
				t.Fatalf("Fetch: %v", err)
			}
			var temporary *TemporaryError
			if errors.As(err, &temporary) != test.temporary || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("Fetch: %v (%T); temporary should be %t", err, err, test.temporary)
			}
			if test.temporary && temporary != nil && temporary.After != test.after {
				t.Errorf("Fetch: try again after %s, want %s", temporary.After, test.after)
			}
			if path, _ := remote.mirrorPath(m.Dir); path != "" {
				if _, err := os.Stat(path); !isNotExist(err) {
					t.Errorf("there is a mirror after a failed first fetch (%v)", err)
				}
			}
		})
	}

	t.Run("a forge that never answers", func(t *testing.T) {
		t.Parallel()
		stop := make(chan struct{})
		o := newOrigin(t)
		remote := o.serve(func(http.Handler) http.Handler {
			return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				select {
				case <-stop:
				case <-r.Context().Done():
				}
			})
		})
		t.Cleanup(func() { close(stop) })
		m := &Mirrors{Dir: t.TempDir(), Timeout: 50 * time.Millisecond}
		var temporary *TemporaryError
		if err := m.Fetch(t.Context(), remote); !errors.As(err, &temporary) {
			t.Errorf("Fetch: %v, want a temporary error", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := m.Fetch(ctx, remote); !errors.Is(err, context.Canceled) || errors.As(err, &temporary) {
			t.Errorf("Fetch after cancel: %v, want context.Canceled", err)
		}
	})

	t.Run("a forge that nobody listens at", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(http.NotFoundHandler())
		server.Close()
		var temporary *TemporaryError
		m := &Mirrors{Dir: t.TempDir()}
		err := m.Fetch(t.Context(), Remote{Forge: "f", ID: "1", Base: server.URL, URL: server.URL + "/a.git"})
		if !errors.As(err, &temporary) {
			t.Errorf("Fetch: %v, want a temporary error", err)
		}
	})

	t.Run("a repository that is too big", func(t *testing.T) {
		t.Parallel()
		transports(t, func(t *testing.T, o *origin, remote Remote, m *Mirrors) {
			o.write("big", strings.Repeat("0123456789abcdef", 1<<14))
			o.commit("big")
			o.push("refs/heads/main")
			var limit *LimitError
			m.MaxObjectBytes = 1 << 17
			if err := m.Fetch(t.Context(), remote); !errors.As(err, &limit) || limit.What != "bytes in one object" {
				t.Errorf("Fetch of a big object: %v", err)
			}
			m.MaxObjectBytes, m.MaxPackBytes = 0, 200
			if err := m.Fetch(t.Context(), remote); !errors.As(err, &limit) || limit.What != "bytes in the pack" {
				t.Errorf("Fetch of a big pack: %v", err)
			}
			m.MaxPackBytes = 0
			mustFetch(t, m, remote)
		})
	})
}

func TestFetchCredentials(t *testing.T) {
	t.Parallel()
	const password = "hunter2-is-secret"
	guard := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, given, ok := r.BasicAuth(); !ok || user != "bot" || given != password {
				http.Error(w, "no", http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	o := newOrigin(t)
	commit := o.commit("one")
	o.push("refs/heads/main")
	remote, m := o.serve(guard), &Mirrors{Dir: t.TempDir()}
	if err := m.Fetch(t.Context(), remote); err == nil {
		t.Error("Fetch without credentials succeeds")
	}
	remote.Auth = func(context.Context) (string, string, error) { return "bot", "wrong-" + password, nil }
	if err := m.Fetch(t.Context(), remote); err == nil || strings.Contains(err.Error(), password) {
		t.Errorf("Fetch with a wrong password: %v", err)
	}
	remote.Auth = func(context.Context) (string, string, error) { return "bot", password, nil }
	mustFetch(t, m, remote, Want{Commit: commit})
	err := filepath.WalkDir(m.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		if content, err := os.ReadFile(path); err != nil || strings.Contains(string(content), password) {
			t.Errorf("%s holds the password, or cannot be read: %v", path, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestFetchRedirects(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
	}))
	t.Cleanup(elsewhere.Close)
	o := newOrigin(t)
	commit := o.commit("one")
	o.push("refs/heads/main")
	remote := o.serve(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasPrefix(r.URL.Path, "/old/"):
				http.Redirect(w, r, "/"+strings.TrimPrefix(r.URL.RequestURI(), "/old/"), http.StatusMovedPermanently)
			case strings.HasPrefix(r.URL.Path, "/away/"):
				http.Redirect(w, r, elsewhere.URL+r.URL.RequestURI(), http.StatusFound)
			default:
				next.ServeHTTP(w, r)
			}
		})
	})
	m := &Mirrors{Dir: t.TempDir()}
	moved, away := remote, remote
	moved.URL, away.URL = remote.Base+"/old/"+o.id+".git", remote.Base+"/away/"+o.id+".git"
	mustFetch(t, m, moved, Want{Commit: commit})
	away.ID = "43"
	if err := m.Fetch(t.Context(), away); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("Fetch redirected to another host: %v, want ErrNotAllowed", err)
	}
	select {
	case path := <-asked:
		t.Errorf("the other host was asked for %s", path)
	default:
	}
}
