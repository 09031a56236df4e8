package slim

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/distbot/distbot/internal/flock"
)

// workPrefix begins the names of directories that become repositories. Beside each
// lies its lock, which its run holds until the directory has gone: where it is free
// the run was killed.
const workPrefix = ".slim-"

// workdir is a directory beside the place of a repository, in which it is made.
type workdir struct {
	path string
	lock *flock.Lock
}

// newWorkdir makes one, and removes what runs left beside it that were killed. What
// it could not remove it says.
func newWorkdir(ctx context.Context, parent string) (w workdir, warnings []string, err error) {
	warnings = clearWorkdirs(ctx, parent)
	w.path = filepath.Join(parent, workPrefix+rand.Text())
	if w.lock, err = flock.Take(ctx, w.path+flock.Suffix, flock.Exclusive); err != nil {
		return w, warnings, err
	}
	err = os.Mkdir(w.path, 0o700)
	if err == nil {
		err = os.Chmod(w.path, 0o755)
	}
	if err != nil {
		err = errors.Join(err, w.remove())
	}
	return w, warnings, err
}

// remove removes the directory, where it is still there.
func (w workdir) remove() error {
	err := os.RemoveAll(w.path)
	w.lock.Remove()
	return err
}

// keep leaves the directory to the user.
func (w workdir) keep() { w.lock.Remove() }

// clearWorkdirs removes directories of our account whose runs were killed.
func clearWorkdirs(ctx context.Context, parent string) (warnings []string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return nil // told when something is to be made there
	}
	for _, e := range entries {
		name, isLock := strings.CutSuffix(e.Name(), flock.Suffix)
		if !isLock || !strings.HasPrefix(name, workPrefix) || !e.Type().IsRegular() || !isOurs(e) {
			continue
		}
		if err := clearWorkdir(ctx, filepath.Join(parent, name)); err != nil {
			warnings = append(warnings, fmt.Sprintf("%s, which a run that was killed has left, stays: %v", filepath.Join(parent, name), err))
		}
	}
	return warnings
}

func isOurs(e fs.DirEntry) bool {
	info, err := e.Info()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// clearWorkdir removes one unless it is in use. A run that was killed may have just
// replaced a repository that somebody had put other files into: that one stays.
func clearWorkdir(ctx context.Context, dir string) error {
	lock, err := flock.Try(dir+flock.Suffix, flock.Exclusive)
	if lock == nil || err != nil {
		return err
	}
	w := workdir{dir, lock}
	if c, err := contentsOf(ctx, dir); err == nil {
		if strange, err := c.stranger(dir); err != nil || strange != "" {
			w.keep()
			return errors.Join(fmt.Errorf("%q in it belongs to no repository", strange), err)
		}
	}
	return w.remove()
}
