package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/distbot/distbot/queue/queuetest"
)

// logText is a log that a test reads while it is written.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestKilledDatabase kills the private PostgreSQL with SIGKILL while packages
// build: the lease, the running attempts and what follows them stay.
func TestKilledDatabase(t *testing.T) {
	t.Parallel()
	var log logText
	f := newFlowOn(t, 1, "", slog.New(slog.NewTextHandler(&log, nil)))
	release := f.driver.hold()
	defer release()
	f.deliver(t, "pkg000", "before")
	queuetest.Wait(t, "both architectures build", func() (bool, string) {
		f.driver.mu.Lock()
		defer f.driver.mu.Unlock()
		return f.driver.held == 2, fmt.Sprint(f.driver.held)
	})
	lease := queuetest.Value[string](t, f.pool, "select client_id from leases")

	text, err := os.ReadFile(filepath.Join(f.server.Config.StateDir, "postgres", "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	queuetest.Wait(t, "the database runs again", func() (bool, string) {
		return strings.Contains(log.String(), "postgres runs again"), log.String()
	})
	release()
	f.published(t, 1)

	if got := queuetest.Values[string](t, f.pool, "select t.method || ' ' || t.arch || ': ' || a.outcome from task_attempts a join tasks t on t.id = a.task_id"); len(got) > 0 {
		t.Errorf("attempts were given up: %q, want none", got)
	}
	if got := queuetest.Value[string](t, f.pool, "select client_id from leases"); got != lease {
		t.Errorf("the lease is %s's, was %s's", got, lease)
	}
	select {
	case <-f.server.Lost():
		t.Error("the lease was lost")
	default:
	}
}
