package repopublish

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// errRemoved says that a tag was removed: what it held last stays up, until the
// sweeper gives it up.
var errRemoved = errors.New("the tag was removed")

// endRemoved ends the job of a tag that was removed, without a generation. If
// the tag has come again meanwhile, the job is worked once more.
func (w *Worker) endRemoved(ctx context.Context, job *river.Job[queue.PublishArgs]) error {
	var back bool
	err := pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		if _, err := q.LockTagsByID(ctx, []int64{job.Args.TagID}); err != nil {
			return err
		}
		tag, err := q.TagForPublish(ctx, job.Args.TagID)
		if err != nil {
			return err
		}
		if back = !tag.Removed; back {
			return nil
		}
		return queue.Complete(ctx, tx, job)
	})
	switch {
	case errors.Is(err, queue.ErrLostAttempt):
		return nil
	case err != nil:
		return fmt.Errorf("repopublish: end the job of the removed tag %d: %w", job.Args.TagID, err)
	case back:
		return river.JobSnooze(0)
	}
	return nil
}
