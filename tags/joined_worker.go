package tags

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// JoinedWorker has the repositories made anew that hold a build which packages of
// a late architecture have joined.
type JoinedWorker struct {
	river.WorkerDefaults[queue.JoinedArgs]
	*Editor
	Logger *slog.Logger
}

// Work raises what is wanted of every tag that has the build now, and of those
// that inherit from one. A build that no tag has yet, or no more, needs nothing:
// whoever tags it has the repository made. Everything happens in one transaction.
func (w *JoinedWorker) Work(ctx context.Context, job *river.Job[queue.JoinedArgs]) error {
	var revs map[int64]int64
	err := pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		build, err := db.New(tx).BuildToTag(ctx, job.Args.BuildID)
		if err != nil {
			return err
		}
		if build.State == queue.BuildComplete && !build.Scratch {
			edit, err := w.Begin(ctx, tx, System, "packages joined "+*build.Nvr)
			if err != nil {
				return err
			}
			if err := edit.contentChanged(ctx, build.ID); err != nil {
				return err
			}
			if revs, err = edit.Finish(ctx); err != nil {
				return err
			}
		}
		return queue.Complete(ctx, tx, job)
	})
	if errors.Is(err, queue.ErrLostAttempt) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("tags: packages joined build %d: %w", job.Args.BuildID, err)
	}
	w.Logger.Info("tags: packages joined build", "build", job.Args.BuildID, "repositories", len(revs))
	return nil
}

// contentChanged has the repositories made anew of tags that have a build. The
// build is locked, so that nobody tags or untags it meanwhile. It is no change of
// the tag model, and makes no event.
func (e *Edit) contentChanged(ctx context.Context, buildID int64) error {
	holders, err := e.q.TagsHoldingNow(ctx, buildID)
	if err != nil {
		return fmt.Errorf("tags: tags of build %d: %w", buildID, err)
	}
	if len(holders) == 0 {
		return nil
	}
	if err := e.lock(ctx, holders...); err != nil {
		return err
	}
	for _, tag := range holders {
		e.touched[tag] = true
	}
	return nil
}
