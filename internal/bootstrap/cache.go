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
// processes left in work/ is removed, except where their last children still
// write: that stays for the next run, and is in nobody's way, as the names in
// work/ are random.
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
	if err := clearWork(filepath.Join(dir, "work")); err != nil {
		return nil, errors.Join(fmt.Errorf("bootstrap: clear cache: %w", err), lock.Close())
	}
	return lock.Close, nil
}

// clearWork makes dir an empty directory, but for what is being written below
// it at this moment: rmdir(2) then says ENOTEMPTY, or EEXIST on some file
// systems.
func clearWork(dir string) error {
	if err := os.RemoveAll(dir); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
		return err
	}
	return os.MkdirAll(dir, 0o755)
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
