package builders

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue"
)

// ImportWorker makes the results of finished builds part of the distribution.
type ImportWorker struct {
	river.WorkerDefaults[queue.ImportArgs]
	*Stages
}

// Work gives a build's packages their places and names, and marks the build
// COMPLETE. A scratch build ends here, any other goes on to be tagged. What a
// complete build did not wait for joins it.
func (w *ImportWorker) Work(ctx context.Context, job *river.Job[queue.ImportArgs]) error {
	build, err := db.New(w.Pool).GetBuild(ctx, job.Args.BuildID)
	if err != nil {
		return fmt.Errorf("builders: read build %d: %w", job.Args.BuildID, err)
	}
	if build.State == queue.BuildComplete || build.State == queue.BuildDeleted {
		return w.join(ctx, job, build)
	}
	if build.State != queue.BuildBuilding {
		return nil
	}
	err = pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error { return w.importBuild(ctx, tx, job, build) })
	if errors.Is(err, queue.ErrLostAttempt) {
		return nil
	}
	if err != nil {
		return w.importFailed(ctx, job.JobRow, build, err)
	}
	return nil
}

// importBuild places the packages and records them. The build is locked all
// the while: once it has ended, its NVR and with it the places belong to
// somebody else.
func (w *ImportWorker) importBuild(ctx context.Context, tx pgx.Tx, job *river.Job[queue.ImportArgs], build db.GetBuildRow) error {
	q := db.New(tx)
	locked, err := q.LockBuild(ctx, build.ID)
	if err != nil {
		return fmt.Errorf("builders: lock build %d: %w", build.ID, err)
	}
	if locked.State != queue.BuildBuilding {
		return queue.ErrLostAttempt
	}
	artifacts, err := q.ArtifactsOfBuild(ctx, build.ID)
	if err != nil {
		return fmt.Errorf("builders: results of build %d: %w", build.ID, err)
	}
	all := contributions(artifacts)
	in := w.newIntake(build, map[string]madeOn{})
	if err := w.takeWaited(ctx, in, all); err != nil {
		return err
	}
	if err := w.finishImport(ctx, tx, job, in, all); err != nil {
		return fmt.Errorf("builders: import build %d: %w", build.ID, err)
	}
	return nil
}

// link gives the blobs their names. The build owns its NVR, so a file that has
// a name and other bytes is what an import left that never ended, and was never
// published.
func (w *ImportWorker) link(ctx context.Context, build db.GetBuildRow, places []store.Place) error {
	err := w.Store.LinkAll(ctx, places)
	if errors.Is(err, store.ErrConflict) {
		w.Logger.Warn("builders: replace the leftovers of an unfinished import", "build", build.ID, "error", err)
		for _, place := range places {
			if err := w.Store.Unlink(place.Name); err != nil {
				return fmt.Errorf("builders: place packages: %w", err)
			}
		}
		err = w.Store.LinkAll(ctx, places)
	}
	if err != nil {
		return fmt.Errorf("builders: place packages: %w", err)
	}
	return nil
}

// finishImport records the packages and ends the build's making. What the build
// did not wait for and is ready joins at once.
func (w *ImportWorker) finishImport(ctx context.Context, tx pgx.Tx, job *river.Job[queue.ImportArgs], in *intake, all []contribution) error {
	q, build := db.New(tx), in.build
	if _, err := q.FinishBuild(ctx, db.FinishBuildParams{ID: build.ID, State: queue.BuildComplete}); err != nil {
		return err
	}
	if err := w.keep(ctx, tx, in); err != nil {
		return err
	}
	statuses, joined, err := w.joinAll(ctx, tx, build, in.have, all)
	if err != nil {
		return err
	}
	if joined == 0 && !slices.ContainsFunc(all, func(c contribution) bool { return c.arch != "" && c.waits() }) {
		reason := "no architecture has packages for it"
		if len(statuses) > 0 {
			reason = statuses[0].Description
		}
		return queue.Permanent(&Failure{Phase: PhaseImport, Reason: reason})
	}
	warnings, err := q.CountWarnings(ctx, build.ID)
	if err != nil {
		return err
	}
	if build.Scratch {
		if _, err := q.EndTask(ctx, db.EndTaskParams{ID: *build.TaskID, State: queue.TaskClosed}); err != nil {
			return err
		}
		statuses = append(statuses, w.status(build, "", "success", queue.WithWarnings(*build.Nvr+" builds (scratch)", warnings)))
		if err := queue.Follow(ctx, tx, w.Jobs, build.ID); err != nil {
			return err
		}
	} else if err := queue.AddTag(ctx, tx, w.Jobs, build.ID, *build.TaskID, *build.Nvr+" → "+build.DestTagName); err != nil {
		return err
	}
	if err := queue.WantStatuses(ctx, tx, w.Jobs, statuses); err != nil {
		return err
	}
	// Last, since one import at a time holds the lock of the names.
	if err := refuseTaken(ctx, q, build); err != nil {
		return err
	}
	return queue.Complete(ctx, tx, job)
}

// refuseTaken refuses a build with a package that another build has: there is
// one RPM of a name in the distribution (Koji's rule). Scratch builds are no
// part of it.
func refuseTaken(ctx context.Context, q *db.Queries, build db.GetBuildRow) error {
	if build.Scratch {
		return nil
	}
	if err := q.LockRPMNames(ctx); err != nil {
		return err
	}
	taken, err := q.TakenRPM(ctx, build.ID)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	nevra := rpmfile.NEVRA{Name: taken.Name, Epoch: int(taken.Epoch), Version: taken.Version, Release: taken.Release, Arch: taken.Arch}
	return queue.Permanent(&Failure{
		Phase: PhaseImport, Reason: fmt.Sprintf("%s belongs to %s already, build %d", nevra, *taken.Nvr, taken.BuildID),
	})
}

// importFailed ends a build that can't be imported, once trying again is over.
func (w *ImportWorker) importFailed(ctx context.Context, row *rivertype.JobRow, build db.GetBuildRow, err error) error {
	if queue.FateOf(ctx, row, err) != queue.GiveUp {
		w.Logger.Warn("builders: import will be tried again", "build", build.ID, "error", err)
		return queue.Outcome(err)
	}
	failure := Explain(err)
	if failure.Phase == "" {
		failure.Phase = PhaseImport
	}
	w.Logger.Info("builders: import failed", "build", build.ID, "reason", failure.Reason, "infrastructure", failure.Infrastructure)
	return pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		if _, lockErr := db.New(tx).LockBuild(ctx, build.ID); lockErr != nil {
			return lockErr
		}
		if err := queue.CancelRest(ctx, tx, w.Jobs, build.ID, "canceled: the build failed"); err != nil {
			return err
		}
		return queue.EndBuild(ctx, tx, w.Jobs, w.ExternalURL, build.ID, queue.BuildEnd{
			State: queue.BuildFailed, Phase: string(failure.Phase), Reason: failure.Reason, Infrastructure: failure.Infrastructure,
		})
	})
}
