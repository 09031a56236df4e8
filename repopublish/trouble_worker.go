package repopublish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// The kinds of troubles.
const (
	// refused: the tag or its packages must change first.
	refused = "refused"
	// failing: it is tried again.
	failing = "failing"
)

// noteTimeout bounds how long the record of a trouble may take.
const noteTimeout = 10 * time.Second

// unmade records why a tag's repository was not made, and tells those who wait
// for it. A refusal ends the job: the next change of the tag, or Publish, tries
// again. Anything else is tried again by River, and is returned for that.
func (w *Worker) unmade(ctx context.Context, job *river.Job[queue.PublishArgs], tag db.TagForPublishRow, hold *db.HoldRow, err error) error {
	var wait *queue.WaitError
	if errors.As(err, &wait) || ctx.Err() != nil {
		return queue.Outcome(err) // a stop is nobody's trouble
	}
	w.pace.note(tag.ID)
	if refusal := refusalOf(err); refusal != nil {
		w.Logger.Error("repopublish: repository refused", "tag", tag.Name, "gate", string(refusal.Gate), "problems", refusal.Total, "error", err)
		var written *unmadeError
		var generation int64
		if errors.As(err, &written) {
			generation = written.id
		}
		noted := w.refuse(ctx, job, tag, hold, refusal, generation)
		if errors.Is(noted, queue.ErrLostAttempt) {
			return nil
		}
		return noted
	}
	w.Logger.Error("repopublish: repository not made", "tag", tag.Name, "error", err)
	ctx, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	noted := pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		if _, err := db.New(tx).LockTagsByID(ctx, []int64{tag.ID}); err != nil {
			return err
		}
		return w.noteTrouble(ctx, tx, tag, db.NoteTroubleParams{TagID: tag.ID, Kind: failing, Reason: inWords(err), Problems: []byte("[]"), Rev: tag.WantRev})
	})
	if noted != nil {
		w.Logger.Warn("repopublish: trouble not recorded", "tag", tag.Name, "error", noted)
	}
	return err
}

// refuse records a refusal and ends the job. If somebody wants something else by
// now, another one follows. generation is the one that is given up, 0 for none.
func (w *Worker) refuse(ctx context.Context, job *river.Job[queue.PublishArgs], tag db.TagForPublishRow, hold *db.HoldRow, refusal *RefusedError, generation int64) error {
	problems, err := json.Marshal(refusal.Problems)
	if err != nil {
		return fmt.Errorf("repopublish: record why %s is refused: %w", tag.Name, err)
	}
	err = pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		if _, err := q.LockTagsByID(ctx, []int64{tag.ID}); err != nil {
			return err
		}
		now, err := q.TagForPublish(ctx, tag.ID)
		if err != nil {
			return err
		}
		held, err := q.Hold(ctx, tag.ID)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		other := (err == nil) != (hold != nil) || hold != nil && (held.GenerationID != hold.GenerationID || !held.At.Equal(hold.At))
		err = w.noteTrouble(ctx, tx, tag, db.NoteTroubleParams{
			TagID: tag.ID, Kind: refused, Reason: queue.OneLine(refusal.Error()), Problems: problems, Rev: tag.WantRev,
		})
		if err != nil {
			return err
		}
		if generation != 0 {
			if err := q.ExpireGeneration(ctx, generation); err != nil {
				return err
			}
		}
		if err := queue.Complete(ctx, tx, job); err != nil || now.WantRev <= tag.WantRev && !other {
			return err
		}
		return queue.WantRepositories(ctx, tx, w.Jobs, []int64{tag.ID})
	})
	if err != nil {
		return fmt.Errorf("repopublish: record why %s is refused: %w", tag.Name, err)
	}
	return nil
}

// noteTrouble records a trouble and tells it to those who wait: builds by their
// statuses, which change with the reason and not with every try, and chains
// where the reason is news.
func (w *Worker) noteTrouble(ctx context.Context, tx pgx.Tx, tag db.TagForPublishRow, trouble db.NoteTroubleParams) error {
	q := db.New(tx)
	before, err := q.Trouble(ctx, tag.ID)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if err := q.NoteTrouble(ctx, trouble); err != nil {
		return err
	}
	builds, err := q.BuildsToPublish(ctx, tag.ID)
	if err != nil {
		return err
	}
	var statuses []queue.Status
	for _, build := range builds {
		statuses = append(statuses, queue.Status{
			RepositoryID: build.RepositoryID, Commit: build.CommitID, Context: queue.ContextOf(build.Target, ""), State: "pending",
			Description: *build.Nvr + " is tagged into " + tag.Name + ", whose repository can't be made: " + trouble.Reason,
			TargetURL:   queue.BuildURL(w.ExternalURL, build.ID), BuildID: build.ID,
		})
	}
	waiting, err := w.waitingStatuses(ctx, q, tag, trouble.Reason)
	if err != nil {
		return err
	}
	if err := queue.WantStatuses(ctx, tx, w.Jobs, append(statuses, waiting...)); err != nil {
		return err
	}
	if before.Reason == trouble.Reason {
		return nil
	}
	return queue.FollowRepository(ctx, tx, w.Jobs, tag.ID)
}

// waitingStatuses are those of builds that begin when a tag's repository is
// made: with why it can't be, or as if nothing had been, where reason is empty. The
// status of a whole build is one of them before its source package begins; later
// it tells how far the build is.
func (w *Worker) waitingStatuses(ctx context.Context, q *db.Queries, tag db.TagForPublishRow, reason string) ([]queue.Status, error) {
	tasks, err := q.TasksWaitingForTag(ctx, &tag.ID)
	if err != nil {
		return nil, err
	}
	var statuses []queue.Status
	for _, task := range tasks {
		queued, waits := queue.Queued(task.BuildID, tag.Name, reason)
		status := queue.Status{
			RepositoryID: task.RepositoryID, Commit: task.CommitID, Context: queue.ContextOf(task.Target, task.Arch), State: "pending", Finer: queue.FinerQueued,
			Description: waits, TargetURL: queue.BuildURL(w.ExternalURL, task.BuildID), BuildID: task.BuildID,
		}
		if task.Method == queue.MethodBuildSRPM {
			status.Context = queue.ContextOf(task.Target, "srpm")
		}
		statuses = append(statuses, queue.ArchStatus(task.Policy, status))
		if task.Method == queue.MethodBuildSRPM {
			status.Context, status.Description = queue.ContextOf(task.Target, ""), queued
			statuses = append(statuses, status)
		}
	}
	return statuses, nil
}

// endTrouble removes what was recorded, since the repository is made, and returns
// what is to be said of builds that waited for that.
func (w *Worker) endTrouble(ctx context.Context, tx pgx.Tx, tag db.TagForPublishRow) ([]queue.Status, error) {
	q := db.New(tx)
	n, err := q.EndTrouble(ctx, tag.ID)
	if err != nil || n == 0 {
		return nil, err
	}
	w.Logger.Info("repopublish: the repository can be made again", "tag", tag.Name)
	return w.waitingStatuses(ctx, q, tag, "")
}
