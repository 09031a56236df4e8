package directory

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
)

var (
	// ErrBusy is wrapped while another run makes repodata of the same directory.
	ErrBusy = errors.New("another run is making the repodata of this directory")

	// ErrDrop is wrapped when a document is to be dropped that every repository
	// has.
	ErrDrop = errors.New("can't be dropped")
)

// Options say how the repodata of a directory is made.
type Options struct {
	// Dir holds the RPMs, at any depth, and gets the directory repodata.
	Dir string
	// CacheDir keeps metadata between runs; empty for none.
	CacheDir string
	// CacheOptional makes the repository without the cache where that can't be
	// used, and warns.
	CacheOptional bool
	// Update takes from the cache what is known of files that have not
	// changed: same size, times, and place on the disk. Without it every RPM
	// is read.
	Update bool
	// Comps, Modules and Updateinfo are the texts of these documents. Where one
	// is nil the repository keeps the one it has.
	Comps, Modules, Updateinfo []byte
	// Drop are types of documents that are not kept, such as "modules". Those
	// that the repository does not have are dropped already; of those that
	// nobody has heard of there is a warning.
	Drop        []string
	Compression repomd.Compression
	// Exclude are patterns of file names, or of paths relative to Dir, that
	// are left out (path.Match).
	Exclude []string
	// AllowUnlisted makes the repository also if modular RPMs of it are in no
	// stream document, and warns; otherwise that is an error. Clients do not
	// install such RPMs, unless they set module_hotfixes=1 for the repository.
	AllowUnlisted bool
	// SkipBroken leaves files out that are no RPMs, or can't be read; otherwise they
	// are errors.
	SkipBroken bool
	// Revision is the text of <revision>; empty for the documents' timestamp.
	// That is the time at which the newest package was built, or one more than
	// that of before where documents change and it would not grow.
	Revision string
	// Workers read RPMs; 0 for as many as there are processors.
	Workers int
	// Progress is told after every RPM that was read, concurrently; nil for
	// nobody.
	Progress func(done, total int)
}

// Result says what was made.
type Result struct {
	Packages int `json:"packages"`
	// Read are the RPMs that were read; of the others nothing had changed.
	Read int `json:"read"`
	// Changed is false where the repository was the same already.
	Changed  bool          `json:"changed"`
	Revision string        `json:"revision"`
	Kept     []string      `json:"kept"`    // types of documents taken over from before
	Skipped  []string      `json:"skipped"` // files left out, with reasons
	Warnings []string      `json:"warnings"`
	Elapsed  time.Duration `json:"-"`
}

// BrokenError lists the files that can't be part of a repository.
type BrokenError struct{ Files []string }

// Error implements error.
func (e *BrokenError) Error() string {
	return fmt.Sprintf("%d files can't be part of a repository:\n  %s", len(e.Files), strings.Join(e.Files, "\n  "))
}

// Create makes the repodata of a directory. A reader finds the repository of
// before or the new one; after an error it is the one of before, maybe without
// its signature. Trouble that comes up when the new one is there is a warning
// in the Result. The documents of before stay until the next run, for those who
// are reading them.
//
// The error wraps ErrBusy, repomd.ErrLocked while another process has the cache,
// *BrokenError, ErrDrop, identity.ErrRefused, modulemd.ErrInvalid where clients
// would die of the module documents that are kept, repomd.ErrChecksum where a document to be kept is not
// what repomd.xml says or has no checksum that is trusted, repomd.ErrMalformed
// or repomd.ErrTooLarge where repomd.xml can't be read, or is the cause of ctx
// or that of the file system.
func Create(ctx context.Context, opts Options) (Result, error) {
	start := time.Now()
	unlock, err := lock(opts.Dir)
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	before, err := readBefore(opts)
	if err != nil {
		return Result{}, err
	}
	var files []file
	walking := make(chan error, 1)
	go func() {
		var err error
		files, err = walk(ctx, opts)
		walking <- err
	}()
	cache, done, err := openCache(opts)
	walked := <-walking
	var unusable error
	if err != nil && opts.CacheOptional && opts.CacheDir != "" && !errors.Is(err, repomd.ErrLocked) {
		unusable, opts.CacheDir = err, ""
		cache, done, err = openCache(opts)
	}
	if err == nil && walked != nil {
		err = errors.Join(walked, done())
	}
	if err != nil {
		return Result{}, err
	}
	result, err := create(ctx, opts, cache, files, before)
	if errors.Is(err, repomd.ErrDamaged) {
		if err = cache.Reset(); err == nil {
			result, err = create(ctx, opts, cache, files, before)
		}
	}
	if isFull(err) && opts.CacheOptional && opts.CacheDir != "" {
		unusable, opts.CacheDir = errors.Join(err, done()), ""
		if cache, done, err = openCache(opts); err != nil {
			return Result{}, errors.Join(unusable, err)
		}
		result, err = create(ctx, opts, cache, files, before)
	}
	result.warn("the cache can't be used, so that the next run reads every RPM again", unusable)
	closed := done()
	if err != nil {
		return Result{}, errors.Join(err, closed)
	}
	result.warn("the repository is made, but its cache was not put away", closed)
	result.Elapsed = time.Since(start)
	return result, nil
}

// isFull says whether err is about a disk that takes nothing more.
func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EROFS)
}

// lock takes the directory until unlock or the end of the process.
func lock(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrBusy
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("directory: %s: %w", dir, err)
	}
	return func() {
		// Closing would leave it to a child that is just being started and has
		// the file until it is another program.
		_ = unix.Flock(int(f.Fd()), unix.LOCK_UN)
		f.Close()
	}, nil
}

// openCache opens the cache, or one that goes with the run.
func openCache(opts Options) (cache *repomd.Cache, done func() error, err error) {
	dir := opts.CacheDir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "distbot-repodata-"); err != nil {
			return nil, nil, fmt.Errorf("directory: make a cache for this run: %w", err)
		}
	}
	forget := func() error {
		if opts.CacheDir != "" {
			return nil
		}
		return os.RemoveAll(dir)
	}
	if cache, err = repomd.OpenCache(dir); err != nil {
		return nil, nil, errors.Join(err, forget())
	}
	if !opts.Update {
		if err := cache.Reset(); err != nil {
			return nil, nil, errors.Join(err, cache.Close(), forget())
		}
	}
	return cache, func() error { return errors.Join(cache.Close(), forget()) }, nil
}

func create(ctx context.Context, opts Options, cache *repomd.Cache, files []file, before before) (Result, error) {
	result := Result{Kept: []string{}, Skipped: []string{}, Warnings: []string{}}
	unheard, err := before.checkDrop(opts)
	if err != nil {
		return result, err
	}
	result.Warnings = append(result.Warnings, unheard...)
	items, err := collect(ctx, opts, cache, files, &result)
	if err != nil {
		return result, err
	}
	slices.SortFunc(items, repomd.CompareItems)
	result.Warnings = append(result.Warnings, twice(items)...)
	newest := int64(0)
	for _, item := range items {
		newest = max(newest, item.Time)
	}
	keep, err := before.keep(opts)
	if err != nil {
		return result, err
	}
	for _, d := range keep {
		result.Kept = append(result.Kept, d.Type)
	}
	unlisted, err := newGate(opts, items, keep).check()
	if err != nil {
		return result, err
	}
	result.Warnings = append(result.Warnings, unlisted...)
	md, err := cache.Write(ctx, opts.Dir, items, repomd.Options{
		Stamp: func(documents repomd.Repomd) (string, int64) { return before.stamp(documents, newest, opts.Revision) }, Comps: opts.Comps, Modules: opts.Modules, Updateinfo: opts.Updateinfo,
		Compression: opts.Compression, Replace: true, Keep: keep,
	})
	if err != nil && !errors.Is(err, repomd.ErrNotSynced) {
		return result, err
	}
	result.warn("a crash of the machine may bring back the repository of before", err)
	result.Packages, result.Revision, result.Changed = len(items), md.Revision, !bytes.Equal(md.XML(), before.text)
	if result.Changed && before.signed {
		result.Warnings = append(result.Warnings, "repomd.xml.asc was of the repository of before and is removed: sign the new one")
	}
	result.warn("the repository is made, but its cache was not saved: the next run reads more RPMs than it needs to", cache.Save())
	result.warn("the repository is made, but documents that nobody needs any more are still there", repomd.Prune(opts.Dir, md, before.md))
	return result, nil
}

// warn tells of trouble, if there is any.
func (r *Result) warn(what string, err error) {
	if err != nil {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s: %v", what, err))
	}
}

// collect makes an item of every file, reading those that the cache does not
// know.
func collect(ctx context.Context, opts Options, cache *repomd.Cache, files []file, result *Result) ([]repomd.Item, error) {
	remembered := cache.Items()
	known := make(map[string]*repomd.Item, len(remembered))
	for i := range remembered {
		known[remembered[i].Href] = &remembered[i]
	}
	items := make([]repomd.Item, len(files))
	broken := make([]error, len(files))
	var unread []int
	for i, f := range files {
		if item := known[f.href]; item != nil && f.err == nil && stateOf(item.Origin) == f.origin {
			items[i] = *item
			continue
		}
		unread = append(unread, i)
	}
	var read atomic.Int64
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(cmp.Or(opts.Workers, runtime.GOMAXPROCS(0)))
	for _, i := range unread {
		work.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			var err error
			if items[i], err = readPackage(cache, files[i]); isBroken(err) {
				broken[i], err = err, nil
			}
			if done := read.Add(1); opts.Progress != nil {
				opts.Progress(int(done), len(unread))
			}
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	result.Read = len(unread)
	return without(items, files, broken, opts, result)
}

// without leaves the broken files out, or refuses them.
func without(items []repomd.Item, files []file, broken []error, opts Options, result *Result) ([]repomd.Item, error) {
	bad := []string{}
	whole := items[:0]
	for i, item := range items {
		if broken[i] != nil {
			bad = append(bad, fmt.Sprintf("%q: %v", files[i].href, broken[i]))
			continue
		}
		whole = append(whole, item)
	}
	if len(bad) > 0 && !opts.SkipBroken {
		return nil, fmt.Errorf("directory: %s: %w", opts.Dir, &BrokenError{Files: bad})
	}
	result.Skipped = bad
	return whole, nil
}

// brokenError is what is wrong with one file.
type brokenError struct{ err error }

// Error implements error.
func (e *brokenError) Error() string { return e.err.Error() }

func isBroken(err error) bool {
	var b *brokenError
	return errors.As(err, &b)
}

// readPackage reads one RPM and puts its metadata into the cache.
func readPackage(cache *repomd.Cache, f file) (repomd.Item, error) {
	if f.err != nil {
		return repomd.Item{}, &brokenError{f.err}
	}
	opened, err := os.Open(f.path)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ELOOP) {
		return repomd.Item{}, &brokenError{err}
	}
	if err != nil {
		return repomd.Item{}, fmt.Errorf("directory: %w", err)
	}
	defer opened.Close()
	pkg, digest, err := rpmfile.ReadAll(opened)
	if err != nil {
		return repomd.Item{}, &brokenError{err}
	}
	var stat unix.Stat_t
	if err := unix.Fstat(int(opened.Fd()), &stat); err != nil {
		return repomd.Item{}, fmt.Errorf("directory: %s: %w", f.path, err)
	}
	if originOf(&stat) != f.origin || stat.Size != digest.Size {
		return repomd.Item{}, &brokenError{errors.New("it changed while it was read")}
	}
	item := repomd.Item{
		NEVRA: pkg.NEVRA, Origin: withLabel(f.origin, pkg.ModularityLabel),
		// Not the file's time: equal packages make equal repositories.
		File: repomd.File{Href: f.href, SHA256: digest.SHA256, Size: digest.Size, Time: pkg.BuildTime},
	}
	fragments, err := repomd.Render(pkg, item.File)
	if err != nil {
		return repomd.Item{}, &brokenError{err}
	}
	return item, cache.Put(item, fragments)
}

// maxTwice is how many packages are named that are there twice.
const maxTwice = 10

// twice warns of packages that clients can't tell apart.
func twice(items []repomd.Item) []string {
	var warnings []string
	more := 0
	for i := 1; i < len(items); i++ {
		a, b := items[i-1], items[i]
		if a.NEVRA != b.NEVRA {
			continue
		}
		if len(warnings) == maxTwice {
			more++
			continue
		}
		what := "with different content"
		if a.SHA256 == b.SHA256 {
			what = "with the same content"
		}
		warnings = append(warnings, fmt.Sprintf("%s is there twice %s: %q and %q", a.NEVRA, what, a.Href, b.Href))
	}
	if more > 0 {
		warnings = append(warnings, fmt.Sprintf("%d more packages are there twice", more))
	}
	return warnings
}
