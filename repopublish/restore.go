package repopublish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// Restore has the repositories of tags made again whose latest generation is not
// there, though all was published that is wanted: its directory was lost, or not
// restored from a backup. A held tag's is refused where what it is held at is
// lost, too. Tags that lack something are left to their jobs. It looks at one
// link for each tag.
func (p *Publisher) Restore(ctx context.Context) error {
	tags, err := db.New(p.Pool).PublishedTags(ctx)
	if err != nil {
		return fmt.Errorf("repopublish: list published tags: %w", err)
	}
	var errs []error
	for _, tag := range tags {
		_, err := os.Stat(filepath.Join(p.ReposDir, tag.Name, latest))
		if errors.Is(err, fs.ErrNotExist) {
			p.Logger.Warn("repopublish: the latest generation is lost and made again", "tag", tag.Name)
			err = p.restore(ctx, tag.ID)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("repopublish: restore %s: %w", tag.Name, err))
		}
	}
	return errors.Join(errs...)
}

// restore wants what a tag shows once more.
func (p *Publisher) restore(ctx context.Context, tagID int64) error {
	return pgx.BeginFunc(ctx, p.Pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		if _, err := q.LockTagsByID(ctx, []int64{tagID}); err != nil {
			return err
		}
		held, err := q.MakeHeldAgain(ctx, tagID)
		if err != nil {
			return err
		}
		if held == 0 {
			if _, err := q.RaiseRev(ctx, tagID); errors.Is(err, pgx.ErrNoRows) {
				return nil // removed meanwhile
			} else if err != nil {
				return err
			}
		}
		return queue.WantRepositories(ctx, tx, p.Jobs, []int64{tagID})
	})
}
