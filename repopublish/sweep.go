package repopublish

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/distbot/distbot/internal/db"
)

// sweep removes generations that nobody needs: old ones by count and age, and
// what interrupted publishers left. The tag's lock is held.
func (p *Publisher) sweep(ctx context.Context, dir string, tagID int64) error {
	q := db.New(p.Pool)
	old, err := q.ExpirableGenerations(ctx, db.ExpirableGenerationsParams{TagID: tagID, Keep: int64(p.Keep), KeepSeconds: p.KeepFor.Seconds()})
	if err != nil {
		return fmt.Errorf("repopublish: list old generations: %w", err)
	}
	for _, g := range old {
		// The row first: what the database calls published is there.
		if err := q.ExpireGeneration(ctx, g.ID); err != nil {
			return fmt.Errorf("repopublish: expire generation %d: %w", g.Number, err)
		}
		if err := os.RemoveAll(filepath.Join(dir, strconv.FormatInt(g.Number, 10))); err != nil {
			return fmt.Errorf("repopublish: remove generation %d: %w", g.Number, err)
		}
	}
	return p.sweepAbandoned(ctx, dir, tagID)
}

// sweepAbandoned ends generations whose making was interrupted. One that was
// switched to already may have readers: its tree stays as long as an old one's.
func (p *Publisher) sweepAbandoned(ctx context.Context, dir string, tagID int64) error {
	q := db.New(p.Pool)
	abandoned, err := q.AbandonedGenerations(ctx, tagID)
	if err != nil {
		return fmt.Errorf("repopublish: list interrupted generations: %w", err)
	}
	for _, g := range abandoned {
		tree := filepath.Join(dir, strconv.FormatInt(g.Number, 10))
		if info, err := os.Stat(tree); err == nil && time.Since(info.ModTime()) < p.KeepFor {
			continue
		}
		if err := os.RemoveAll(tree); err != nil {
			return fmt.Errorf("repopublish: remove generation %d: %w", g.Number, err)
		}
		if err := q.ExpireGeneration(ctx, g.ID); err != nil {
			return fmt.Errorf("repopublish: expire generation %d: %w", g.Number, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("repopublish: list %s: %w", dir, err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), partial) {
			if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
				return fmt.Errorf("repopublish: remove %s: %w", entry.Name(), err)
			}
		}
	}
	return nil
}
