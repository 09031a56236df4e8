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

// ApplyWorker tags complete builds into their target's destination tag. That the
// target names it is the rule which allows it; the package list, a lock and a
// permission that the user distbot was not granted may still forbid it.
type ApplyWorker struct {
	river.WorkerDefaults[queue.TagArgs]
	*Editor
	// ExternalURL is where people reach this installation.
	ExternalURL string
	Logger      *slog.Logger
}

// Work tags one build, or says in its status why the destination does not take
// it; the build stays COMPLETE and may be tagged by hand. Everything happens in
// one transaction: a crash leaves the build untagged and the job to be run
// again.
func (w *ApplyWorker) Work(ctx context.Context, job *river.Job[queue.TagArgs]) error {
	var refusal *RefusedError
	tagged := false
	err := pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		build, err := q.BuildToTag(ctx, job.Args.BuildID)
		if err != nil {
			return err
		}
		if build.State != queue.BuildComplete || build.Scratch {
			return queue.Complete(ctx, tx, job)
		}
		// Somebody may have been faster by hand.
		if build.TaggedRev == nil {
			err = w.tagBuild(ctx, tx, build)
		}
		if errors.As(err, &refusal) {
			err = w.refuse(ctx, tx, build, refusal)
		} else if err == nil {
			tagged = true
			err = q.EndTagTask(ctx, db.EndTagTaskParams{BuildID: build.ID, State: queue.TaskClosed})
		}
		if err != nil {
			return err
		}
		return queue.Complete(ctx, tx, job)
	})
	switch {
	case errors.Is(err, queue.ErrLostAttempt):
		return nil
	case err != nil:
		return fmt.Errorf("tags: tag build %d: %w", job.Args.BuildID, err)
	case refusal != nil:
		w.Logger.Warn("tags: build not tagged", "build", job.Args.BuildID, "reason", refusal.Text)
	case tagged:
		w.Logger.Info("tags: build tagged", "build", job.Args.BuildID)
	}
	return nil
}

// tagBuild tags a build as one event. Its changes are undone when a rule forbids
// it.
func (w *ApplyWorker) tagBuild(ctx context.Context, tx pgx.Tx, build db.BuildToTagRow) error {
	return pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
		edit, err := w.Begin(ctx, savepoint, System, "tag "+*build.Nvr+" into "+build.DestTagName)
		if err != nil {
			return err
		}
		if err := edit.tagInto(ctx, build.DestTag, *build.Nvr); err != nil {
			return err
		}
		_, err = edit.Finish(ctx)
		return err
	})
}

// refuse ends what waits for the tagging: the tasks, and the build's status,
// with the reason.
func (w *ApplyWorker) refuse(ctx context.Context, tx pgx.Tx, build db.BuildToTagRow, refusal *RefusedError) error {
	reason := *build.Nvr + " was built but not tagged: " + refusal.Text
	q := db.New(tx)
	if err := q.EndTagTask(ctx, db.EndTagTaskParams{BuildID: build.ID, State: queue.TaskFailed, Reason: reason}); err != nil {
		return err
	}
	if _, err := q.EndTask(ctx, db.EndTaskParams{ID: *build.TaskID, State: queue.TaskFailed, Reason: reason}); err != nil {
		return err
	}
	if err := q.SetBuildReason(ctx, db.SetBuildReasonParams{ID: build.ID, Reason: reason}); err != nil {
		return err
	}
	err := queue.WantStatus(ctx, tx, w.Jobs, queue.Status{
		RepositoryID: build.RepositoryID, Commit: build.CommitID, Context: queue.ContextOf(build.Target, ""), State: "failure",
		Description: reason, TargetURL: queue.BuildURL(w.ExternalURL, build.ID), BuildID: build.ID,
	})
	if err != nil {
		return err
	}
	return queue.Follow(ctx, tx, w.Jobs, build.ID)
}
