package pglocal

import (
	"fmt"
	"os/exec"
	"path/filepath"
)

// watcher is a process that stops the server when all its users are gone. It is
// needed only if this process is killed; Stop dismisses it.
type watcher struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

// startWatcher starts a flock(1) that waits for the exclusive lock on
// users.lock, that is for the end of all users, and stops the server while it
// holds it, so that no other process starts to use the server meanwhile. When
// there is no server any more, it does nothing.
func startWatcher(bin binaries, dir string, own owner) (*watcher, error) {
	flock, err := exec.LookPath("flock")
	if err != nil {
		return nil, fmt.Errorf("pglocal: find flock of util-linux (run scripts/setup): %w", err)
	}
	args := []string{"--exclusive", "--no-fork", filepath.Join(dir, usersLock), bin.path("pg_ctl")}
	args = append(args, stopArgs(filepath.Join(dir, "data"))...)
	cmd := exec.Command(flock, args...) //nolint:noctx // It must outlive this process.
	w := &watcher{cmd: cmd, exited: make(chan struct{})}
	// Standard input, output and error are /dev/null: whoever reads the caller's
	// output, as go test does, must not wait for the watcher's end too.
	own.drop(w.cmd, dir)
	if err := w.cmd.Start(); err != nil {
		return nil, fmt.Errorf("pglocal: start watcher as account %s: %w", own.name, err)
	}
	go func() {
		defer close(w.exited)
		_ = w.cmd.Wait() // Killed by dismiss, or nothing to stop: neither matters.
	}()
	return w, nil
}

// dismiss ends the watcher. The caller still holds its share of the lock, so
// the watcher cannot be stopping the server at that moment.
func (w *watcher) dismiss() {
	_ = w.cmd.Process.Kill() // Has it ended already, so much the better.
	<-w.exited
}
