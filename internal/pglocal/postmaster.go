package pglocal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// readyPoll is how often a starting server is asked whether it is ready.
const readyPoll = 10 * time.Millisecond

// postmaster is a server started by this process.
type postmaster struct {
	cmd *exec.Cmd
	// exited is closed when the process has ended and waitErr is set.
	exited  chan struct{}
	waitErr error
}

// errEnded says that a server ended while it was waited for.
var errEnded = errors.New("server ended")

// findPostmaster returns the process id of the server that runs on the cluster,
// or 0. A postmaster.pid left by a server that was killed is not believed, and
// is removed when its process id now belongs to another program of the same
// account: the server itself would refuse to start beside that.
func findPostmaster(root *os.Root, dataDir string) (int, error) {
	b, err := root.ReadFile("data/postmaster.pid")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("pglocal: read postmaster.pid: %w", err)
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, _ := strconv.Atoi(first)
	if pid <= 0 {
		return 0, nil // The server will say what it thinks of that.
	}
	dataDir, err = filepath.EvalSymlinks(dataDir)
	if err != nil {
		return 0, fmt.Errorf("pglocal: inspect cluster: %w", err)
	}
	// The postmaster's working directory is its data directory.
	cwd, _ := os.Readlink(filepath.Join("/proc", first, "cwd"))
	switch cwd {
	case "":
		return 0, nil // No such process, or another account's.
	case dataDir:
		return pid, nil
	}
	if err := root.Remove("data/postmaster.pid"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("pglocal: remove stale postmaster.pid: %w", err)
	}
	return 0, nil
}

// adopt waits for a server that runs already and says whether there is one.
func (s *Server) adopt(ctx context.Context) (bool, error) {
	pid, err := findPostmaster(s.root, s.dataDir())
	if err != nil || pid == 0 {
		return false, err
	}
	err = s.awaitReady(ctx, func() error {
		now, err := findPostmaster(s.root, s.dataDir())
		if err == nil && now != pid {
			err = errEnded
		}
		return err
	})
	if errors.Is(err, errEnded) {
		return false, nil // It was going down; there is room for a new one.
	}
	if err != nil {
		return false, err
	}
	s.cfg.Log.Info("adopted running postgres", "dir", s.cfg.Dir, "pid", pid)
	return true, nil
}

// launch starts the server and waits until it accepts connections. A server
// that was killed can leave backends that notice it a moment later and keep the
// shared memory; the new one refuses to start until they are gone, so it is
// started again.
func (s *Server) launch(ctx context.Context) error {
	for {
		pm, err := s.spawn()
		if err != nil {
			return err
		}
		s.postmast = pm
		err = s.awaitReady(ctx, pm.alive)
		if err == nil {
			go s.reportExit(pm)
			s.cfg.Log.Info("started postgres", "dir", s.cfg.Dir, "version", s.bin.major, "pid", pm.cmd.Process.Pid)
			return nil
		}
		if !strings.Contains(err.Error(), "is still in use") {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(readyPoll):
		}
	}
}

// alive returns nil while the process runs, and how it ended afterwards.
func (pm *postmaster) alive() error {
	select {
	case <-pm.exited:
		return fmt.Errorf("%w: %s", errEnded, pm.cmd.ProcessState)
	default:
		return nil
	}
}

// spawn starts the server's process, whose output goes to the log.
func (s *Server) spawn() (*postmaster, error) {
	log, err := s.openLog()
	if err != nil {
		return nil, err
	}
	defer log.Close()
	args := []string{"-D", s.dataDir()}
	for _, setting := range s.settings() {
		args = append(args, "-c", setting)
	}
	cmd := exec.Command(s.bin.path("postgres"), args...) //nolint:noctx // The server outlives the start's context.
	pm := &postmaster{cmd: cmd, exited: make(chan struct{})}
	s.owner.drop(pm.cmd, s.cfg.Dir)
	pm.cmd.Stdout, pm.cmd.Stderr = log, log
	if err := pm.cmd.Start(); err != nil {
		return nil, fmt.Errorf("pglocal: start server as account %s: %w", s.owner.name, err)
	}
	go func() {
		pm.waitErr = pm.cmd.Wait()
		close(pm.exited)
	}()
	return pm, nil
}

func (s *Server) settings() []string {
	set := []string{
		"listen_addresses=",
		"port=" + port,
		"unix_socket_directories=" + s.socketDir,
		"unix_socket_permissions=0700",
		"max_connections=" + strconv.Itoa(s.cfg.MaxConnections),
		"shared_buffers=128MB",
		"timezone=UTC",
		"log_timezone=UTC",
		// Compiling a query takes longer than any of distbot's queries run.
		"jit=off",
		"cluster_name=distbot",
	}
	if s.cfg.Durable {
		return append(set, "fsync=on", "full_page_writes=on", "synchronous_commit=on")
	}
	return append(set,
		"fsync=off", "full_page_writes=off", "synchronous_commit=off", "autovacuum=off",
		"wal_level=minimal", "max_wal_senders=0")
}

// awaitReady connects until the server answers, alive returns an error, which
// it asks after each attempt, or ctx ends.
func (s *Server) awaitReady(ctx context.Context, alive func() error) error {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.DatabaseURL("postgres"))
		if err == nil {
			if err := conn.Close(ctx); err != nil {
				return fmt.Errorf("pglocal: connect: %w", err)
			}
			return nil
		}
		if err := alive(); err != nil {
			return fmt.Errorf("pglocal: start server in %s: %w\n%s", s.cfg.Dir, err, s.logTail())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("pglocal: wait for server in %s: %w (%w)\n%s", s.cfg.Dir, context.Cause(ctx), err, s.logTail())
		case <-tick.C:
		}
	}
}

// reportExit logs the end of a server that this process started. Whoever uses
// the database sees connections fail; here is why.
func (s *Server) reportExit(pm *postmaster) {
	<-pm.exited
	if pm.waitErr != nil {
		s.cfg.Log.Error("postgres ended", "dir", s.cfg.Dir, "cause", pm.waitErr, "log", s.logFile())
		return
	}
	s.cfg.Log.Info("postgres ended", "dir", s.cfg.Dir)
}
