package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/distbot/distbot/internal/repomd"
)

// directory is a repository on this machine. Documents stay open, so that who
// replaces them in the meantime does not matter; links that lead out of the
// directory are not followed.
type directory struct{ root *os.Root }

func openDirectory(dir string) (origin, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", err, ErrNoRepository)
	}
	if err != nil {
		return nil, err
	}
	return directory{root}, nil
}

func (d directory) close() error { return d.root.Close() }

func (d directory) small(_ context.Context, href string, limit int64) ([]byte, error) {
	f, err := d.open(href)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readBounded(f, limit)
}

func (d directory) file(_ context.Context, w wanted) (*os.File, error) { return d.open(w.href) }

func (d directory) size(_ context.Context, href string) (int64, error) {
	info, err := d.root.Stat(path.Clean(href))
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is no file", href)
	}
	return info.Size(), nil
}

// open opens a regular file; without waiting, should it be a pipe.
func (d directory) open(href string) (*os.File, error) {
	f, err := d.root.OpenFile(path.Clean(href), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", href)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// readBounded reads all of r; the error wraps repomd.ErrTooLarge beyond limit.
func readBounded(r io.Reader, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("more than %d bytes: %w", limit, repomd.ErrTooLarge)
	}
	return text, err
}
