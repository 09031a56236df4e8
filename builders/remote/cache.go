package remote

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// partSuffix is that of files which are being received.
const partSuffix = ".part"

// Cache keeps files by their SHA-256 in a directory of its own, the least used
// go first. What was kept by an earlier process is read again before it is
// believed, since a crash of the machine may have emptied it. It is safe for
// concurrent use, by one process.
type Cache struct {
	dir  string
	most int64

	mu    sync.Mutex
	files map[string]*cached
	total int64
}

type cached struct {
	size int64
	used time.Time
	// trusted says that its bytes are those of its name.
	trusted bool
	// partial says that somebody receives it.
	partial bool
}

// OpenCache opens the cache in dir, which may hold most bytes; 0 keeps nothing.
func OpenCache(dir string, most int64) (*Cache, error) {
	c := &Cache{dir: dir, most: most, files: map[string]*cached{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("remote: open cache: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("remote: open cache: %w", err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return nil, fmt.Errorf("remote: open cache: %w", err)
		}
		if strings.HasSuffix(entry.Name(), partSuffix) || !info.Mode().IsRegular() {
			if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
				return nil, fmt.Errorf("remote: clear cache: %w", err)
			}
			continue
		}
		c.files[entry.Name()] = &cached{size: info.Size(), used: info.ModTime()}
		c.total += info.Size()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c, c.shrink()
}

func (c *Cache) path(sum string) string { return filepath.Join(c.dir, sum) }

// open opens a file of the cache; nil when there is none.
func (c *Cache) open(sum string) *os.File {
	c.mu.Lock()
	entry := c.files[sum]
	if entry == nil || entry.partial {
		c.mu.Unlock()
		return nil
	}
	entry.used = time.Now()
	trusted := entry.trusted
	c.mu.Unlock()

	file, err := os.Open(c.path(sum))
	if err == nil && !trusted {
		err = c.verify(file, sum)
	}
	if err != nil {
		if file != nil {
			file.Close()
		}
		c.forget(sum)
		return nil
	}
	// For the order after the next start; that it can't be noted is no harm.
	now := time.Now()
	_ = os.Chtimes(c.path(sum), now, now)
	return file
}

// verify makes sure that a file is what its name says.
func (c *Cache) verify(file *os.File, sum string) error {
	digest := sha256.New()
	if _, err := io.Copy(digest, file); err != nil {
		return err
	}
	if hex.EncodeToString(digest.Sum(nil)) != sum {
		return errors.New("remote: a file of the cache is damaged")
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if entry := c.files[sum]; entry != nil {
		entry.trusted = true
	}
	return nil
}

// forget removes a file that is damaged or gone.
func (c *Cache) forget(sum string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if entry := c.files[sum]; entry != nil {
		c.total -= entry.size
		delete(c.files, sum)
		_ = os.Remove(c.path(sum)) // what stays is found at the next start
	}
}

// fill is a file that is being received. It takes what is written to it without
// ever failing: that nothing can be kept is no reason not to go on.
type fill struct {
	cache *Cache
	sum   string
	size  int64
	file  *os.File
	hash  hash.Hash
	n     int64
	err   error
}

// fill begins to keep a file of so many bytes; nil when it is being received by
// somebody else already, or is too large to keep.
func (c *Cache) fill(sum string, size int64) *fill {
	if size <= 0 || size > c.most/2 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files[sum] != nil {
		return nil
	}
	file, err := os.OpenFile(c.path(sum+partSuffix), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil
	}
	c.files[sum] = &cached{size: size, used: time.Now(), partial: true}
	c.total += size
	return &fill{cache: c, sum: sum, size: size, file: file, hash: sha256.New()}
}

// Write implements io.Writer.
func (f *fill) Write(p []byte) (int, error) {
	if f.err == nil {
		f.n += int64(len(p))
		f.hash.Write(p)
		if f.n > f.size {
			f.err = fs.ErrInvalid
		} else {
			_, f.err = f.file.Write(p)
		}
	}
	return len(p), nil
}

// end keeps the file if it arrived as it should, and forgets it otherwise.
func (f *fill) end() error {
	c, err := f.cache, errors.Join(f.err, f.file.Close())
	if err == nil && (f.n != f.size || hex.EncodeToString(f.hash.Sum(nil)) != f.sum) {
		err = fmt.Errorf("%d of %d bytes with another SHA-256", f.n, f.size)
	}
	if err == nil {
		err = os.Rename(c.path(f.sum+partSuffix), c.path(f.sum))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.total -= f.size
		delete(c.files, f.sum)
		return fmt.Errorf("remote: keep %s: %w", f.sum, errors.Join(err, os.RemoveAll(c.path(f.sum+partSuffix))))
	}
	entry := c.files[f.sum]
	entry.partial, entry.trusted = false, true
	return c.shrink()
}

// shrink removes the least used files until the rest fits. c.mu is held.
func (c *Cache) shrink() error {
	if c.total <= c.most {
		return nil
	}
	var sums []string
	for sum, entry := range c.files {
		if !entry.partial {
			sums = append(sums, sum)
		}
	}
	slices.SortFunc(sums, func(x, y string) int { return c.files[x].used.Compare(c.files[y].used) })
	for _, sum := range sums {
		if c.total <= c.most {
			break
		}
		// Whoever reads it goes on reading.
		if err := os.Remove(c.path(sum)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remote: shrink cache: %w", err)
		}
		c.total -= c.files[sum].size
		delete(c.files, sum)
	}
	return nil
}
