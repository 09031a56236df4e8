package flock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Suffix is the end of the name of the lock beside what it protects.
const Suffix = ".lock"

// lockPoll is how often a taken lock is looked at.
const lockPoll = 20 * time.Millisecond

// How a lock is held: by many who read, or by one who changes.
const (
	Shared    = unix.LOCK_SH
	Exclusive = unix.LOCK_EX
)

// Lock is a lock among all users of a directory, in this process and others.
// The kernel releases it when its process ends, however that happens.
type Lock struct{ file *os.File }

// Take takes the lock at path as soon as it is free. Its error is the
// context's cause, or that the lock can't be made.
func Take(ctx context.Context, path string, how int) (*Lock, error) {
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		l, err := Try(path, how)
		if l != nil || err != nil {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// Try takes the lock if it is free; else it returns nil.
func Try(path string, how int) (*Lock, error) {
	for {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return nil, fmt.Errorf("flock: open lock: %w", err)
		}
		if err := unix.Flock(int(file.Fd()), how|unix.LOCK_NB); err != nil {
			file.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, nil
			}
			return nil, fmt.Errorf("flock: lock %s: %w", path, err)
		}
		current, err := isAt(file, path)
		if current {
			return &Lock{file}, nil
		}
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("flock: lock: %w", err)
		}
	}
}

// isAt says whether path is still the name of file: whoever held the lock
// before may have removed it.
func isAt(file *os.File, path string) (bool, error) {
	locked, err := file.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return os.SameFile(locked, named), nil
}

// Release releases the lock and leaves its file.
func (l *Lock) Release() { l.file.Close() }

// Remove removes the lock's file and releases it; for an exclusive lock of
// something that is gone.
func (l *Lock) Remove() {
	// A file that stays is removed by the next New.
	_ = os.Remove(l.file.Name())
	l.file.Close()
}
