package repopublish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/internal/repomd"
)

// write writes the whole tree of a generation: for each architecture the
// packages, as links to the store, and their metadata. Of a package whose file
// is not in the state it was found right in, the bytes are read; what was
// written is read again before anybody sees it.
func (p *Publisher) write(ctx context.Context, tagID int64, tagName, tree string, g *generation, c *content) error {
	if err := os.RemoveAll(tree); err != nil {
		return err
	}
	there := p.spares.take(ctx, tagID, tree)
	// A tag without architectures has a repository, too: an empty one.
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return err
	}
	for a := range there {
		if c.repos[a] == nil {
			if err := os.RemoveAll(filepath.Join(tree, a)); err != nil {
				return err
			}
		}
	}
	for _, a := range c.arches {
		if err := p.writeArch(ctx, tagID, filepath.Join(tree, a), a, g.number, c, there[a]); err != nil {
			return fmt.Errorf("%s: %w", a, err)
		}
	}
	if err := p.checkClosure(ctx, tree, tagName, c); err != nil {
		return err
	}
	if err := p.signRepomds(ctx, tree, g.id, c); err != nil {
		return err
	}
	return syncTree(tree, c)
}

// writeArch writes the repository of one architecture to dir, where some of its
// packages may lie already.
func (p *Publisher) writeArch(ctx context.Context, tagID int64, dir, a string, number int64, c *content, there []repomd.Item) error {
	repo := c.repos[a]
	if err := os.MkdirAll(filepath.Join(dir, "Packages"), 0o755); err != nil {
		return err
	}
	items := sorted(repo.items)
	return p.withCache(tagID, a, c.ahead, func(cache *repomd.Cache) error {
		if err := p.gather(ctx, cache, dir, items, repo.linked == nil, there); err != nil {
			return err
		}
		repo.linked = items
		md, err := cache.Write(ctx, dir, items, repomd.Options{
			// The number orders generations for clients; real time would
			// make equal content differ.
			Revision: strconv.FormatInt(number, 10), Timestamp: number, Comps: repo.comps, Modules: repo.modules,
		})
		if err != nil {
			return err
		}
		if err := repomd.CheckWritten(dir, md); err != nil {
			return err
		}
		if err := cache.Save(); err != nil {
			p.Logger.Warn("repopublish: metadata is not kept for the next generation", "tag", tagID, "arch", a, "error", err)
		}
		return nil
	})
}

// gather links the packages and sees that the cache knows them, at once: both
// wait for the disk where much is new. What lies there is known to the last
// process, too.
func (p *Publisher) gather(ctx context.Context, cache *repomd.Cache, dir string, items []repomd.Item, link bool, there []repomd.Item) error {
	described := slices.Clone(items) // link writes into items
	work, ctx := errgroup.WithContext(ctx)
	if link {
		of := there
		if of == nil {
			of = cache.Items()
		}
		known := formerly(items, of)
		known.there = there != nil
		work.Go(func() error { return p.link(ctx, dir, items, known) })
	}
	work.Go(func() error { return p.describe(ctx, cache, described) })
	return work.Wait()
}

// sorted returns packages in the order of a repository.
func sorted(items []repomd.Item) []repomd.Item {
	// An item is large to move about and to compare.
	order := make([]*repomd.Item, len(items))
	for i := range items {
		order[i] = &items[i]
	}
	slices.SortFunc(order, func(a, b *repomd.Item) int {
		if c := cmp.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return repomd.CompareItems(*a, *b)
	})
	list := make([]repomd.Item, len(items))
	for i, item := range order {
		list[i] = *item
	}
	return list
}

// withCache opens the cache of one repository. One that turns out to be damaged
// is emptied, and what was to be done with it is done once more: do must be
// prepared for that.
func (p *Publisher) withCache(tagID int64, a string, ahead *ahead, do func(*repomd.Cache) error) (err error) {
	dir := p.cacheDir(tagID, a)
	o, ok := ahead.take(a)
	if !ok || errors.Is(o.err, repomd.ErrLocked) { // who had it may have ended
		o.cache, o.err = repomd.OpenCache(dir)
	}
	cache, err := o.cache, o.err
	if errors.Is(err, repomd.ErrNoCache) {
		// Nobody else puts anything there: a removal was cut short.
		p.Logger.Warn("repopublish: kept metadata is made anew", "tag", tagID, "arch", a, "error", err)
		if err = discard(dir); err == nil {
			cache, err = repomd.OpenCache(dir)
		}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cache.Close()) }()
	err = do(cache)
	if errors.Is(err, repomd.ErrDamaged) {
		p.Logger.Warn("repopublish: kept metadata is damaged and made anew", "tag", tagID, "arch", a, "error", err)
		if err = cache.Reset(); err == nil {
			err = do(cache)
		}
	}
	return err
}

// syncTree makes a tree durable before anything points to it: its directories,
// since packages and metadata were synced when they were written. Asking for the
// whole file system would wait for what builds write.
func syncTree(tree string, c *content) error {
	dirs := map[string]bool{".": true}
	for a, repo := range c.repos {
		dirs[filepath.Join(a, "repodata")] = true
		for name := filepath.Join(a, "Packages"); name != "."; name = filepath.Dir(name) {
			dirs[name] = true
		}
		last := ""
		for _, item := range repo.items {
			dir := dirOf(item.Href)
			if dir == last {
				continue
			}
			last = dir
			for name := filepath.Join(a, filepath.FromSlash(dir)); !dirs[name]; name = filepath.Dir(name) {
				dirs[name] = true
			}
		}
	}
	for name := range dirs {
		if err := syncDir(filepath.Join(tree, name)); err != nil {
			return err
		}
	}
	return nil
}

// makeDurable makes a directory and those above it, so that none of them is gone
// after a crash.
func makeDurable(dir string) error {
	switch err := os.Mkdir(dir, 0o755); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		if err := makeDurable(filepath.Dir(dir)); err != nil {
			return err
		}
		return makeDurable(dir)
	case err != nil:
		return err
	}
	return syncDir(filepath.Dir(dir))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
