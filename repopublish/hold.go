package repopublish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/generations"
	"github.com/distbot/distbot/queue"
)

// liveTag reads a tag by its name and locks it against another change of what
// its repository is to be.
func liveTag(ctx context.Context, tx pgx.Tx, name string) (db.LiveTagRow, error) {
	tag, err := db.New(tx).LiveTag(ctx, name)
	if errors.Is(err, pgx.ErrNoRows) {
		return tag, fmt.Errorf("%w: %q", generations.ErrNoTag, name)
	}
	if err != nil {
		return tag, fmt.Errorf("repopublish: read tag %s: %w", name, err)
	}
	if _, err := db.New(tx).LockTagsByID(ctx, []int64{tag.ID}); err != nil {
		return tag, fmt.Errorf("repopublish: lock tag %s: %w", name, err)
	}
	return tag, nil
}

// GoBack has the content of an older generation published again, as a new one,
// and keeps the tag's repository so until Publish. number 0 stands for the
// generation before the newest; where somebody went back already, for the newest
// of an older state of the tag than that. Builds that are asked for from then on are made
// with it; those that were asked for before and have not begun are, too, if it
// shows all that the tag said then, and else they wait until the tag is published
// again. Files that are not in reposDir can't be gone back to; where that is not
// there at all they may be on another machine. It returns the number it goes back
// to. The error wraps generations.ErrNoTag or is a *generations.MissingError.
func GoBack(ctx context.Context, pool *pgxpool.Pool, jobs queue.Inserter, reposDir, tagName string, number int64, actor, reason string) (int64, error) {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		tag, err := liveTag(ctx, tx, tagName)
		if err != nil {
			return err
		}
		q := db.New(tx)
		var g db.RepoGeneration
		if number == 0 {
			g, err = q.GenerationBefore(ctx, tag.ID)
		} else {
			g, err = q.Generation(ctx, db.GenerationParams{TagID: tag.ID, Number: number})
		}
		if errors.Is(err, pgx.ErrNoRows) {
			return &generations.MissingError{Tag: tagName, Number: number}
		}
		if err != nil {
			return fmt.Errorf("repopublish: read generation of %s: %w", tagName, err)
		}
		if g.State != "published" || gone(reposDir, g) {
			missing := &generations.MissingError{Tag: tagName, Number: g.Number, State: g.State}
			if g.PublishedAt == nil {
				missing.State = "building" // and given up since
			}
			return missing
		}
		number = g.Number
		if err := q.SetHold(ctx, db.SetHoldParams{TagID: tag.ID, GenerationID: g.ID, Actor: actor, Reason: reason}); err != nil {
			return fmt.Errorf("repopublish: hold %s: %w", tagName, err)
		}
		if err := queue.HoldBack(ctx, tx, tag.ID); err != nil {
			return err
		}
		// Those who wait for it learn why.
		if err := queue.FollowRepository(ctx, tx, jobs, tag.ID); err != nil {
			return err
		}
		return publishNow(ctx, tx, jobs, tag.ID, tagName)
	})
	return number, err
}

// gone says whether the files of a generation are not where generations are.
func gone(reposDir string, g db.RepoGeneration) bool {
	if _, err := os.Stat(reposDir); err != nil {
		return false
	}
	_, err := os.Stat(treeOf(reposDir, g.Directory, g.Number))
	return errors.Is(err, fs.ErrNotExist)
}

// publishNow has a tag's repository made, and at once where its job waits for
// another try, for minutes in the end: who asks has mended what failed, or wants
// something else.
func publishNow(ctx context.Context, tx pgx.Tx, jobs queue.Inserter, tag int64, name string) error {
	if _, err := queue.Insert(ctx, tx, jobs, queue.PublishArgs{TagID: tag}); err != nil {
		return err
	}
	q := db.New(tx)
	n, err := q.TryPublishNow(ctx, tag)
	if err == nil && n > 0 {
		err = q.WakeQueue(ctx, queue.QueuePublish)
	}
	if err != nil {
		return fmt.Errorf("repopublish: try %s now: %w", name, err)
	}
	return nil
}

// Publish has a tag's repository made of what the tag says now, also where
// nothing changed since the newest generation, and ends a hold. What was refused,
// or waits for another try, is tried at once. It returns
// whether there was one, and the revision that the new generation will show at
// least. The error wraps generations.ErrNoTag.
func Publish(ctx context.Context, pool *pgxpool.Pool, jobs queue.Inserter, tagName string) (held bool, rev int64, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		tag, err := liveTag(ctx, tx, tagName)
		if err != nil {
			return err
		}
		q := db.New(tx)
		n, err := q.ReleaseHold(ctx, tag.ID)
		if err != nil {
			return fmt.Errorf("repopublish: release %s: %w", tagName, err)
		}
		if held = n > 0; held {
			if err := queue.FollowRepository(ctx, tx, jobs, tag.ID); err != nil {
				return err
			}
		}
		if rev, err = q.RaiseRev(ctx, tag.ID); err != nil {
			return fmt.Errorf("repopublish: want %s: %w", tagName, err)
		}
		return publishNow(ctx, tx, jobs, tag.ID, tagName)
	})
	return held, rev, err
}
