package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/distbot/distbot/repopublish/moduletest"
)

// TestRepoSlimEndsWithItsTerminal: it removes what it began.
//
//nolint:paralleltest // all runs in this process get the signal
func TestRepoSlimEndsWithItsTerminal(t *testing.T) {
	// It heeds the signal unless that is ignored, as below nohup: whatever this
	// process was started with, the signal is not ignored while somebody listens.
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP)
	defer signal.Stop(heard)
	files := http.FileServer(http.Dir(moduletest.Load(t).Write(t, "full")))
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, ".rpm") {
			files.ServeHTTP(w, r)
			return
		}
		once.Do(func() {
			if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
				t.Error(err)
			}
		})
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	code, _, stderr := repoCommand(t, "", "repo", "slim", "--from", server.URL, "--packages", "@demo:1", "--out", filepath.Join(dir, "out"))
	if code != exitFailed || strings.Count(stderr, "canceled") > 1 || strings.Count(stderr, "\n") != 1 {
		t.Errorf("exit code %d, want %d and one line\n%s", code, exitFailed, stderr)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("%v is left (%v)", entries, err)
	}
}
