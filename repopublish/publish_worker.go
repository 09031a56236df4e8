package repopublish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/flock"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue"
)

// Publisher makes generations. Safe for concurrent use: one tag's generations
// are made one after another, in whatever process.
type Publisher struct {
	Pool  *pgxpool.Pool
	Jobs  queue.Inserter
	Store *store.Store
	// ReposDir holds TAG/GENERATION/ARCH and TAG/latest. It lies on the same
	// file system as the store, so that RPMs are linked, not copied.
	ReposDir    string
	ExternalURL string
	// CacheDir keeps the metadata of each tag's packages between generations.
	// What is in it can be made again.
	CacheDir string
	// Signing signs the repositories of tags that name keys; nil where nothing
	// can be signed.
	Signing *Signing
	// Keep generations at least, and those that were replaced less than
	// KeepFor ago: clients that began with one must be able to end with it.
	Keep    int
	KeepFor time.Duration
	Logger  *slog.Logger

	// Every is how soon a tag's repository is made again at most, 200 ms by
	// default: of many builds that are tagged one after another one generation
	// holds several. The first is made at once.
	Every time.Duration

	pace      pace
	spares    spares
	modules   modulesKept
	externals externals
}

// lockFile is the lock of a tag's directory.
const lockFile = ".lock"

// lockPoll is how soon a publisher looks again whether another one is done.
const lockPoll = 100 * time.Millisecond

// Worker works publish jobs.
type Worker struct {
	river.WorkerDefaults[queue.PublishArgs]
	*Publisher
}

// Work brings the tag's repository up to what was wanted when it began. If
// more is wanted by then, another job follows: no change that arrives while a
// repository is being made is lost.
func (w *Worker) Work(ctx context.Context, job *river.Job[queue.PublishArgs]) error {
	w.pace.wait(ctx, job.Args.TagID, w.Every)
	made, err := w.publish(ctx, job)
	if err == nil && made != nil {
		w.prepare(ctx, job.Args.TagID, made)
	}
	return err
}

// publish makes and announces what is lacking; made is nil for nothing.
func (w *Worker) publish(ctx context.Context, job *river.Job[queue.PublishArgs]) (made *generation, err error) {
	tag, err := db.New(w.Pool).TagForPublish(ctx, job.Args.TagID)
	if err != nil {
		return nil, fmt.Errorf("repopublish: read tag %d: %w", job.Args.TagID, err)
	}
	if tag.Removed {
		return nil, w.endRemoved(ctx, job)
	}
	dir := filepath.Join(w.ReposDir, tag.Name)
	unlock, err := lock(dir)
	if err != nil {
		return nil, queue.Outcome(err)
	}
	defer unlock()
	// Read again what is wanted: somebody may have published meanwhile, or have
	// given the tag another name, under which its repository is to be found.
	if tag, err = db.New(w.Pool).TagForPublish(ctx, tag.ID); err != nil {
		return nil, fmt.Errorf("repopublish: read tag %d: %w", job.Args.TagID, err)
	}
	if filepath.Base(dir) != tag.Name {
		return nil, river.JobSnooze(0)
	}
	made, hold, err := w.next(ctx, dir, tag)
	if errors.Is(err, errRemoved) {
		return nil, w.endRemoved(ctx, job)
	}
	if err != nil {
		// Old generations may have what is missing: space, or links to a package.
		w.tidy(ctx, dir, tag)
		return nil, w.unmade(ctx, job, tag, hold, err)
	}
	if hold != nil {
		err = w.announceHeld(ctx, job, tag, made)
	} else {
		err = w.announce(ctx, job, tag, made)
	}
	if errors.Is(err, queue.ErrLostAttempt) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("repopublish: announce %s: %w", tag.Name, err)
	}
	if made != nil {
		w.pace.note(tag.ID)
		w.Logger.Info("repopublish: published", "tag", tag.Name, "generation", made.number, "packages", made.packages(), "seconds", made.took.Seconds())
		w.tidy(ctx, dir, tag)
	}
	return made, nil
}

// tidy sweeps; that something stays is no trouble, it is tried again with the
// next generation.
func (w *Worker) tidy(ctx context.Context, dir string, tag db.TagForPublishRow) {
	if err := w.sweep(ctx, dir, tag); err != nil && ctx.Err() == nil {
		w.Logger.Warn("repopublish: remove old generations", "tag", tag.Name, "error", err)
	}
}

// next makes the generation that a tag lacks: of what the tag says, or of what
// somebody went back to. It makes none where nothing is lacking. While a tag is
// held nothing else is made for it; hold is nil where it is not, beside an error
// too.
func (w *Worker) next(ctx context.Context, dir string, tag db.TagForPublishRow) (made *generation, hold *db.HoldRow, err error) {
	var c *content
	switch row, err := db.New(w.Pool).Hold(ctx, tag.ID); {
	case errors.Is(err, pgx.ErrNoRows):
		if tag.BuiltRev >= tag.WantRev {
			return nil, nil, nil
		}
		c, err = w.current(ctx, tag.ID)
		if err != nil {
			return nil, nil, err
		}
	case err != nil:
		return nil, nil, fmt.Errorf("repopublish: read hold of %s: %w", tag.Name, err)
	case row.MadeID != nil:
		return nil, &row, nil
	default:
		hold = &row
		if c, err = w.past(ctx, tag, row); err != nil {
			return nil, hold, err
		}
	}
	made, err = w.make(ctx, dir, tag, c)
	return made, hold, err
}

// announce records the generation, tells the builds it holds and ends the job.
// If more is wanted, another one follows.
func (w *Worker) announce(ctx context.Context, job *river.Job[queue.PublishArgs], tag db.TagForPublishRow, made *generation) error {
	return pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		// Builds before their tag, as everywhere. Nobody else raises what is
		// built while this process holds the lock of the tag's directory.
		rev := tag.BuiltRev
		if made != nil {
			rev = max(rev, made.rev)
		}
		if err := leaveOut(ctx, q, tag.ID, made); err != nil {
			return err
		}
		builds, err := q.PublishedBuilds(ctx, db.PublishedBuildsParams{TagID: tag.ID, Rev: &rev})
		if err != nil {
			return err
		}
		if err := q.SetBuiltRev(ctx, db.SetBuiltRevParams{ID: tag.ID, BuiltRev: rev}); err != nil {
			return err
		}
		if made != nil {
			if err := w.publishRow(ctx, tx, tag.ID, made); err != nil {
				return err
			}
		}
		waiting, err := w.endTrouble(ctx, tx, tag)
		if err != nil {
			return err
		}
		without, err := w.leftOut(ctx, q, tag)
		if err != nil {
			return err
		}
		if err := w.tellBuilds(ctx, tx, tag, builds, made, append(waiting, without...)); err != nil {
			return err
		}
		if err := queue.FollowRepository(ctx, tx, w.Jobs, tag.ID); err != nil {
			return err
		}
		return w.complete(ctx, tx, job, tag.ID)
	})
}

// complete ends the job of a tag, which the transaction has locked. Who wanted
// more of the tag, went back or ended a hold since the job began has found the
// job there and added none: another one follows if something is lacking now.
func (w *Worker) complete(ctx context.Context, tx pgx.Tx, job *river.Job[queue.PublishArgs], tagID int64) error {
	q := db.New(tx)
	tag, err := q.TagForPublish(ctx, tagID)
	if err != nil {
		return err
	}
	lacks := tag.BuiltRev < tag.WantRev
	switch hold, err := q.Hold(ctx, tagID); {
	case err == nil:
		lacks = hold.MadeID == nil
	case !errors.Is(err, pgx.ErrNoRows):
		return err
	}
	if err := queue.Complete(ctx, tx, job); err != nil || !lacks {
		return err
	}
	// While the tag is locked, as by who wants more of it: River would end
	// jobs that are given back several at once, in any order.
	return queue.WantRepositories(ctx, tx, w.Jobs, []int64{tagID})
}

// announceHeld records what somebody went back to, and that no more than that is
// built. What the tag says is not published: who needs it waits until the hold
// is released, which asks for a repository again.
func (w *Worker) announceHeld(ctx context.Context, job *river.Job[queue.PublishArgs], tag db.TagForPublishRow, made *generation) error {
	return pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		if _, err := db.New(tx).LockTagsByID(ctx, []int64{tag.ID}); err != nil {
			return err
		}
		if made != nil {
			if err := w.publishRow(ctx, tx, tag.ID, made); err != nil {
				return err
			}
			if err := db.New(tx).SetHeldRev(ctx, db.SetHeldRevParams{ID: tag.ID, BuiltRev: made.rev}); err != nil {
				return err
			}
			// Somebody may have gone back to another one by now.
			if err := db.New(tx).HoldMade(ctx, db.HoldMadeParams{TagID: tag.ID, GenerationID: *made.goesBack, MadeID: &made.id}); err != nil {
				return err
			}
			// It may be newer than what was there, also where it is older than what
			// the tag says.
			if err := queue.WakeScheduler(ctx, tx); err != nil {
				return err
			}
		}
		waiting, err := w.endTrouble(ctx, tx, tag)
		if err != nil {
			return err
		}
		if err := queue.WantStatuses(ctx, tx, w.Jobs, waiting); err != nil {
			return err
		}
		// Also of a trouble that has ended; after the statuses, as everywhere.
		if err := queue.FollowRepository(ctx, tx, w.Jobs, tag.ID); err != nil {
			return err
		}
		return w.complete(ctx, tx, job, tag.ID)
	})
}

// publishRow marks the generation published and records what it holds. The tag is
// locked.
func (w *Worker) publishRow(ctx context.Context, tx pgx.Tx, tagID int64, made *generation) error {
	q := db.New(tx)
	var found []byte
	if made.found != nil {
		var err error
		if found, err = json.Marshal(made.found); err != nil {
			return err
		}
	}
	n, err := q.PublishGeneration(ctx, db.PublishGenerationParams{
		ID: made.id, Arches: made.arches, Packages: int32(made.packages()), Bytes: made.bytes(), Closure: found,
	})
	if err != nil {
		return err
	}
	if n == 0 {
		return queue.ErrLostAttempt
	}
	return made.record(ctx, q, tagID)
}

// tellBuilds ends the builds that a generation was the first to see, beside what
// is to be said of others; made is nil where it was recorded before. Most can be
// installed from now on.
func (w *Worker) tellBuilds(ctx context.Context, tx pgx.Tx, tag db.TagForPublishRow, builds []db.PublishedBuildsRow, made *generation, others []queue.Status) error {
	q := db.New(tx)
	tasks, statuses := make([]int64, len(builds)), make([]queue.Status, len(builds))
	for i, build := range builds {
		result := *build.Nvr + " is in the repository of " + tag.Name
		if made == nil || !made.builds[build.ID] {
			var err error
			if result, err = absence(ctx, q, tag, build, result); err != nil {
				return err
			}
		}
		tasks[i] = *build.TaskID
		statuses[i] = queue.Status{
			RepositoryID: build.RepositoryID, Commit: build.CommitID, Context: queue.ContextOf(build.Target, ""), State: "success",
			Description: queue.WithWarnings(result, build.Warnings), TargetURL: queue.BuildURL(w.ExternalURL, build.ID), BuildID: build.ID,
		}
	}
	if err := q.CloseTasks(ctx, tasks); err != nil {
		return err
	}
	return queue.WantStatuses(ctx, tx, w.Jobs, append(statuses, others...))
}

// absence says why a build that was tagged is not in its tag's repository;
// present where it is.
func absence(ctx context.Context, q *db.Queries, tag db.TagForPublishRow, build db.PublishedBuildsRow, present string) (string, error) {
	there, err := q.BuildInRepository(ctx, db.BuildInRepositoryParams{PackageID: build.PackageID, TagID: tag.ID})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Sprintf("%s was tagged into %s, whose repository has no package of it", *build.Nvr, tag.Name), nil
	case err != nil:
		return "", err
	case there.ID == build.ID:
		return present, nil
	}
	return fmt.Sprintf("%s was tagged into %s; %s replaced it before the repository was made", *build.Nvr, tag.Name, *there.Nvr), nil
}

// lock makes the tag's directory and takes its lock, which ends with the
// process. It returns *queue.WaitError while another process has it.
func lock(dir string) (unlock func(), err error) {
	if err := makeDurable(dir); err != nil {
		return nil, fmt.Errorf("repopublish: make %s: %w", filepath.Base(dir), err)
	}
	held, err := flock.Try(filepath.Join(dir, lockFile), flock.Exclusive)
	if err != nil {
		return nil, fmt.Errorf("repopublish: lock %s: %w", filepath.Base(dir), err)
	}
	if held == nil {
		return nil, &queue.WaitError{After: lockPoll, Reason: "the repository of " + filepath.Base(dir) + " is being made"}
	}
	return held.Release, nil
}
