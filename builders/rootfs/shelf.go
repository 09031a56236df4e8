package rootfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/flock"
)

// shelf keeps directories that are made once, do not change, and are shared by
// those who use them. They are found by what they were made of, so one is never
// wrong.
//
// For each KEY there are KEY, the directory; KEY.complete, the mark of a finished
// one, whose time is that of the last use; KEY.partial, one that is being made;
// and KEY.lock, which is shared by those who use the directory and held alone
// by who makes or removes it. All of it holds between processes.
type shelf struct {
	driver *Driver
	dir    string
	// keep is how many are kept.
	keep int
	// what they are, for people.
	what string
}

const (
	complete = ".complete"
	partial  = ".partial"
)

// shelved is a directory in use until it is released.
type shelved struct {
	dir  string
	lock *flock.Lock
}

func (s *shelved) release() { s.lock.Release() }

// use returns the directory of a key. fill makes it, if nobody has: a directory
// by the name that it is given. An error of fill leaves nothing.
func (s *shelf) use(ctx context.Context, key string, log *diagnosis.Log, fill func(ctx context.Context, dir string) error) (*shelved, error) {
	d := &shelved{dir: filepath.Join(s.dir, key)}
	for {
		var err error
		if d.lock, err = s.take(ctx, d.dir, flock.Shared, log); err != nil {
			return nil, err
		}
		now := time.Now()
		if err = os.Chtimes(d.dir+complete, now, now); err == nil {
			return d, nil
		}
		d.lock.Release()
		if !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("rootfs: note use of %s: %w", s.what, err)
		}
		if err := s.make(ctx, d.dir, log, fill); err != nil {
			return nil, err
		}
	}
}

// take takes the lock of a directory, and says so when that takes longer.
func (s *shelf) take(ctx context.Context, dir string, how int, log *diagnosis.Log) (*flock.Lock, error) {
	l, err := flock.Try(dir+flock.Suffix, how)
	if l != nil || err != nil {
		return l, err
	}
	fmt.Fprintf(log, "waiting for another build that makes the %s\n", s.what)
	return flock.Take(ctx, dir+flock.Suffix, how)
}

// make makes a directory unless another build did while this one waited: under
// another name, and marked when it is finished, so that an interrupted one is
// never used.
func (s *shelf) make(ctx context.Context, dir string, log *diagnosis.Log, fill func(ctx context.Context, dir string) error) error {
	lock, err := s.take(ctx, dir, flock.Exclusive, log)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(dir + complete); err == nil {
		lock.Release()
		return nil
	}
	s.removeUnfinished(ctx, dir)
	err = fill(ctx, dir+partial)
	if err == nil {
		err = s.finish(dir)
	}
	if err != nil {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		s.removeUnfinished(clean, dir)
		lock.Remove()
		return err
	}
	lock.Release()
	s.prune(ctx)
	return nil
}

func (s *shelf) finish(dir string) error {
	if err := os.Rename(dir+partial, dir); err != nil {
		return fmt.Errorf("rootfs: name %s: %w", s.what, err)
	}
	if err := os.WriteFile(dir+complete, nil, 0o644); err != nil {
		return fmt.Errorf("rootfs: finish %s: %w", s.what, err)
	}
	return nil
}

// removeUnfinished removes what there is of a directory that has no mark.
func (s *shelf) removeUnfinished(ctx context.Context, dir string) {
	s.driver.removeTree(ctx, dir+partial)
	s.driver.removeTree(ctx, dir)
}

// prune removes the least used directories above the number that is kept,
// unless somebody uses them.
func (s *shelf) prune(ctx context.Context) {
	all, err := s.finished()
	if err != nil {
		s.driver.config.Logger.Warn("rootfs: look for old directories", "dir", s.dir, "error", err)
		return
	}
	for _, one := range all[min(len(all), s.keep):] {
		dir := filepath.Join(s.dir, one.key)
		lock, err := flock.Try(dir+flock.Suffix, flock.Exclusive)
		if err != nil {
			s.driver.config.Logger.Warn("rootfs: look for old directories", "dir", s.dir, "error", err)
		}
		if lock == nil {
			continue
		}
		// Without its mark a directory is not used any more.
		if err := os.Remove(dir + complete); err == nil {
			s.removeUnfinished(ctx, dir)
		}
		lock.Remove()
	}
}

// lastUse is a finished directory and when it was used last.
type lastUse struct {
	key  string
	used time.Time
}

// finished lists the finished directories, the last used one first.
func (s *shelf) finished() ([]lastUse, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var all []lastUse
	for _, entry := range entries {
		key, ok := strings.CutSuffix(entry.Name(), complete)
		if !ok {
			continue
		}
		if info, err := entry.Info(); err == nil { // else it was just removed
			all = append(all, lastUse{key, info.ModTime()})
		}
	}
	slices.SortFunc(all, func(x, y lastUse) int { return cmp.Compare(y.used.UnixNano(), x.used.UnixNano()) })
	return all, nil
}
