package pglocal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// keepPoll is how often Keep looks whether the server lives.
	keepPoll = 250 * time.Millisecond
	// Keep gives up when the server had to be started again more than
	// maxRestarts times within restartWindow.
	maxRestarts   = 5
	restartWindow = 10 * time.Minute
)

// Keep starts the server again whenever it ends though this process uses it: by
// a crash, by the kernel's out-of-memory killer, or by somebody's hand. It
// returns nil when ctx ends, and an error when the server ended, or would not
// start, too often; each try is logged, failed ones with their cause. What was
// committed is there again if the cluster is durable; open connections and
// transactions are lost. restarted is called when the server accepts
// connections again, so that a pool can be rid of the dead ones. Keep must have
// returned before Stop is called.
func (s *Server) Keep(ctx context.Context, restarted func()) error {
	var tries []time.Time
	pause := keepPoll
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pid, err := findPostmaster(s.root, s.dataDir())
		if err == nil && pid != 0 {
			pause = keepPoll
			continue
		}
		now := time.Now()
		tries = slices.DeleteFunc(tries, func(t time.Time) bool { return now.Sub(t) > restartWindow })
		if len(tries) == maxRestarts {
			return errors.Join(fmt.Errorf("pglocal: keep server in %s: it was started again %d times within %s and ended each time", s.cfg.Dir, maxRestarts, restartWindow), err)
		}
		tries = append(tries, now)
		s.cfg.Log.Warn("postgres is gone and is started again", "dir", s.cfg.Dir, "try", len(tries), "of", maxRestarts)
		switch err := s.revive(ctx); {
		case err == nil:
			restarted()
			s.cfg.Log.Info("postgres runs again", "dir", s.cfg.Dir)
		case ctx.Err() == nil:
			s.cfg.Log.Error("postgres could not be started again", "dir", s.cfg.Dir, "error", err)
			pause *= 2
		}
	}
}

// revive starts a server that has ended, or adopts the one that another of its
// users has started meanwhile.
func (s *Server) revive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	turn, err := lockFile(ctx, s.root, startLock, exclusive, s.owner)
	if err != nil {
		return err
	}
	running, err := s.adopt(ctx)
	if err == nil && !running {
		err = s.launch(ctx)
	}
	return errors.Join(err, unlock(turn))
}
