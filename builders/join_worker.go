package builders

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue"
)

// builtStatus is the status of an arch task whose packages were made: of one that
// the build does not wait for they are still to be taken in.
func builtStatus(task db.Task, made queue.Status) queue.Status {
	if task.Policy == queue.PolicyBlocking {
		return made
	}
	made.State, made.Description = "pending", "built "+made.Description+", to be joined with the build"
	return queue.ArchStatus(task.Policy, made)
}

// takeWaited takes in what a build waited for: its source package and what
// blocking architectures made. Of two of them that differ neither can be
// believed, which is the build's failure.
func (w *ImportWorker) takeWaited(ctx context.Context, in *intake, list []contribution) error {
	for _, c := range list {
		if !c.waits() {
			continue
		}
		err := in.add(ctx, c)
		var failure *Failure
		if errors.As(err, &failure) && !failure.Infrastructure {
			return queue.Permanent(err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// join takes the packages of architectures that a complete build did not wait
// for into it, and has the repositories that hold the build made anew: one
// transaction for all that are ready, so that no repository sees a part of an
// architecture. A crash leaves nothing but names that no repository has.
func (w *ImportWorker) join(ctx context.Context, job *river.Job[queue.ImportArgs], build db.GetBuildRow) error {
	err := pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		locked, err := q.LockBuild(ctx, build.ID)
		if err != nil {
			return fmt.Errorf("builders: lock build %d: %w", build.ID, err)
		}
		if locked.State == queue.BuildComplete {
			err = w.joinReady(ctx, tx, build)
		} else {
			err = w.rejectReady(ctx, tx, build, Failure{Phase: PhaseImport, Reason: "the build is " + locked.State})
		}
		if err != nil {
			return err
		}
		return queue.Complete(ctx, tx, job)
	})
	if errors.Is(err, queue.ErrLostAttempt) {
		return nil
	}
	if err != nil {
		return w.joinFailed(ctx, job.JobRow, build, err)
	}
	return nil
}

// joinReady takes in what is finished and not yet part of the build.
func (w *ImportWorker) joinReady(ctx context.Context, tx pgx.Tx, build db.GetBuildRow) error {
	q := db.New(tx)
	artifacts, err := q.ArtifactsOfBuild(ctx, build.ID)
	if err != nil {
		return fmt.Errorf("builders: results of build %d: %w", build.ID, err)
	}
	all := contributions(artifacts)
	have, err := w.packagesOf(ctx, q, build, all)
	if err != nil {
		return err
	}
	statuses, joined, err := w.joinAll(ctx, tx, build, have, all)
	if err != nil {
		return err
	}
	var next []river.JobArgs
	if joined > 0 && !build.Scratch {
		next = append(next, queue.JoinedArgs{BuildID: build.ID})
	}
	return queue.WantStatuses(ctx, tx, w.Jobs, statuses, next...)
}

// joinAll takes in what finished tasks made that the build did not wait for and
// has not yet: each task's packages, or none of them. It returns the statuses to
// ask for, and how many tasks' packages joined. have are the packages that the
// build has.
func (w *ImportWorker) joinAll(ctx context.Context, tx pgx.Tx, build db.GetBuildRow, have map[string]madeOn, all []contribution) (statuses []queue.Status, joined int, err error) {
	for _, c := range all {
		if c.imported || c.waits() {
			continue
		}
		status, ok, err := w.joinOne(ctx, tx, build, have, c)
		if err != nil {
			return nil, 0, err
		}
		if ok {
			joined++
		}
		statuses = append(statuses, status)
	}
	return statuses, joined, nil
}

// packagesOf are the packages that a build has, and who made them.
func (w *ImportWorker) packagesOf(ctx context.Context, q *db.Queries, build db.GetBuildRow, all []contribution) (map[string]madeOn, error) {
	rpms, err := q.RPMsOfBuild(ctx, build.ID)
	if err != nil {
		return nil, fmt.Errorf("builders: packages of build %d: %w", build.ID, err)
	}
	have := make(map[string]madeOn, len(rpms))
	for _, rpm := range rpms {
		have[path.Base(rpm.Path)] = madeOn{arch: "another arch", blob: store.Blob{SHA256: rpm.Sha256, Size: rpm.Size}}
	}
	for _, c := range slices.Backward(all) {
		for _, artifact := range c.artifacts {
			if made, ok := have[artifact.Name]; ok && c.imported && made.blob.SHA256 == artifact.Sha256 {
				made.arch = c.arch
				have[artifact.Name] = made
			}
		}
	}
	return have, nil
}

// joinOne takes in what one task made, or rejects it, and returns its status.
// have grows by what was taken.
func (w *ImportWorker) joinOne(ctx context.Context, tx pgx.Tx, build db.GetBuildRow, have map[string]madeOn, c contribution) (status queue.Status, joined bool, err error) {
	in := w.newIntake(build, have)
	err = pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
		if err := in.add(ctx, c); err != nil {
			return err
		}
		if err := w.keep(ctx, savepoint, in); err != nil {
			return err
		}
		return refuseTaken(ctx, db.New(savepoint), build)
	})
	var failure *Failure
	if errors.As(err, &failure) && !failure.Infrastructure {
		for _, place := range in.places {
			delete(have, path.Base(place.Name))
		}
		status, err = w.reject(ctx, tx, build, c, *failure)
		return status, false, err
	}
	if err != nil {
		return queue.Status{}, false, err
	}
	w.Logger.Info("builders: packages joined", "build", build.ID, "arch", c.arch, "packages", len(c.artifacts))
	return w.joined(build, c), true, nil
}

// keep gives the packages of an intake their places and rows.
func (w *ImportWorker) keep(ctx context.Context, tx pgx.Tx, in *intake) error {
	q := db.New(tx)
	if err := w.link(ctx, in.build, in.places); err != nil {
		return err
	}
	if err := q.InsertRPMs(ctx, in.rpms); err != nil {
		return fmt.Errorf("builders: record packages of build %d: %w", in.build.ID, err)
	}
	if err := q.MarkImported(ctx, in.tasks); err != nil {
		return fmt.Errorf("builders: mark imported tasks of build %d: %w", in.build.ID, err)
	}
	if w.Imported != nil && !in.build.Scratch {
		warnings, err := w.Imported(ctx, tx, in.build.ID)
		if err != nil {
			return err
		}
		in.warnings = append(in.warnings, warnings...)
	}
	return queue.Warn(ctx, tx, in.build.ID, in.warnings)
}

// joined is the status of an architecture whose packages are part of the build
// now.
func (w *ImportWorker) joined(build db.GetBuildRow, c contribution) queue.Status {
	text := packagesText(len(c.artifacts)) + ", part of " + *build.Nvr
	return queue.ArchStatus(c.policy, w.status(build, c.arch, "success", text))
}

// reject fails a finished task whose results are unfit, leaves the build as it
// is, and returns the architecture's status.
func (w *ImportWorker) reject(ctx context.Context, tx pgx.Tx, build db.GetBuildRow, c contribution, failure Failure) (queue.Status, error) {
	reason, kind, state := queue.OneLine(failure.Error()), queue.FailurePackage, "failure"
	if failure.Infrastructure {
		kind, state = queue.FailureInfrastructure, "error"
	}
	_, err := db.New(tx).RejectTask(ctx, db.RejectTaskParams{ID: c.task, Phase: string(failure.Phase), Reason: reason, Failure: kind})
	if err != nil {
		return queue.Status{}, fmt.Errorf("builders: reject results of task %d: %w", c.task, err)
	}
	w.Logger.Info("builders: results rejected", "build", build.ID, "arch", c.arch, "reason", reason)
	return queue.ArchStatus(c.policy, w.status(build, c.arch, state, reason)), nil
}

// joinFailed rejects what can't be taken in, once trying again is over.
func (w *ImportWorker) joinFailed(ctx context.Context, row *rivertype.JobRow, build db.GetBuildRow, err error) error {
	if queue.FateOf(ctx, row, err) != queue.GiveUp {
		w.Logger.Warn("builders: join will be tried again", "build", build.ID, "error", err)
		return queue.Outcome(err)
	}
	failure := Explain(err)
	if failure.Phase == "" {
		failure.Phase = PhaseImport
	}
	return pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		if _, err := db.New(tx).LockBuild(ctx, build.ID); err != nil {
			return err
		}
		return w.rejectReady(ctx, tx, build, failure)
	})
}

// rejectReady rejects what is finished and not part of the build. The build is
// locked.
func (w *ImportWorker) rejectReady(ctx context.Context, tx pgx.Tx, build db.GetBuildRow, failure Failure) error {
	artifacts, err := db.New(tx).ArtifactsOfBuild(ctx, build.ID)
	if err != nil {
		return fmt.Errorf("builders: results of build %d: %w", build.ID, err)
	}
	var statuses []queue.Status
	for _, c := range contributions(artifacts) {
		if c.imported || c.waits() {
			continue
		}
		status, err := w.reject(ctx, tx, build, c, failure)
		if err != nil {
			return err
		}
		statuses = append(statuses, status)
	}
	return queue.WantStatuses(ctx, tx, w.Jobs, statuses)
}
