package distgit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// transports runs test once over file and once over HTTP.
func transports(t *testing.T, test func(t *testing.T, o *origin, remote Remote, m *Mirrors)) {
	for _, kind := range []string{"file", "http"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t)
			remote := o.remote()
			if kind == "http" {
				remote = o.serve(nil)
			}
			test(t, o, remote, &Mirrors{Dir: t.TempDir()})
		})
	}
}

func mustFetch(t *testing.T, m *Mirrors, remote Remote, wants ...Want) {
	t.Helper()
	if err := m.Fetch(t.Context(), remote, wants...); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t *testing.T, m *Mirrors, remote Remote, commit, file string) string {
	t.Helper()
	tree, err := m.Tree(t.Context(), remote, commit)
	if err != nil {
		t.Fatal(err)
	}
	content, err := tree.ReadFile(file, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestFetch(t *testing.T) {
	t.Parallel()

	t.Run("brings a push and then the next one", func(t *testing.T) {
		t.Parallel()
		transports(t, func(t *testing.T, o *origin, remote Remote, m *Mirrors) {
			for i := range 4 {
				o.write("hello.spec", fmt.Sprintf("version %d", i))
				commit := o.commit("a change")
				o.push("refs/heads/main")
				mustFetch(t, m, remote, Want{Commit: commit})
				if got, want := mustRead(t, m, remote, commit, "hello.spec"), fmt.Sprintf("version %d", i); got != want {
					t.Errorf("hello.spec at %s is %q, want %q", commit, got, want)
				}
			}
		})
	})

	t.Run("keeps a commit that was pushed away by force and follows deleted branches", func(t *testing.T) {
		t.Parallel()
		transports(t, func(t *testing.T, o *origin, remote Remote, m *Mirrors) {
			o.write("hello.spec", "first")
			first := o.commit("first")
			o.push("refs/heads/main")
			o.push("refs/heads/gone")
			mustFetch(t, m, remote, Want{Commit: first})

			o.git("checkout", "-q", "--orphan", "fresh")
			o.write("hello.spec", "second")
			second := o.commit("second")
			o.push("refs/heads/main")
			o.git("push", "-q", "origin", ":refs/heads/gone")
			mustFetch(t, m, remote, Want{Commit: second})

			path, err := remote.mirrorPath(m.Dir)
			if err != nil {
				t.Fatal(err)
			}
			// git itself reads the mirror, and its garbage collector keeps first.
			o.run(path, "gc", "-q", "--prune=now")
			o.run(path, "fsck", "--strict")
			refs := strings.Split(o.run(path, "for-each-ref", "--format=%(refname) %(objectname)"), "\n")
			keeps := []string{keepPrefix + first + " " + first, keepPrefix + second + " " + second}
			if first > second {
				keeps[0], keeps[1] = keeps[1], keeps[0]
			}
			if diff := cmp.Diff(append(keeps, "refs/heads/main "+second), refs); diff != "" {
				t.Errorf("refs of the mirror (-want +got):\n%s", diff)
			}
			for commit, want := range map[string]string{first: "first", second: "second"} {
				if got := mustRead(t, m, remote, commit, "hello.spec"); got != want {
					t.Errorf("hello.spec at %s is %q, want %q", commit, got, want)
				}
			}
		})
	})

	t.Run("brings the head of a pull request by its ref", func(t *testing.T) {
		t.Parallel()
		transports(t, func(t *testing.T, o *origin, remote Remote, m *Mirrors) {
			o.commit("base")
			o.push("refs/heads/main")
			o.write("hello.spec", "proposed")
			head := o.commit("proposed")
			o.push("refs/pull/7/head")
			mustFetch(t, m, remote, Want{Ref: "refs/pull/7/head", Commit: head})
			if got := mustRead(t, m, remote, head, "hello.spec"); got != "proposed" {
				t.Errorf("hello.spec at the head is %q", got)
			}
		})
	})

	t.Run("asks for a commit on no branch by its id where the server permits that", func(t *testing.T) {
		t.Parallel()
		for _, permitted := range []bool{true, false} {
			o := newOrigin(t, fmt.Sprintf("uploadpack.allowAnySHA1InWant=%t", permitted))
			remote := o.serve(nil)
			m := &Mirrors{Dir: t.TempDir()}
			o.write("hello.spec", "lost")
			lost := o.commit("lost")
			o.push("refs/heads/main")
			o.git("commit", "-q", "--amend", "-m", "other")
			o.push("refs/heads/main")
			err := m.Fetch(t.Context(), remote, Want{Commit: lost})
			if permitted && err != nil || !permitted && !errors.Is(err, ErrCommitNotFound) {
				t.Errorf("permitted %t: Fetch: %v", permitted, err)
			}
			if permitted && mustRead(t, m, remote, lost, "hello.spec") != "lost" {
				t.Error("the commit that was brought by its id has another content")
			}
		}
	})

	t.Run("says which commit is not there, and is of use afterwards", func(t *testing.T) {
		t.Parallel()
		o := newOrigin(t, "uploadpack.allowAnySHA1InWant=true")
		head := o.commit("head")
		o.push("refs/heads/main")
		m := &Mirrors{Dir: t.TempDir()}
		for _, remote := range []Remote{o.remote(), o.serve(nil)} {
			absent := strings.Repeat("ab", 20)
			err := m.Fetch(t.Context(), remote, Want{Commit: absent})
			var temporary *TemporaryError
			if !errors.Is(err, ErrCommitNotFound) || errors.As(err, &temporary) || !strings.Contains(err.Error(), absent) {
				t.Errorf("Fetch: %v, want ErrCommitNotFound with the commit", err)
			}
			mustFetch(t, m, remote, Want{Commit: head})
		}
	})

	t.Run("does not ask the forge for what the mirror has", func(t *testing.T) {
		t.Parallel()
		o := newOrigin(t)
		commit := o.commit("one")
		o.push("refs/heads/main")
		remote, m := o.remote(), &Mirrors{Dir: t.TempDir()}
		mustFetch(t, m, remote)
		if err := os.RemoveAll(o.bare()); err != nil {
			t.Fatal(err)
		}
		mustFetch(t, m, remote, Want{Commit: commit})
		if err := m.Fetch(t.Context(), remote); !errors.Is(err, ErrRepositoryNotFound) {
			t.Errorf("Fetch without wants: %v, want ErrRepositoryNotFound", err)
		}
	})

	t.Run("lets many fetch and read one mirror at once", func(t *testing.T) {
		t.Parallel()
		transports(t, func(t *testing.T, o *origin, remote Remote, m *Mirrors) {
			var commits []string
			for i := range 8 {
				o.write("hello.spec", fmt.Sprint("version ", i))
				commits = append(commits, o.commit("a change"))
				o.push(fmt.Sprintf("refs/heads/b%d", i))
			}
			other := &Mirrors{Dir: m.Dir} // as another process would
			var all sync.WaitGroup
			for i, commit := range commits {
				for _, mirrors := range []*Mirrors{m, other} {
					all.Go(func() {
						if err := mirrors.Fetch(t.Context(), remote, Want{Commit: commit}); err != nil {
							t.Error(err)
							return
						}
						tree, err := mirrors.Tree(t.Context(), remote, commit)
						if err != nil {
							t.Error(err)
							return
						}
						content, err := tree.ReadFile("hello.spec", 100)
						if err != nil || string(content) != fmt.Sprint("version ", i) {
							t.Errorf("hello.spec at %s: %q, %v", commit, content, err)
						}
					})
				}
			}
			all.Wait()
		})
	})

	t.Run("waits for another process's lock no longer than its context", func(t *testing.T) {
		t.Parallel()
		o := newOrigin(t)
		o.commit("one")
		o.push("refs/heads/main")
		remote, m := o.remote(), &Mirrors{Dir: t.TempDir()}
		path, err := remote.mirrorPath(m.Dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		held, err := flock(t.Context(), path+".lock")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := m.Fetch(ctx, remote); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Fetch under another's lock: %v, want the deadline", err)
		}
		done := make(chan error, 1)
		go func() { done <- m.Fetch(t.Context(), remote) }()
		if err := held.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("Fetch after the lock was dropped: %v", err)
		}
	})

	t.Run("cleans up after a fetch that was killed", func(t *testing.T) {
		t.Parallel()
		o := newOrigin(t)
		commit := o.commit("one")
		o.push("refs/heads/main")
		remote, m := o.remote(), &Mirrors{Dir: t.TempDir()}
		path, err := remote.mirrorPath(m.Dir)
		if err != nil {
			t.Fatal(err)
		}
		halfClone := filepath.Join(filepath.Dir(path), ".new-"+filepath.Base(path)+"-123", "objects")
		if err := os.MkdirAll(halfClone, 0o755); err != nil {
			t.Fatal(err)
		}
		mustFetch(t, m, remote, Want{Commit: commit})
		halfPack := filepath.Join(path, "objects", "pack", "tmp_pack_123")
		if err := os.WriteFile(halfPack, []byte("PACK"), 0o600); err != nil {
			t.Fatal(err)
		}
		mustFetch(t, m, remote)
		for _, left := range []string{filepath.Dir(halfClone), halfPack} {
			if _, err := os.Stat(left); !isNotExist(err) {
				t.Errorf("%s is still there (%v)", left, err)
			}
		}
	})
}

func TestRefs(t *testing.T) {
	t.Parallel()
	transports(t, func(t *testing.T, o *origin, remote Remote, m *Mirrors) {
		empty, err := m.Refs(t.Context(), remote)
		if err != nil || len(empty) != 0 {
			t.Errorf("Refs of an empty repository: %v, %v", empty, err)
		}
		mustFetch(t, m, remote) // an empty repository makes an empty mirror
		first := o.commit("first")
		o.push("refs/heads/main")
		o.push("refs/heads/f37/with/slashes")
		o.push("refs/pull/1/head")
		o.git("push", "-q", "origin", "HEAD:refs/tags/v1")
		second := o.commit("second")
		o.push("refs/heads/rawhide")
		got, err := m.Refs(t.Context(), remote)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"main": first, "f37/with/slashes": first, "rawhide": second}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Refs (-want +got):\n%s", diff)
		}
	})
}

func TestIsAncestor(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	first := o.commit("first")
	o.push("refs/heads/main")
	second := o.commit("second")
	o.push("refs/heads/main")
	o.git("checkout", "-q", first)
	side := o.commit("side")
	o.push("refs/heads/side")
	remote, m := o.remote(), &Mirrors{Dir: t.TempDir()}
	mustFetch(t, m, remote)
	for _, test := range []struct {
		old, new string
		want     bool
	}{{first, second, true}, {second, first, false}, {first, first, true}, {side, second, false}, {first, side, true}} {
		got, err := m.IsAncestor(t.Context(), remote, test.old, test.new)
		if err != nil || got != test.want {
			t.Errorf("IsAncestor(%s, %s) = %t, %v; want %t", test.old, test.new, got, err, test.want)
		}
	}
	if _, err := m.IsAncestor(t.Context(), remote, strings.Repeat("0", 39)+"1", second); !errors.Is(err, ErrCommitNotFound) {
		t.Errorf("IsAncestor of a commit that is not there: %v", err)
	}
}
