package tags

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// ApplyWorker tags complete builds into their target's destination tag.
type ApplyWorker struct {
	river.WorkerDefaults[queue.TagArgs]
	Pool   *pgxpool.Pool
	Jobs   queue.Inserter
	Logger *slog.Logger
}

// Work tags one build. Everything happens in one transaction: a crash leaves
// the build untagged and the job to be run again.
func (w *ApplyWorker) Work(ctx context.Context, job *river.Job[queue.TagArgs]) error {
	tagged := false
	err := pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		build, err := q.BuildToTag(ctx, job.Args.BuildID)
		if err != nil {
			return err
		}
		if build.State != queue.BuildComplete || build.Scratch || build.TaggedRev != nil {
			return queue.Complete(ctx, tx, job)
		}
		if err := q.CloseTagTask(ctx, build.ID); err != nil {
			return err
		}
		// Last, since one tagging at a time holds the rows of the tags.
		if err := tagBuild(ctx, tx, w.Jobs, build); err != nil {
			return err
		}
		tagged = true
		return queue.Complete(ctx, tx, job)
	})
	if errors.Is(err, queue.ErrLostAttempt) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("tags: tag build %d: %w", job.Args.BuildID, err)
	}
	if tagged {
		w.Logger.Info("tags: build tagged", "build", job.Args.BuildID)
	}
	return nil
}

// tagBuild adds the build to its destination tag as a new event.
func tagBuild(ctx context.Context, tx pgx.Tx, inserter queue.Inserter, build db.BuildToTagRow) error {
	q := db.New(tx)
	event, err := q.InsertEvent(ctx, db.InsertEventParams{Actor: "distbot", What: "tag " + *build.Nvr + " into " + build.DestTagName})
	if err != nil {
		return err
	}
	if _, err := q.InsertTagBuild(ctx, db.InsertTagBuildParams{TagID: build.DestTag, BuildID: build.ID, CreateEvent: event}); err != nil {
		return err
	}
	rev, err := raise(ctx, tx, inserter, build.DestTag)
	if err != nil {
		return err
	}
	return q.SetTaggedRev(ctx, db.SetTaggedRevParams{ID: build.ID, TaggedRev: &rev})
}
