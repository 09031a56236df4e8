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

// Place is a name for a blob.
type Place struct {
	Blob
	Name string
}

// Link makes the blob appear under name, a path below the store with '/'
// between its components, such as "packages/N/V/R/ARCH/FILE", and returns when
// that is durable. Doing it again is no error. A name that already stands for
// other bytes is never changed: the error wraps ErrConflict.
//
// The error wraps fs.ErrNotExist when there is no such blob, and ErrName for
// paths that are absolute, unclean, below blobs or tmp, or have a component
// that begins with '.' or '-' or holds a control character.
func (s *Store) Link(ctx context.Context, blob Blob, name string) error {
	return s.LinkAll(ctx, []Place{{Blob: blob, Name: name}})
}

// LinkAll is Link for several names at the price of one: every directory is
// made durable once, at the end. The names before one that fails stay.
func (s *Store) LinkAll(ctx context.Context, places []Place) error {
	touched := map[string]bool{}
	for _, place := range places {
		if !isDigest(place.SHA256) {
			return fmt.Errorf("store: link: digest %.80q: %w", place.SHA256, ErrName)
		}
		if err := checkName(place.Name); err != nil {
			return fmt.Errorf("store: link %.200q: %w", place.Name, err)
		}
		if err := s.link(ctx, place, touched); err != nil {
			return fmt.Errorf("store: link %s: %w", place.Name, full(err))
		}
	}
	for dir := range touched {
		if err := s.syncDir(dir); err != nil {
			return fmt.Errorf("store: sync %s: %w", dir, full(err))
		}
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

// link makes one name and notes the directories it touched: also that of a
// name that was there, as whoever made it may have died before making it
// durable.
func (s *Store) link(ctx context.Context, place Place, touched map[string]bool) error {
	from := blobName(place.SHA256)
	want, err := s.root.Lstat(from)
	if err != nil {
		return err
	}
	dir := path.Dir(place.Name)
	if err := s.mkdirAll(dir, touched); err != nil {
		return err
	}
	touched[dir] = true
	err = s.root.Link(from, place.Name)
	if errors.Is(err, fs.ErrExist) {
		return s.sameContent(ctx, place.Blob, want, place.Name)
	}
	return err
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

// mkdirAll makes a directory and its parents, and notes where a name was added.
func (s *Store) mkdirAll(dir string, touched map[string]bool) error {
	if info, err := s.root.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := path.Dir(dir)
	if parent != "." {
		if err := s.mkdirAll(parent, touched); err != nil {
			return err
		}
	}
	if err := s.root.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	touched[parent] = true
	return nil
}

func (s *Store) syncDir(dir string) error {
	d, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
