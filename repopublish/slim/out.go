package slim

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/repopublish/snapshot"
)

// out is the place of the repository.
type out struct {
	path     string    // absolute, without symbolic links
	replaced *contents // of the repository that is there; nil for none
}

// findOut resolves where the repository is to be made, and refuses to make it over
// anything else than a repository that is to be replaced. Errors wrap ErrExists.
func findOut(ctx context.Context, sources []*snapshot.Snapshot, opts Options) (out, error) {
	var o out
	var err error
	if o.path, err = resolve(opts.Out); err != nil {
		return out{}, fmt.Errorf("slim: %w", err)
	}
	for _, s := range sources {
		if err := o.checkSource(s.Source, opts.Out); err != nil {
			return out{}, fmt.Errorf("slim: %w", err)
		}
	}
	entries, err := os.ReadDir(o.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return o, nil
	case err != nil:
		return out{}, fmt.Errorf("slim: %w", err)
	case len(entries) == 0:
		return o, nil
	case !opts.Replace:
		return out{}, fmt.Errorf("slim: %s: %w; choose another one, or replace it", opts.Out, ErrExists)
	}
	if o.replaced, err = contentsOf(ctx, o.path); err != nil {
		return out{}, fmt.Errorf("slim: %s holds no repository that could be replaced: %w: %w", opts.Out, err, ErrExists)
	}
	strange, err := o.replaced.stranger(o.path)
	switch {
	case err != nil:
		return out{}, fmt.Errorf("slim: %w", err)
	case strange != "":
		return out{}, fmt.Errorf("slim: %s can't be replaced: %w, but for a repository: %q does not belong to it; move that away, or choose another directory",
			opts.Out, ErrExists, strange)
	}
	return o, nil
}

// resolve is the absolute path behind all symbolic links; the last part need not
// exist. A link to nowhere is an error.
func resolve(name string) (string, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	if _, err := os.Lstat(abs); errors.Is(err, fs.ErrNotExist) {
		parent, err := filepath.EvalSymlinks(filepath.Dir(abs))
		return filepath.Join(parent, filepath.Base(abs)), err
	}
	return filepath.EvalSymlinks(abs)
}

// checkSource refuses a source that is at the place, above or below it: replacing
// the one would take the other away, and the next run would read its own result.
func (o out) checkSource(s snapshot.Source, asked string) error {
	dir := s.Directory()
	if dir == "" {
		return nil
	}
	dir, err := resolve(dir)
	if err != nil {
		return err
	}
	for _, pair := range [][2]string{{o.path, dir}, {dir, o.path}} {
		within, err := isWithin(pair[0], pair[1])
		if err != nil {
			return err
		}
		if within {
			return fmt.Errorf("%s and the repository %s, which is read, are one within the other: %w", asked, s.Name, ErrExists)
		}
	}
	return nil
}

// isWithin says whether a path is a directory or below it, by what the directories
// are and not by their names: they may be mounted twice.
func isWithin(name, dir string) (bool, error) {
	top, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for {
		here, err := os.Stat(name)
		switch {
		case err == nil && os.SameFile(here, top):
			return true, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return false, err
		}
		parent := filepath.Dir(name)
		if parent == name {
			return false, nil
		}
		name = parent
	}
}

// contents are the files that make up a repository, each as a path relative to it.
type contents map[string]bool

// contentsOf reads what belongs to the repository in a directory: the RPMs that
// its primary.xml lists. What is in repodata belongs to it as well.
func contentsOf(ctx context.Context, dir string) (_ *contents, err error) {
	s, err := snapshot.Open(ctx, snapshot.Source{Name: dir, Location: dir}, snapshot.Options{Documents: []string{"primary"}, Attempts: 1})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	c := contents{}
	err = s.Packages(ctx, func(p repomd.PrimaryPackage) error {
		if p.Base == "" {
			c[path.Clean(p.Href)] = true
		}
		return nil
	})
	return &c, err
}

// stranger is something below a directory that does not belong to the repository;
// empty if there is nothing. Directories without files are nothing.
func (c contents) stranger(dir string) (string, error) {
	var found string
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() || c[name] && entry.Type().IsRegular():
			return nil
		case path.Dir(name) == "repodata" && entry.Type().IsRegular():
			return nil
		}
		found = name
		return fs.SkipAll
	})
	return found, err
}

// move gives a directory its name, at once. Where a repository is replaced, that is
// where the directory was afterwards.
func (o out) move(dir string) error {
	var err error
	if o.replaced == nil {
		// Over nothing, or an empty directory.
		err = unix.Rename(dir, o.path)
	} else {
		err = unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, o.path, unix.RENAME_EXCHANGE)
	}
	switch {
	case errors.Is(err, unix.ENOTEMPTY), errors.Is(err, unix.EEXIST), errors.Is(err, unix.ENOTDIR):
		return fmt.Errorf("%s: %w: %w", o.path, err, ErrExists)
	case errors.Is(err, unix.EINVAL) && o.replaced != nil:
		return fmt.Errorf("the file system of %s can't exchange two directories at once; make the repository elsewhere: %w", o.path, err)
	case err != nil:
		return fmt.Errorf("move the repository to %s: %w", o.path, err)
	}
	return nil
}
