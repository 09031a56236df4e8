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
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
)

// sweep removes generations that nobody needs: old ones by count and age, and
// what interrupted publishers left. The tag's lock is held.
func (p *Publisher) sweep(ctx context.Context, dir string, tag db.TagForPublishRow) error {
	q, tagID := db.New(p.Pool), tag.ID
	// The rows first: what the database calls published is there.
	if err := pgx.BeginFunc(ctx, p.Pool, func(tx pgx.Tx) error { return p.expire(ctx, db.New(tx), tagID) }); err != nil {
		return fmt.Errorf("repopublish: expire generations of %s: %w", tag.Name, err)
	}
	abandoned, err := q.AbandonedGenerations(ctx, db.AbandonedGenerationsParams{TagID: tagID, KeepSeconds: p.KeepFor.Seconds()})
	if err != nil {
		return fmt.Errorf("repopublish: list interrupted generations: %w", err)
	}
	for _, g := range abandoned {
		// One that was switched to before it was interrupted may have readers.
		if _, err := os.Lstat(filepath.Join(p.ReposDir, g.Directory, strconv.FormatInt(g.Number, 10))); err == nil && !g.Unread {
			continue
		}
		if err := q.ExpireGeneration(ctx, g.ID); err != nil {
			return fmt.Errorf("repopublish: expire generation %d: %w", g.Number, err)
		}
	}
	kept, err := q.KeptGenerations(ctx, tag.Name)
	if err != nil {
		return fmt.Errorf("repopublish: list generations: %w", err)
	}
	return errors.Join(removeTrees(dir, kept), p.removeCaches(tag))
}

// expire gives up old generations, as a whole and with the tag locked: nobody
// goes back to one meanwhile.
func (p *Publisher) expire(ctx context.Context, q *db.Queries, tagID int64) error {
	if _, err := q.LockTagsByID(ctx, []int64{tagID}); err != nil {
		return err
	}
	old, err := q.ExpirableGenerations(ctx, db.ExpirableGenerationsParams{TagID: tagID, Keep: int64(p.Keep), KeepSeconds: p.KeepFor.Seconds()})
	if err != nil {
		return err
	}
	for _, g := range old {
		if err := q.ExpireGeneration(ctx, g.ID); err != nil {
			return fmt.Errorf("expire generation %d: %w", g.Number, err)
		}
	}
	return nil
}

// removeCaches removes what is kept for architectures that a tag does not have.
func (p *Publisher) removeCaches(tag db.TagForPublishRow) error {
	dir := filepath.Join(p.CacheDir, strconv.FormatInt(tag.ID, 10))
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("repopublish: list kept metadata: %w", err)
	}
	for _, entry := range entries {
		// What is hidden are trees made ahead, which are no concern of this.
		if slices.Contains(tag.Arches, entry.Name()) || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		if err := discard(filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("repopublish: remove kept metadata: %w", err)
		}
	}
	return nil
}

// removeTrees removes unfinished trees and every generation that is not kept,
// also those whose removal a crash prevented before; never the latest.
func removeTrees(dir string, kept []int64) error {
	newest, err := os.Readlink(filepath.Join(dir, latest))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("repopublish: read the latest generation: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("repopublish: list generations: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasPrefix(name, partial) {
			number, err := strconv.ParseInt(name, 10, 64)
			if err != nil || name == newest || slices.Contains(kept, number) {
				continue
			}
		}
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("repopublish: remove %s: %w", name, err)
		}
	}
	return nil
}
