package pglocal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

type lockMode int

const (
	shared    lockMode = unix.LOCK_SH
	exclusive lockMode = unix.LOCK_EX
)

// lockPoll is how often a taken lock is tried again. flock(2) cannot be waited
// for with a deadline.
const lockPoll = 10 * time.Millisecond

// lockFile takes an advisory lock on a file of root, which it makes if
// necessary, and waits for it until ctx ends. The caller releases it by unlock;
// otherwise the end of the process does: the descriptor is closed on exec, so
// that no child keeps it.
func lockFile(ctx context.Context, root *os.Root, name string, mode lockMode, own owner) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("pglocal: open lock: %w", err)
	}
	if err := own.takeFile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		taken, err := tryLock(f, mode)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if taken {
			return f, nil
		}
		select {
		case <-ctx.Done():
			err := fmt.Errorf("pglocal: wait for lock %s: %w", f.Name(), context.Cause(ctx))
			return nil, errors.Join(err, f.Close())
		case <-tick.C:
		}
	}
}

// tryLock takes the lock if nobody is in the way and says whether it did.
func tryLock(f *os.File, mode lockMode) (bool, error) {
	for {
		err := unix.Flock(int(f.Fd()), int(mode)|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, fmt.Errorf("pglocal: lock %s: %w", f.Name(), err)
		}
	}
}

// unlock releases the lock and closes the file. Closing alone would not do:
// between fork and exec a child that another goroutine starts has the
// descriptor too, and with it the lock.
func unlock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_UN)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("pglocal: unlock %s: %w", f.Name(), err)
	}
	return nil
}
