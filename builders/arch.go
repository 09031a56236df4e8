package builders

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// finishArch ends an arch task, and starts the import if it was the last.
func (a *Attempt) finishArch(ctx context.Context, outcome Outcome, from gatherer) error {
	s := a.stages
	arches := []string{a.task.Arch, noarch}
	if a.task.Arch == noarch {
		arches = arches[1:]
	}
	results, err := from(ctx, checkBinary(*a.build.Nvr, arches))
	if err != nil {
		return err
	}
	if len(results) == 0 {
		return &Failure{Phase: PhaseFiles, Reason: "the build made no package: has the spec a %files section?"}
	}
	if err := s.checkMachines(results); err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		if _, err := db.New(tx).LockBuild(ctx, a.build.ID); err != nil {
			return err
		}
		last, err := queue.Finish(ctx, tx, a.task, queue.Ending{State: queue.TaskClosed})
		if err != nil {
			return err
		}
		if err := a.record(ctx, tx, outcome, results); err != nil {
			return err
		}
		made := builtStatus(a.task, a.status(a.task.Arch, "success", packagesText(len(results))))
		statuses := []queue.Status{made}
		if last {
			return queue.WantStatuses(ctx, tx, s.Jobs, statuses, queue.ImportArgs{BuildID: a.build.ID})
		}
		return queue.WantStatuses(ctx, tx, s.Jobs, statuses)
	})
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
