// Package store keeps artifact files below one directory: every file once,
// under the SHA-256 of its bytes, and hard links to it under the names people
// and clients know, such as Koji's packages/N/V/R/ARCH/FILE.
//
//	blobs/ab/abcdef…      the bytes, read-only, named by their SHA-256
//	tmp/                  files being written; nothing here is an artifact
//	anything else         hard links made by Link
//
// It knows how bytes become durable before they become visible, and that a name
// never changes its meaning. It refuses to know what the files are, who may
// write them, and the database; deciding which of the blobs without a name (Loose)
// to delete is its callers' part.
//
// A Store may be used by any number of goroutines, and one directory by any
// number of processes, at once. The directory must be one file system. A
// process may die at any moment: then a file may be left in tmp for Sweep, but
// no blob and no link is ever visible with fewer bytes than it will always have.
package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

var (
	// ErrConflict is wrapped when a name is taken by other bytes.
	ErrConflict = errors.New("name is taken by different content")

	// ErrDigest is wrapped when bytes do not have the SHA-256 they should.
	ErrDigest = errors.New("SHA-256 mismatch")

	// ErrFull is wrapped when the file system has no room left, or the quota or
	// file size limit of the process is reached; the cause is wrapped too.
	ErrFull = errors.New("no room left in the store")

	// ErrTooLarge is wrapped when there are more bytes than the caller allows.
	ErrTooLarge = errors.New("artifact exceeds its size limit")

	// ErrName is wrapped for paths that are not plain names below the store,
	// and for digests that are not 64 lower-case hex digits.
	ErrName = errors.New("invalid name")
)

const (
	blobDir = "blobs"
	tmpDir  = "tmp"

	blobMode = 0o444
)

// Blob identifies stored bytes.
type Blob struct {
	SHA256 string // lower-case hex
	Size   int64  // bytes
}

// Store is an open store. Make one with Open; it must not be copied.
type Store struct {
	dir  string
	root *os.Root
	// buffers holds *[copyBytes]byte.
	buffers sync.Pool
}

// copyBytes is how much is copied at a time.
const copyBytes = 256 << 10

// Open opens the store in dir, which is created if it is not there.
func Open(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("store: open: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("store: open: %w", full(err))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("store: open: %w", err)
	}
	s := &Store{dir: dir, root: root}
	for _, name := range []string{blobDir, tmpDir} {
		if err := root.MkdirAll(name, 0o755); err != nil {
			return nil, errors.Join(fmt.Errorf("store: open %s: %w", dir, full(err)), root.Close())
		}
	}
	return s, nil
}

// Close releases the directory. Files that OpenBlob returned stay open.
func (s *Store) Close() error { return s.root.Close() }

// Put stores what r gives until its end, at most maxSize bytes, and returns
// when it is durable. Unless want is empty it is the SHA-256 the bytes must
// have. Storing bytes that are there already is no error and changes nothing.
//
// Errors wrap ErrTooLarge, ErrDigest, ErrFull, ErrName (for want), the error
// of r, or that of ctx, which is looked at between reads.
func (s *Store) Put(ctx context.Context, r io.Reader, want string, maxSize int64) (Blob, error) {
	if want != "" && !isDigest(want) {
		return Blob{}, fmt.Errorf("store: put: digest %.80q: %w", want, ErrName)
	}
	name := tmpDir + "/" + rand.Text()
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return Blob{}, fmt.Errorf("store: put: %w", full(err))
	}
	blob, err := s.receive(ctx, f, r, maxSize)
	err = errors.Join(err, f.Close())
	if err == nil && want != "" && want != blob.SHA256 {
		err = fmt.Errorf("got %s, want %s: %w", blob.SHA256, want, ErrDigest)
	}
	if err == nil {
		err = s.adopt(name, blob)
	}
	if err != nil {
		// After a successful adoption the name is gone; after anything else
		// it must go, or a full disk stays full.
		return Blob{}, fmt.Errorf("store: put: %w", errors.Join(full(err), s.removeTmp(name)))
	}
	return blob, nil
}

// receive writes r to f, read-only and synced.
func (s *Store) receive(ctx context.Context, f *os.File, r io.Reader, maxSize int64) (Blob, error) {
	sum := sha256.New()
	in := &boundedReader{ctx: ctx, r: r, left: maxSize}
	buffer, ok := s.buffers.Get().(*[copyBytes]byte)
	if !ok {
		buffer = new([copyBytes]byte)
	}
	defer s.buffers.Put(buffer)
	n, err := io.CopyBuffer(io.MultiWriter(f, sum), in, buffer[:])
	if err != nil {
		return Blob{}, err
	}
	if err := f.Chmod(blobMode); err != nil {
		return Blob{}, err
	}
	if err := f.Sync(); err != nil {
		return Blob{}, err
	}
	return Blob{SHA256: hex.EncodeToString(sum.Sum(nil)), Size: n}, nil
}

// adopt turns a complete temporary file into a blob. A blob of the right size
// that is there already is kept, because names may be linked to it.
func (s *Store) adopt(tmp string, blob Blob) error {
	unlock, err := s.lockBlobs(syscall.LOCK_SH)
	if err != nil {
		return err
	}
	defer unlock()
	to := blobName(blob.SHA256)
	if info, err := s.root.Lstat(to); err == nil && info.Mode().IsRegular() && info.Size() == blob.Size {
		// The time of its change becomes now, see Loose; that of its bytes stays.
		return errors.Join(s.root.Chmod(to, blobMode), s.removeTmp(tmp))
	}
	touched := map[string]bool{path.Dir(to): true}
	if err := s.mkdirAll(path.Dir(to), touched); err != nil {
		return err
	}
	if err := s.root.Rename(tmp, to); err != nil {
		return err
	}
	for dir := range touched {
		if err := s.syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) removeTmp(name string) error {
	if err := s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Import is Put of the regular file at path, which is opened once, without
// following a symbolic link in its last component. The bytes are copied, never
// linked: whoever holds the file open could change a linked one afterwards.
func (s *Store) Import(ctx context.Context, path, want string, maxSize int64) (Blob, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return Blob{}, fmt.Errorf("store: import: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Blob{}, fmt.Errorf("store: import: %w", err)
	}
	if !info.Mode().IsRegular() {
		return Blob{}, fmt.Errorf("store: import %s: not a regular file: %w", path, ErrName)
	}
	return s.Put(ctx, f, want, maxSize)
}

// Stat returns the blob of the given SHA-256. The error wraps fs.ErrNotExist
// when there is none.
func (s *Store) Stat(digest string) (Blob, error) {
	if !isDigest(digest) {
		return Blob{}, fmt.Errorf("store: stat: digest %.80q: %w", digest, ErrName)
	}
	info, err := s.root.Lstat(blobName(digest))
	if err != nil {
		return Blob{}, fmt.Errorf("store: stat: %w", err)
	}
	return Blob{SHA256: digest, Size: info.Size()}, nil
}

// OpenBlob opens a blob for reading. The error wraps fs.ErrNotExist when there
// is none.
func (s *Store) OpenBlob(blob Blob) (*os.File, error) {
	if !isDigest(blob.SHA256) {
		return nil, fmt.Errorf("store: open blob: digest %.80q: %w", blob.SHA256, ErrName)
	}
	f, err := s.root.Open(blobName(blob.SHA256))
	if err != nil {
		return nil, fmt.Errorf("store: open blob: %w", err)
	}
	return f, nil
}

// Path is where a blob lies, absolute, for programs that need a file name.
// Nobody may write there.
func (s *Store) Path(blob Blob) string {
	return filepath.Join(s.dir, filepath.FromSlash(blobName(blob.SHA256)))
}

// Verify reads a blob again. The error wraps ErrDigest when its bytes are not
// what its name says, and fs.ErrNotExist when it is gone.
func (s *Store) Verify(ctx context.Context, blob Blob) error {
	f, err := s.OpenBlob(blob)
	if err != nil {
		return err
	}
	defer f.Close()
	got, err := digest(ctx, f)
	if err != nil {
		return fmt.Errorf("store: verify %s: %w", blob.SHA256, err)
	}
	if got.SHA256 != blob.SHA256 {
		return fmt.Errorf("store: verify %s: bytes have %s: %w", blob.SHA256, got.SHA256, ErrDigest)
	}
	return nil
}

// Sweep removes temporary files last written before the given time, which must
// be so long ago that no Put can still be at work on them, and returns how many
// there were.
func (s *Store) Sweep(before time.Time) (int, error) {
	entries, err := fs.ReadDir(s.root.FS(), tmpDir)
	if err != nil {
		return 0, fmt.Errorf("store: sweep: %w", err)
	}
	removed := 0
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // its Put finished meanwhile
		case err != nil:
			return removed, fmt.Errorf("store: sweep: %w", err)
		case !info.ModTime().Before(before):
			continue
		}
		if err := s.removeTmp(tmpDir + "/" + e.Name()); err != nil {
			return removed, fmt.Errorf("store: sweep: %w", err)
		}
		removed++
	}
	return removed, nil
}

func digest(ctx context.Context, f *os.File) (Blob, error) {
	sum := sha256.New()
	n, err := io.Copy(sum, &boundedReader{ctx: ctx, r: f, left: 1<<63 - 1})
	return Blob{SHA256: hex.EncodeToString(sum.Sum(nil)), Size: n}, err
}

func blobName(digest string) string { return blobDir + "/" + digest[:2] + "/" + digest }

func isDigest(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}

// full marks the errors that mean that there is no room.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// boundedReader fails when r has more than left bytes or ctx is done.
type boundedReader struct {
	ctx  context.Context
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, ErrTooLarge
	}
	return n, err
}
