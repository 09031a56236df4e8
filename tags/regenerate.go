package tags

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// Regenerate marks the repositories of a tag and of every tag that inherits
// from it as stale, and enqueues their making, in tx.
func Regenerate(ctx context.Context, tx pgx.Tx, inserter queue.Inserter, tagID int64) error {
	_, err := raise(ctx, tx, inserter, tagID)
	return err
}

// raise does the work of Regenerate and returns the wanted revision of the tag
// itself.
func raise(ctx context.Context, tx pgx.Tx, inserter queue.Inserter, tagID int64) (rev int64, err error) {
	// Who inherits must not change between the look and the commit: a tag that
	// became a child meanwhile would be published without what tx changes.
	if _, err := tx.Exec(ctx, "lock table tag_inheritance in row share mode"); err != nil {
		return 0, fmt.Errorf("tags: lock inheritance: %w", err)
	}
	var ids []int64
	affected, err := db.New(tx).RaiseWantRev(ctx, tagID)
	if err != nil {
		return 0, fmt.Errorf("tags: mark repositories of tag %d stale: %w", tagID, err)
	}
	for _, tag := range affected {
		if tag.ID == tagID {
			rev = tag.WantRev
		}
		ids = append(ids, tag.ID)
	}
	return rev, queue.WantRepositories(ctx, tx, inserter, ids)
}
