package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// removeDepth is how deep removeTree recurses, and so how many descriptors it
// holds. A payload may nest directories by the hundred thousand.
const removeDepth = 64

// remover empties the directory root.
type remover struct {
	ctx   context.Context
	root  int
	moved int // how many directories were lifted up so far
}

// removeTree removes path and everything below it. Directories deeper than
// removeDepth are lifted to the top and removed in the next round, so neither
// memory nor descriptors depend on the depth.
func removeTree(ctx context.Context, path string) error {
	parent, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	name := filepath.Base(path)
	if done, err := removeOne(parent, name); done {
		return err
	}
	root, err := openDirAt(parent, name)
	if err != nil {
		return err
	}
	defer root.Close()
	r := &remover{ctx: ctx, root: int(root.Fd())}
	for before := -1; before != r.moved; {
		before = r.moved
		if err := r.empty(root, 0); err != nil {
			return err
		}
	}
	return unix.Unlinkat(parent, name, unix.AT_REMOVEDIR)
}

// removeOne removes an entry that is not a directory with content. It reports
// false for one that is.
func removeOne(dir int, name string) (done bool, err error) {
	err = unix.Unlinkat(dir, name, 0)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return true, nil
	}
	switch rmErr := unix.Unlinkat(dir, name, unix.AT_REMOVEDIR); {
	case rmErr == nil || errors.Is(rmErr, unix.ENOENT):
		return true, nil
	case errors.Is(rmErr, unix.ENOTEMPTY) || errors.Is(rmErr, unix.EEXIST):
		return false, nil
	case errors.Is(rmErr, unix.ENOTDIR):
		return true, fmt.Errorf("remove %q: %w", name, err)
	default:
		return true, fmt.Errorf("remove %q: %w", name, rmErr)
	}
}

func openDirAt(dir int, name string) (*os.File, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// empty removes the entries of dir, reading from its start until none is left.
func (r *remover) empty(dir *os.File, depth int) error {
	for {
		if err := r.ctx.Err(); err != nil {
			return context.Cause(r.ctx)
		}
		if _, err := dir.Seek(0, io.SeekStart); err != nil {
			return err
		}
		names, err := dir.Readdirnames(1024)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := r.remove(int(dir.Fd()), name, depth); err != nil {
				return err
			}
		}
	}
}

func (r *remover) remove(dir int, name string, depth int) error {
	if done, err := removeOne(dir, name); done {
		return err
	}
	if depth == removeDepth {
		return r.lift(dir, name)
	}
	sub, err := openDirAt(dir, name)
	if err != nil {
		return err
	}
	defer sub.Close()
	if err := r.empty(sub, depth+1); err != nil {
		return err
	}
	return unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
}

// lift moves a directory to the top under a name that is free there.
func (r *remover) lift(dir int, name string) error {
	for {
		r.moved++
		to := ".removing-" + strconv.Itoa(r.moved)
		err := unix.Renameat2(dir, name, r.root, to, unix.RENAME_NOREPLACE)
		if !errors.Is(err, unix.EEXIST) {
			return err
		}
	}
}
