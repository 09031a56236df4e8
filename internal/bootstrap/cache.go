package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lockPoll is how often a waiting process looks whether the cache is free.
const lockPoll = 50 * time.Millisecond

// openCache makes the cache's directories and takes its lock, waiting for
// another process until ctx ends. The lock dies with the process. What killed
// processes left in work/ is removed.
func openCache(ctx context.Context, dir string) (release func() error, err error) {
	if err := os.MkdirAll(filepath.Join(dir, "rpms"), 0o755); err != nil {
		return nil, fmt.Errorf("bootstrap: make cache: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("bootstrap: lock cache: %w", err)
	}
	if err := flock(ctx, lock); err != nil {
		return nil, errors.Join(fmt.Errorf("bootstrap: lock cache %s: %w", dir, err), lock.Close())
	}
	work := filepath.Join(dir, "work")
	if err := errors.Join(os.RemoveAll(work), os.Mkdir(work, 0o755)); err != nil {
		return nil, errors.Join(fmt.Errorf("bootstrap: clear cache: %w", err), lock.Close())
	}
	return lock.Close, nil
}

// flock takes an exclusive lock on an open file.
func flock(ctx context.Context, f *os.File) error {
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
