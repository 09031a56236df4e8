package pglocal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Stop ends this process's use of the server. The last user stops it with a
// fast shutdown: open transactions are rolled back, connections closed, and
// Stop returns when the server is down, or after a minute with an error.
// Stopping twice is harmless.
func (s *Server) Stop() error {
	s.stopOnce.Do(func() { s.stopErr = s.release() })
	return s.stopErr
}

// release undoes start as far as it came.
func (s *Server) release() error {
	var err error
	if s.users != nil {
		err = s.leave()
	}
	return errors.Join(err, s.root.Close())
}

// leave gives up this process's share of the lock, and stops the server if
// nobody else has one.
func (s *Server) leave() (err error) {
	if s.watcher != nil {
		s.watcher.dismiss()
	}
	if err := unlock(s.users); err != nil {
		return err
	}
	f, err := s.root.OpenFile(usersLock, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // Somebody removed the whole directory.
	}
	if err != nil {
		return fmt.Errorf("pglocal: open lock: %w", err)
	}
	defer func() { err = errors.Join(err, unlock(f)) }()
	last, err := tryLock(f, exclusive)
	if err != nil {
		return err
	}
	if last {
		return s.shutDown()
	}
	// Either others use the server, who share the lock, or one of them, or the
	// watcher of one that was killed, is stopping it: then wait for that.
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	done, err := lockFile(ctx, s.root, usersLock, shared, s.owner)
	if err != nil {
		return err
	}
	return unlock(done)
}

// shutDown stops the server; the caller holds the exclusive lock.
func (s *Server) shutDown() error {
	pid, err := findPostmaster(s.root, s.dataDir())
	if err != nil || pid == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout+time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.bin.path("pg_ctl"), stopArgs(s.dataDir())...)
	s.owner.drop(cmd, s.cfg.Dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pglocal: stop server in %s: %w\n%s", s.cfg.Dir, err, tail(out))
	}
	if s.postmast != nil {
		<-s.postmast.exited
	}
	if filepath.Dir(s.socketDir) != s.cfg.Dir {
		if err := os.Remove(s.socketDir); err != nil {
			return fmt.Errorf("pglocal: remove socket directory: %w", err)
		}
	}
	return nil
}

// stopArgs are pg_ctl's arguments for a fast shutdown that waits for its end.
func stopArgs(dataDir string) []string {
	return []string{
		"stop", "--pgdata=" + dataDir, "--mode=fast", "--wait", "--silent",
		fmt.Sprintf("--timeout=%.0f", stopTimeout.Seconds()),
	}
}
