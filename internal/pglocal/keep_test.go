package pglocal

import (
	"context"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// keep keeps a server until stop is called; kept then has how that ended.
func keep(t *testing.T, s *Server) (stop context.CancelFunc, kept <-chan error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	end := make(chan error, 1)
	go func() { end <- s.Keep(ctx, func() {}) }()
	return stop, end
}

// killServer kills the postmaster with SIGKILL and returns its process id.
func killServer(t *testing.T, dir string) int {
	t.Helper()
	pid := postmasterPid(t, dir)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	return pid
}

// answers says whether a server other than pid accepts connections.
func answers(t *testing.T, s *Server, pid int) bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		return false
	}
	defer conn.Close(t.Context())
	return postmasterPid(t, s.cfg.Dir) != pid
}

func TestKeep(t *testing.T) {
	t.Parallel()

	t.Run("AKilledServerComesBackWithWhatWasCommitted", func(t *testing.T) {
		t.Parallel()
		s := start(t, Config{Dir: tempDir(t), Durable: true})
		execute(t, s, "create table kept as select 42 n")
		conn, err := pgx.Connect(t.Context(), s.URL()) // A backend that must notice.
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		stop, kept := keep(t, s)
		for range 2 {
			killed := killServer(t, s.cfg.Dir)
			eventually(t, "the killed server answers again", func() bool { return answers(t, s, killed) })
			if got := query(t, s, "select n::text from kept"); got != "42" {
				t.Errorf("got %s, want 42", got)
			}
		}
		stop()
		if err := <-kept; err != nil {
			t.Errorf("Keep = %v after its context ended, want nil", err)
		}
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		if isRunning(s.cfg.Dir) {
			t.Error("the server that was started again runs after Stop")
		}
	})

	t.Run("AnAdoptedServerIsKeptToo", func(t *testing.T) {
		t.Parallel()
		cfg := Config{Dir: tempDir(t), Durable: true}
		other := startUser(t, testBinary(t), nil, cfg)
		s := start(t, cfg)
		stop, kept := keep(t, s)
		killed := killServer(t, cfg.Dir)
		eventually(t, "the killed server answers again", func() bool { return answers(t, s, killed) })
		other.leave(t)
		if !isRunning(cfg.Dir) {
			t.Error("the server was stopped under the user who keeps it")
		}
		stop()
		if err := <-kept; err != nil {
			t.Error(err)
		}
	})

	t.Run("AServerThatEndsAgainAndAgainIsGivenUp", func(t *testing.T) {
		t.Parallel()
		s := start(t, Config{Dir: tempDir(t), Durable: true})
		stop, kept := keep(t, s)
		defer stop()
		for range maxRestarts {
			killed := killServer(t, s.cfg.Dir)
			eventually(t, "the killed server answers again", func() bool { return answers(t, s, killed) })
		}
		killServer(t, s.cfg.Dir)
		if err := <-kept; err == nil || !strings.Contains(err.Error(), "started again 5 times") {
			t.Errorf("Keep = %v, want that it gave up", err)
		}
	})
}
