package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"syscall"
	"time"
)

// Loose gives the blobs that no name stands for and that were last stored, or
// lost their last name, before the given time. Which of them somebody still needs
// is their owner's to know. It ends after the first error.
func (s *Store) Loose(ctx context.Context, before time.Time) iter.Seq2[Blob, error] {
	return func(yield func(Blob, error) bool) {
		err := fs.WalkDir(s.root.FS(), blobDir, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return errors.Join(err, ctx.Err())
			}
			info, err := entry.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil // removed meanwhile
			}
			if err == nil && isDigest(path.Base(name)) && loose(info, before) && !yield(Blob{SHA256: path.Base(name), Size: info.Size()}, nil) {
				return fs.SkipAll
			}
			return err
		})
		if err != nil {
			yield(Blob{}, fmt.Errorf("store: list blobs: %w", err))
		}
	}
}

// loose reports whether a blob has no name besides its own since a time. The time
// is that of its change, which also moves when a name is given or taken away, and
// which nobody can set back.
func loose(info fs.FileInfo, before time.Time) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode().IsRegular() && stat.Nlink == 1 && time.Unix(stat.Ctim.Unix()).Before(before)
}

// Remove removes a blob if it is still what Loose says of the same time, and
// reports whether it was. A Put that stores the same bytes at the same moment is
// either seen, and the blob stays, or stores it anew: who has put bytes finds
// them for as long as the time between before and now.
func (s *Store) Remove(blob Blob, before time.Time) (bool, error) {
	if !isDigest(blob.SHA256) {
		return false, fmt.Errorf("store: remove: digest %.80q: %w", blob.SHA256, ErrName)
	}
	unlock, err := s.lockBlobs(syscall.LOCK_EX)
	if err != nil {
		return false, fmt.Errorf("store: remove: %w", err)
	}
	defer unlock()
	name := blobName(blob.SHA256)
	info, err := s.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !loose(info, before) {
		return false, nil
	}
	if err == nil {
		err = s.root.Remove(name)
	}
	if err != nil {
		return false, fmt.Errorf("store: remove %s: %w", blob.SHA256, err)
	}
	return true, nil
}

// lockBlobs keeps blobs from being adopted, or from being removed, by any process
// until unlock is called. It waits for others, which hold it for moments.
func (s *Store) lockBlobs(how int) (unlock func(), err error) {
	dir, err := s.root.Open(blobDir)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(dir.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("flock", err), dir.Close())
	}
	// Closing releases it; a directory has nothing to write that could be lost.
	return func() { _ = dir.Close() }, nil
}
