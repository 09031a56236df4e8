package builders

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue"
)

// ArchWorker works buildArch tasks.
type ArchWorker struct {
	river.WorkerDefaults[queue.ArchArgs]
	*Stages
}

// Work builds a source package for one architecture. The task that ends last
// enqueues the build's import.
func (w *ArchWorker) Work(ctx context.Context, job *river.Job[queue.ArchArgs]) error {
	return w.run(ctx, job.JobRow, job.Args.TaskID, func(ctx context.Context, a *attempt) error {
		root, err := w.recipe(ctx, a.build, groupBuild, a.task.RootArch)
		if err != nil {
			return err
		}
		srpm, err := db.New(w.Pool).SRPMOfBuild(ctx, a.build.ID)
		if err != nil {
			return fmt.Errorf("builders: source package of build %d: %w", a.build.ID, err)
		}
		outcome, err := w.Driver.Build(ctx, BuildOrder{
			Order: w.order(ctx, a, root), SRPM: w.Store.Path(store.Blob{SHA256: srpm.Sha256, Size: srpm.Size}), Arch: a.task.Arch,
		})
		if err != nil {
			return err
		}
		arches := []string{a.task.Arch, noarch}
		if a.task.Arch == noarch {
			arches = arches[1:]
		}
		results, err := w.collect(ctx, a, checkBinary(*a.build.Nvr, arches))
		if err != nil {
			return err
		}
		if len(results) == 0 {
			return &Failure{Phase: PhaseFiles, Reason: "the build made no package: has the spec a %files section?"}
		}
		if err := w.checkMachines(results); err != nil {
			return err
		}
		return w.finishArch(ctx, job, a, root, outcome, results)
	})
}

// finishArch ends an arch task, and starts the import if it was the last.
func (w *ArchWorker) finishArch(ctx context.Context, job *river.Job[queue.ArchArgs], a *attempt, root Recipe, outcome Outcome, results []result) error {
	err := pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		if _, err := db.New(tx).LockBuild(ctx, a.build.ID); err != nil {
			return err
		}
		last, err := queue.Finish(ctx, tx, a.task, queue.Ending{State: queue.TaskClosed})
		if err != nil {
			return err
		}
		if err := w.record(ctx, tx, a, root, outcome, results); err != nil {
			return err
		}
		var next []river.JobArgs
		if last {
			next = append(next, queue.ImportArgs{BuildID: a.build.ID})
		}
		made := w.status(a.build, a.task.Arch, "success", packagesText(len(results)))
		if err := queue.WantStatuses(ctx, tx, w.Jobs, []queue.Status{made}, next...); err != nil {
			return err
		}
		return queue.Complete(ctx, tx, job)
	})
	if errors.Is(err, queue.ErrLostAttempt) {
		return err
	}
	if err != nil {
		return fmt.Errorf("builders: finish %s of build %d: %w", a.task.Arch, a.build.ID, err)
	}
	return nil
}

func packagesText(n int) string {
	if n == 1 {
		return "1 package"
	}
	return fmt.Sprintf("%d packages", n)
}
