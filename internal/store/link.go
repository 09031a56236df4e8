package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// maxPath bounds the paths given to Link (PATH_MAX).
const maxPath = 4096

// Link makes the blob appear under name, a path below the store with '/'
// between its components, such as "packages/N/V/R/ARCH/FILE", and returns when
// that is durable. Doing it again is no error. A name that already stands for
// other bytes is never changed: the error wraps ErrConflict.
//
// The error wraps fs.ErrNotExist when there is no such blob, and ErrName for
// paths that are absolute, unclean, below blobs or tmp, or have a component
// that begins with '.' or '-' or holds a control character.
func (s *Store) Link(ctx context.Context, blob Blob, name string) error {
	if !isDigest(blob.SHA256) {
		return fmt.Errorf("store: link: digest %.80q: %w", blob.SHA256, ErrName)
	}
	if err := checkName(name); err != nil {
		return fmt.Errorf("store: link %.200q: %w", name, err)
	}
	if err := s.link(ctx, blob, name); err != nil {
		return fmt.Errorf("store: link %s: %w", name, full(err))
	}
	return nil
}

// Unlink takes a name away that Link gave; one that is not there is no error.
// The blob stays. It is for names nobody was told of: whoever knows a name may
// rely on it. The error wraps ErrName as Link's does.
func (s *Store) Unlink(name string) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("store: unlink %.200q: %w", name, err)
	}
	if err := s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("store: unlink %s: %w", name, err)
	}
	return nil
}

func (s *Store) link(ctx context.Context, blob Blob, name string) error {
	from := blobName(blob.SHA256)
	want, err := s.root.Lstat(from)
	if err != nil {
		return err
	}
	if err := s.mkdirAll(path.Dir(name)); err != nil {
		return err
	}
	err = s.root.Link(from, name)
	if err == nil {
		return s.syncDir(path.Dir(name))
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := s.sameContent(ctx, blob, want, name); err != nil {
		return err
	}
	// Whoever made the name may have died before making it durable.
	return s.syncDir(path.Dir(name))
}

// sameContent returns nil when name stands for the bytes of blob: as a link to
// it, or, where the blob was lost and stored anew, as a file of its own.
func (s *Store) sameContent(ctx context.Context, blob Blob, want fs.FileInfo, name string) error {
	have, err := s.root.Lstat(name)
	switch {
	case err != nil:
		return err
	case os.SameFile(want, have):
		return nil
	case !have.Mode().IsRegular() || have.Size() != want.Size():
		return ErrConflict
	}
	f, err := s.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	got, err := digest(ctx, f)
	switch {
	case err != nil:
		return err
	case got.SHA256 != blob.SHA256:
		return ErrConflict
	}
	return nil
}

func checkName(name string) error {
	if len(name) > maxPath || !fs.ValidPath(name) || name == "." {
		return ErrName
	}
	for i, part := range strings.Split(name, "/") {
		if part[0] == '.' || part[0] == '-' || i == 0 && (part == blobDir || part == tmpDir) {
			return ErrName
		}
		if strings.ContainsFunc(part, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '\\' }) {
			return ErrName
		}
	}
	return nil
}

// mkdirAll makes a directory and its parents durable.
func (s *Store) mkdirAll(dir string) error {
	if info, err := s.root.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := path.Dir(dir)
	if parent != "." {
		if err := s.mkdirAll(parent); err != nil {
			return err
		}
	}
	if err := s.root.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return s.syncDir(parent)
}

func (s *Store) syncDir(dir string) error {
	d, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
