package signer

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrTooOpen is wrapped when others than the signer's account could read or
// change its files.
var ErrTooOpen = errors.New("others have access to it")

// checkPrivate refuses a file or directory that is not only ours: of another
// account than ours and root, or open to group or others.
func checkPrivate(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: its owner is not known: %w", path, ErrTooOpen)
	}
	if int(stat.Uid) != os.Geteuid() && stat.Uid != 0 {
		return fmt.Errorf("%s belongs to uid %d, not to uid %d: %w", path, stat.Uid, os.Geteuid(), ErrTooOpen)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		want := fs.FileMode(0o600)
		if info.IsDir() {
			want = 0o700
		}
		return fmt.Errorf("%s has mode %04o, want %04o (chmod %o %s): %w", path, mode, want, want, path, ErrTooOpen)
	}
	return nil
}

// checkPrivateDir refuses a directory that is not only ours.
func checkPrivateDir(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no directory", path)
	}
	return checkPrivate(path, info)
}

// readPrivate reads a regular file of at most limit bytes that is only ours; a
// link is none.
func readPrivate(path string, limit int64) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	if err := checkPrivate(path, info); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return text, err
}

// writePrivate makes a file that only we can read, durable and whole or not at
// all. A file that is there already is never overwritten: the error wraps
// fs.ErrExist.
func writePrivate(path string, text []byte) error {
	temporary, err := writeTemporary(path, text)
	if err == nil {
		err = os.Link(temporary, path)
	}
	return errors.Join(err, os.Remove(temporary), syncDirOf(path))
}

// replacePrivate is writePrivate over what is there.
func replacePrivate(path string, text []byte) error {
	temporary, err := writeTemporary(path, text)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return syncDirOf(path)
}

// writeTemporary writes a file beside path, with a name of its own.
func writeTemporary(path string, text []byte) (string, error) {
	temporary := path + "." + rand.Text() + ".partial"
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return temporary, err
	}
	_, err = file.Write(text)
	return temporary, errors.Join(err, file.Sync(), file.Close())
}

// syncDirOf makes the name of a file durable.
func syncDirOf(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
