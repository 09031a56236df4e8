package repomd

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"golang.org/x/sys/unix"
)

var (
	// ErrLocked is wrapped when another process has the cache.
	ErrLocked = errors.New("the cache is in use by another process")

	// ErrDamaged is wrapped when a cache's file does not hold what was
	// written. Reset makes the cache usable again.
	ErrDamaged = errors.New("the cache is damaged")

	// ErrNoCache is wrapped for a directory that holds something else.
	ErrNoCache = errors.New("not the directory of a cache")
)

// Cache keeps the metadata of one repository's packages and its compressed
// blocks in a directory between runs, so that a run reads, renders and
// compresses what changed, and hashes what comes after it. It holds about as much as the
// documents, uncompressed; in memory there is only an index of it.
//
// Nothing is lost with a Cache: what it gives back was checked, and an empty
// one gives the same repository.
//
// One process has a cache at a time. Put may be called concurrently; the other
// methods may not.
type Cache struct {
	root   *os.Root
	lock   *os.File
	format uint64 // of the fragments
	spare  int64  // bytes that nobody needs before the files are written anew

	mu       sync.Mutex
	serial   int64 // in the names of the segments
	segments [segmentCount]*segment
	packages map[key]*cachedPackage
	blocks   map[blockKey]cachedBlock

	written []*plannedBlock // of the last Write
	count   int             // of the packages in them
}

// cachedPackage is a package and where its fragments lie.
type cachedPackage struct {
	item Item
	at   [len(packageDocuments)]extent
}

// cachedBlock is where the members of a block lie.
type cachedBlock [len(packageDocuments)]extent

// blockKey identifies a block by its packages and its compression.
type blockKey [sha256.Size]byte

// plannedBlock is one block of a repository to be written.
type plannedBlock struct {
	key      blockKey
	packages []*cachedPackage
	// hashed are the hashes of the documents' texts up to the end of the block,
	// from their headers on.
	hashed [len(packageDocuments)]hashState
}

// OpenCache opens the cache in dir, which is made if it does not exist. One
// that cannot be read is emptied, and so is one of another RenderFormat. The
// error wraps ErrLocked while another process has it, and ErrNoCache for a
// directory in which anything else lies: nothing there is touched.
func OpenCache(dir string) (*Cache, error) {
	const spare = 4 << 20
	return openFormat(dir, RenderFormat, spare)
}

func openFormat(dir string, format uint64, spare int64) (_ *Cache, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("repomd: open cache: %w", err)
	}
	if err := checkIsCache(dir); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("repomd: open cache: %w", err)
	}
	c := &Cache{lock: lock, format: format, spare: spare}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return c, fmt.Errorf("repomd: open cache %s: %w", dir, err)
	}
	if c.root, err = os.OpenRoot(dir); err != nil {
		return c, fmt.Errorf("repomd: open cache: %w", err)
	}
	if err := c.load(); err != nil {
		// Whatever is wrong with it: everything in it can be made again.
		return c, c.Reset()
	}
	return c, nil
}

// lockName is the first file of every cache.
const lockName = "lock"

// cacheFile matches the names of a cache's files; passed is what the cache's
// owner has checked.
var cacheFile = regexp.MustCompile(`^(lock|index|index\.new|passed|(primary|filelists|other|members)\.[0-9]+)$`)

// checkIsCache returns an error wrapping ErrNoCache unless dir is empty or looks
// like a cache.
func checkIsCache(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("repomd: open cache: %w", err)
	}
	locked := len(entries) == 0
	for _, e := range entries {
		if !cacheFile.MatchString(e.Name()) {
			return fmt.Errorf("repomd: open cache %s: %q lies there: %w", dir, e.Name(), ErrNoCache)
		}
		locked = locked || e.Name() == lockName
	}
	if !locked {
		return fmt.Errorf("repomd: open cache %s: it has no file %q: %w", dir, lockName, ErrNoCache)
	}
	return nil
}

// Close gives the cache back. What was not saved is lost.
func (c *Cache) Close() error {
	errs := []error{closeSegments(c.segments)}
	if c.root != nil {
		errs = append(errs, c.root.Close())
	}
	// Not by closing alone: a child that is just being started has the file,
	// too, until it is another program.
	errs = append(errs, unix.Flock(int(c.lock.Fd()), unix.LOCK_UN), c.lock.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("repomd: close cache: %w", err)
	}
	return nil
}

// Reset empties the cache.
func (c *Cache) Reset() error {
	serial := c.serial + 1
	segments, err := c.createSegments(serial)
	if err != nil {
		return err
	}
	c.replace(serial, segments)
	c.packages, c.blocks, c.written, c.count = map[key]*cachedPackage{}, map[blockKey]cachedBlock{}, nil, 0
	return nil
}

// Items are the packages of the repository that was saved last, in its order.
func (c *Cache) Items() []Item {
	items := make([]Item, 0, c.count)
	for _, b := range c.written {
		for _, p := range b.packages {
			items = append(items, p.item)
		}
	}
	return items
}

// Has says whether the metadata of a package is in the cache.
func (c *Cache) Has(item Item) bool {
	k, err := item.key()
	if err != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.packages[k]
	return ok
}

// Put adds the metadata of a package, which Render made of the same File.
func (c *Cache) Put(item Item, f Fragments) error {
	k, err := item.key()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.packages[k]; ok {
		return nil
	}
	p := &cachedPackage{item: item}
	for i, doc := range packageDocuments {
		if p.at[i], err = c.segments[i].append(doc.of(f)); err != nil {
			return err
		}
	}
	c.packages[k] = p
	return nil
}

// Fragments returns the metadata of a package that the cache Has. The error
// wraps ErrDamaged, fs.ErrNotExist for one it has not, or is that of the file
// system.
func (c *Cache) Fragments(item Item) (Fragments, error) {
	k, err := item.key()
	if err != nil {
		return Fragments{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.packages[k]
	if !ok {
		return Fragments{}, fmt.Errorf("repomd: %s is not in the cache: %w", item.NEVRA, fs.ErrNotExist)
	}
	var texts [len(packageDocuments)][]byte
	for i := range texts {
		if texts[i], err = c.segments[i].read(p.at[i]); err != nil {
			return Fragments{}, err
		}
	}
	return Fragments{Primary: texts[0], Filelists: texts[1], Other: texts[2]}, nil
}

// Write is like the function Write, with packages that the cache Has: only
// blocks that are not in the cache are compressed. The items are in ascending
// order of CompareItems, or the error wraps ErrOrder; it wraps ErrDamaged when
// the cache must be Reset.
func (c *Cache) Write(ctx context.Context, dir string, items []Item, opts Options) (Repomd, error) {
	if opts.Compression == "" {
		opts.Compression = Gzip
	}
	blocks, err := c.plan(items, opts.Compression)
	if err != nil {
		return Repomd{}, err
	}
	if err := c.pack(ctx, blocks, opts.Compression); err != nil {
		return Repomd{}, err
	}
	md, err := write(dir, opts, func(root *os.Root) ([]Data, error) {
		return c.writeDocuments(ctx, root, blocks, len(items), opts.Compression)
	})
	if err == nil || errors.Is(err, ErrNotSynced) {
		c.written, c.count = blocks, len(items)
	}
	return md, err
}
