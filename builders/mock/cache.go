package mock

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/distbot/distbot/internal/flock"
)

// usedSuffix is the end of the name of the file whose time is that of a root
// cache's last use.
const usedSuffix = ".used"

// useCache notes the use of a root cache, of which mock makes one if there is
// none, and keeps it from being removed until the lock is released.
func (d *Driver) useCache(ctx context.Context, root string) (*flock.Lock, error) {
	path := filepath.Join(d.jobsDir(), "cache-"+root)
	lock, err := flock.Take(ctx, path+flock.Suffix, flock.Shared)
	if err != nil {
		return nil, err
	}
	file, err := os.Create(path + usedSuffix)
	if err == nil {
		file.Close()
		now := time.Now()
		err = os.Chtimes(path+usedSuffix, now, now)
	}
	if err != nil {
		lock.Release()
		return nil, fmt.Errorf("mock: note use of root cache: %w", err)
	}
	d.prune()
	return lock, nil
}

// dropCache removes a root cache although it is in use, as it may be wrong.
func (d *Driver) dropCache(root string) {
	if err := os.RemoveAll(filepath.Join(d.cacheDir(), root)); err != nil {
		d.config.Logger.Warn("mock: remove root cache", "root", root, "error", err)
	}
}

// prune removes the least used root caches above the number that is kept,
// unless somebody uses them.
func (d *Driver) prune() {
	caches, err := d.caches()
	if err != nil {
		d.config.Logger.Warn("mock: look for root caches", "error", err)
		return
	}
	for _, cache := range caches[min(len(caches), d.config.KeepRoots):] {
		path := filepath.Join(d.jobsDir(), "cache-"+cache.root)
		lock, err := flock.Try(path+flock.Suffix, flock.Exclusive)
		if err != nil {
			d.config.Logger.Warn("mock: look for root caches", "error", err)
		}
		if lock == nil {
			continue
		}
		d.dropCache(cache.root)
		if err := os.Remove(path + usedSuffix); err != nil {
			d.config.Logger.Warn("mock: forget root cache", "error", err)
		}
		lock.Remove()
	}
}

// usedCache is a root cache and when it was used last.
type usedCache struct {
	root string
	used time.Time
}

// caches lists the root caches, the last used one first.
func (d *Driver) caches() ([]usedCache, error) {
	entries, err := os.ReadDir(d.jobsDir())
	if err != nil {
		return nil, err
	}
	var caches []usedCache
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), usedSuffix)
		root, is := strings.CutPrefix(name, "cache-")
		if !ok || !is {
			continue
		}
		if info, err := entry.Info(); err == nil { // else it was just removed
			caches = append(caches, usedCache{root, info.ModTime()})
		}
	}
	slices.SortFunc(caches, func(x, y usedCache) int { return cmp.Compare(y.used.UnixNano(), x.used.UnixNano()) })
	return caches, nil
}

// cacheUnfinished says whether a run, by its state.log, was ended while it
// wrote a root cache: mock writes it in its place, and the next run would unpack
// half of one.
func cacheUnfinished(resultDir string) bool {
	const step = "creating root cache"
	log := string(readTail(filepath.Join(resultDir, "state.log")))
	return strings.LastIndex(log, "Start: "+step) > strings.LastIndex(log, "Finish: "+step)
}
