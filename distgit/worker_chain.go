package distgit

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// ChainWorker goes on with chains.
type ChainWorker struct {
	river.WorkerDefaults[queue.ChainArgs]
	*Planner
}

// Work does what comes next: finds the commits of a chain and starts its first
// group, starts the next group, or ends it. It looks at how far the chain is and
// does nothing where it must wait, so that running it once more is harmless.
func (w *ChainWorker) Work(ctx context.Context, job *river.Job[queue.ChainArgs]) error {
	chain, err := db.New(w.Pool).GetChain(ctx, job.Args.ChainID)
	if err != nil {
		return fmt.Errorf("distgit: read chain %d: %w", job.Args.ChainID, err)
	}
	switch chain.State {
	case queue.TaskFree:
		err = w.begin(ctx, job, chain)
	case queue.TaskOpen:
		err = w.inChain(ctx, job, chain.ID, queue.TaskOpen, w.advance)
	}
	if err == nil || errors.Is(err, queue.ErrLostAttempt) {
		return nil
	}
	if queue.FateOf(ctx, job.JobRow, err) != queue.GiveUp {
		w.Logger.Warn("distgit: chain will be tried again", "chain", chain.ID, "error", err)
		return queue.Outcome(err)
	}
	w.Logger.Error("distgit: chain failed", "chain", chain.ID, "error", err)
	return w.inChain(ctx, job, chain.ID, chain.State, func(ctx context.Context, tx pgx.Tx, chain db.Chain) error {
		return queue.EndChain(ctx, tx, chain.ID, queue.TaskFailed, plain(err))
	})
}

// inChain does something to a chain that is still in a state, and ends the job.
func (w *ChainWorker) inChain(ctx context.Context, job *river.Job[queue.ChainArgs], id int64, state string, do func(context.Context, pgx.Tx, db.Chain) error) error {
	return pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		chain, err := db.New(tx).LockChain(ctx, id)
		if err != nil {
			return fmt.Errorf("distgit: lock chain %d: %w", id, err)
		}
		if chain.State == state {
			if err := do(ctx, tx, chain); err != nil {
				return err
			}
		}
		return queue.Complete(ctx, tx, job)
	})
}

// begin settles the commits of all groups and starts the first one.
func (w *ChainWorker) begin(ctx context.Context, job *river.Job[queue.ChainArgs], chain db.GetChainRow) error {
	builds, err := db.New(w.Pool).ChainBuilds(ctx, chain.ID)
	if err != nil {
		return fmt.Errorf("distgit: builds of chain %d: %w", chain.ID, err)
	}
	all, err := w.findAll(ctx, chain, builds)
	var refusal *RefusedError
	if err != nil && !errors.As(err, &refusal) {
		return err
	}
	return w.inChain(ctx, job, chain.ID, queue.TaskFree, func(ctx context.Context, tx pgx.Tx, locked db.Chain) error {
		if refusal != nil {
			return queue.EndChain(ctx, tx, locked.ID, queue.TaskFailed, "nothing is built: "+err.Error())
		}
		for i, f := range all {
			if err := w.settle(ctx, tx, locked.ID, builds[i], f); err != nil {
				return err
			}
		}
		return w.startOrEnd(ctx, tx, locked, 1)
	})
}

// settle notes the commit of one build of a chain.
func (w *ChainWorker) settle(ctx context.Context, tx pgx.Tx, chain int64, build db.ChainBuildsRow, f found) error {
	q := db.New(tx)
	repository, err := w.upsertRepository(ctx, tx, f.change)
	if err != nil {
		return err
	}
	pkg, err := q.UpsertPackage(ctx, f.repository.Name())
	if err != nil {
		return fmt.Errorf("distgit: record package: %w", err)
	}
	err = q.ResolveChainBuild(ctx, db.ResolveChainBuildParams{
		ChainID: chain, GroupNumber: build.GroupNumber, Position: build.Position, RepositoryID: &repository.ID, PackageID: &pkg,
		Ref: f.ref, CommitID: f.change.commit, CommittedAt: &f.commit.Committed, Spec: f.verdict.spec, PlannedNvr: f.verdict.nvr,
	})
	if err != nil {
		return fmt.Errorf("distgit: settle %s: %w", build.Asked, err)
	}
	return nil
}

// startOrEnd starts the builds of a group: all of them, or where a commit has
// got a build meanwhile none, and the chain ends.
func (w *ChainWorker) startOrEnd(ctx context.Context, tx pgx.Tx, chain db.Chain, group int32) error {
	err := pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error { return w.startGroup(ctx, savepoint, chain, group) })
	var second *secondBuildError
	if !errors.As(err, &second) {
		return err
	}
	reason := second.Error()
	if group == 1 {
		reason = "nothing is built: " + reason
	}
	return queue.EndChain(ctx, tx, chain.ID, queue.TaskFailed, reason)
}

// startGroup starts the builds of a group. A commit that the target has a build
// of is a *secondBuildError.
func (w *ChainWorker) startGroup(ctx context.Context, tx pgx.Tx, chain db.Chain, group int32) error {
	q := db.New(tx)
	builds, err := q.ChainBuilds(ctx, chain.ID)
	if err != nil {
		return fmt.Errorf("distgit: builds of chain %d: %w", chain.ID, err)
	}
	for _, b := range builds {
		if b.GroupNumber != group {
			continue
		}
		id, err := queue.StartBuild(ctx, tx, w.Jobs, w.ExternalURL, queue.NewBuild{
			PackageID: *b.PackageID, RepositoryID: *b.RepositoryID, Target: chain.Target, BuildTag: chain.BuildTag, DestTag: chain.DestTag,
			Scratch: chain.Scratch, Ref: b.Ref, Commit: b.CommitID, CommittedAt: *b.CommittedAt, Spec: b.Spec, PlannedNVR: b.PlannedNvr,
			ArchOverride: chain.Arches, Priority: chain.Priority,
			// Nobody who pushed waits for a scratch build that was asked for
			// by hand, and it must not replace what the commit's build says.
			Quiet: chain.Scratch,
		})
		var standing *queue.StandingBuildError
		if errors.As(err, &standing) {
			return &secondBuildError{asked: b.Asked, standing: standing}
		}
		if err != nil {
			return err
		}
		err = q.SetChainBuild(ctx, db.SetChainBuildParams{ChainID: chain.ID, GroupNumber: b.GroupNumber, Position: b.Position, BuildID: &id})
		if err != nil {
			return fmt.Errorf("distgit: note build %d of chain %d: %w", id, chain.ID, err)
		}
	}
	last := builds[len(builds)-1].GroupNumber
	reason := ""
	if last > 1 {
		reason = fmt.Sprintf("building group %d of %d", group, last)
	}
	if err := q.SetChainGroup(ctx, db.SetChainGroupParams{ID: chain.ID, CurrentGroup: group, Reason: reason}); err != nil {
		return fmt.Errorf("distgit: note group of chain %d: %w", chain.ID, err)
	}
	return nil
}

// advance looks at the group that is being built.
func (w *ChainWorker) advance(ctx context.Context, tx pgx.Tx, chain db.Chain) error {
	q := db.New(tx)
	builds, err := q.ChainBuilds(ctx, chain.ID)
	if err != nil {
		return fmt.Errorf("distgit: builds of chain %d: %w", chain.ID, err)
	}
	step := nextStep(chain, builds)
	switch {
	case step.failed != "":
		return queue.EndChain(ctx, tx, chain.ID, queue.TaskFailed, step.failed)
	case step.done:
		return queue.EndChain(ctx, tx, chain.ID, queue.TaskClosed, "")
	case step.start > 0:
		return w.startOrEnd(ctx, tx, chain, step.start)
	case step.waits != "":
		if err := q.SetChainReason(ctx, db.SetChainReasonParams{ID: chain.ID, Reason: step.waits}); err != nil {
			return fmt.Errorf("distgit: note what chain %d waits for: %w", chain.ID, err)
		}
	}
	return nil
}

// secondBuildError is a commit that a chain asked for and that has a build.
type secondBuildError struct {
	asked    string
	standing *queue.StandingBuildError
}

// Error implements error; people read it.
func (e *secondBuildError) Error() string { return e.asked + ": " + instead(e.standing) }

// Unwrap returns which build stands in the way.
func (e *secondBuildError) Unwrap() error { return e.standing }
