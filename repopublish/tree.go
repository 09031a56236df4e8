package repopublish

import (
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
	"github.com/distbot/distbot/internal/store"
)

// write writes the whole tree of a generation: for each architecture the
// packages, as links to the store, and their metadata. What was written is read
// again before anybody sees it.
func (p *Publisher) write(ctx context.Context, tagID int64, tree string, g *generation, c *content) error {
	if err := os.RemoveAll(tree); err != nil {
		return err
	}
	// A tag without architectures has a repository, too: an empty one.
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return err
	}
	for _, a := range c.arches {
		if err := p.writeArch(ctx, tagID, filepath.Join(tree, a), a, g.number, c.repos[a]); err != nil {
			return fmt.Errorf("%s: %w", a, err)
		}
	}
	if err := p.signRepomds(ctx, tree, g.id, c); err != nil {
		return err
	}
	return syncTree(tree)
}

func (p *Publisher) writeArch(ctx context.Context, tagID int64, dir, a string, number int64, repo *archContent) error {
	if err := os.MkdirAll(filepath.Join(dir, "Packages"), 0o755); err != nil {
		return err
	}
	items := slices.SortedFunc(slices.Values(repo.items), repomd.CompareItems)
	work, ctx := errgroup.WithContext(ctx)
	// The links take as long as the metadata, and wait for the disk's journal.
	work.Go(func() error { return p.link(ctx, dir, items) })
	work.Go(func() error {
		return p.withCache(tagID, a, func(cache *repomd.Cache) error {
			if err := p.describe(ctx, cache, items); err != nil {
				return err
			}
			md, err := cache.Write(ctx, dir, items, repomd.Options{
				// The number orders generations for clients; real time would
				// make equal content differ.
				Revision: strconv.FormatInt(number, 10), Timestamp: number, Comps: repo.comps,
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
	})
	return work.Wait()
}

// withCache opens the cache of one repository. One that turns out to be damaged
// is emptied, and what was to be done with it is done once more: do must be
// prepared for that.
func (p *Publisher) withCache(tagID int64, a string, do func(*repomd.Cache) error) (err error) {
	cache, err := repomd.OpenCache(filepath.Join(p.CacheDir, strconv.FormatInt(tagID, 10), a))
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

// link links packages into a repository.
func (p *Publisher) link(ctx context.Context, dir string, items []repomd.Item) error {
	made := map[string]bool{}
	for _, item := range items {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		file := filepath.Join(dir, filepath.FromSlash(item.Href))
		if letter := filepath.Dir(file); !made[letter] {
			if err := os.MkdirAll(letter, 0o755); err != nil {
				return err
			}
			made[letter] = true
		}
		if err := os.Link(p.Store.Path(store.Blob{SHA256: item.SHA256, Size: item.Size}), file); err != nil {
			return err
		}
	}
	return nil
}

// syncTree makes everything below a directory durable before anything points to
// it: its directories, since packages and metadata were synced when they were
// written. Asking for the whole file system would wait for what builds write.
func syncTree(tree string) error {
	return filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		return syncDir(path)
	})
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
