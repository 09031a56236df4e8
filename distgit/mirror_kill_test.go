package distgit

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// The environment of a child process that fetches, for
// TestFetchSurvivesKill. All are set, or none.
const (
	childDir  = "DISTGIT_TEST_FETCH_DIR"
	childBase = "DISTGIT_TEST_FETCH_BASE"
	childURL  = "DISTGIT_TEST_FETCH_URL"
)

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		mirrors := &Mirrors{Dir: dir}
		remote := Remote{Forge: "forge", ID: "42", Base: os.Getenv(childBase), URL: os.Getenv(childURL)}
		if err := mirrors.Fetch(context.Background(), remote); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestFetchSurvivesKill kills a process with SIGKILL in the middle of a pack,
// in its first fetch and in a later one, and then fetches.
func TestFetchSurvivesKill(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	stall := new(atomic.Bool)
	halfway := make(chan struct{})
	remote := o.serve(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost && stall.Load() {
				w = &stallingWriter{ResponseWriter: w, gone: r.Context().Done(), halfway: halfway}
			}
			next.ServeHTTP(w, r)
		})
	})
	m := &Mirrors{Dir: t.TempDir()}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		// Noise does not compress, so the pack is longer than what gets through.
		noise := make([]byte, 1<<20)
		state := uint32(round + 1)
		for i := range noise {
			state = state*1664525 + 1013904223
			noise[i] = byte(state >> 24)
		}
		o.write("noise", string(noise))
		commit := o.commit("a change")
		o.push("refs/heads/main")

		stall.Store(true)
		child := exec.Command(executable)
		child.Env = append(os.Environ(), childDir+"="+m.Dir, childBase+"="+remote.Base, childURL+"="+remote.URL)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		<-halfway
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := child.Wait(); err == nil {
			t.Fatal("the child ended before it was killed")
		}
		stall.Store(false)

		mustFetch(t, m, remote, Want{Commit: commit})
		if got := mustRead(t, m, remote, commit, "noise"); got != string(noise) {
			t.Errorf("round %d: noise has %d other bytes", round, len(got))
		}
		path, err := remote.mirrorPath(m.Dir)
		if err != nil {
			t.Fatal(err)
		}
		o.run(path, "fsck", "--strict")
		for _, pattern := range []string{filepath.Join(filepath.Dir(path), ".new-*"), filepath.Join(path, "objects", "pack", "tmp_*"), filepath.Join(path, "tmp_*")} {
			if left, err := filepath.Glob(pattern); err != nil || len(left) > 0 {
				t.Errorf("round %d: the killed fetch left %v (%v)", round, left, err)
			}
		}
	}
}

// stallingWriter sends the first half megabyte of a pack and then nothing more,
// until the client is gone.
type stallingWriter struct {
	http.ResponseWriter
	sent    int
	gone    <-chan struct{}
	halfway chan<- struct{}
}

// Write implements io.Writer.
func (s *stallingWriter) Write(p []byte) (int, error) {
	n, err := s.ResponseWriter.Write(p)
	if s.sent += n; s.sent < 1<<19 || err != nil {
		return n, err
	}
	if flusher, ok := s.ResponseWriter.(http.Flusher); ok {
		flusher.Flush()
	}
	s.halfway <- struct{}{}
	<-s.gone
	return n, http.ErrAbortHandler
}
