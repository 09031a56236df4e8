package builders

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// end ends an attempt that could not go on.
func (a *Attempt) end(ctx context.Context, err error) error {
	var wait *queue.WaitError
	if errors.As(err, &wait) {
		return a.release(ctx, queue.Return{Reason: wait.Reason, Wait: max(wait.After, repoPoll)})
	}
	var losses *queue.TooManyLossesError
	if errors.As(err, &losses) {
		return a.fail(ctx, a.explain(err))
	}
	return a.Fail(ctx, a.explain(err))
}

// Release gives the attempt back, for a reason that is nobody's fault: the task
// starts again elsewhere.
func (a *Attempt) Release(ctx context.Context, reason string) error {
	return a.release(ctx, queue.Return{Reason: reason, Wait: a.pause(freeReturns)})
}

// freeReturns is how often a task may be given back before it waits for its next
// try: hosts stop now and then.
const freeReturns = 3

// pause is how long a task waits that is given back, longer each time: a host
// that only ever gives back must not keep everybody busy.
func (a *Attempt) pause(free int32) time.Duration {
	if a.task.Attempt <= free {
		return 0
	}
	return min(time.Second<<min(a.task.Attempt-free-1, 10), 5*time.Minute)
}

// Refuse gives the attempt back since this host can't take it now: another
// should.
func (a *Attempt) Refuse(ctx context.Context, reason string) error {
	return a.release(ctx, queue.Return{Reason: reason, Wait: max(time.Second, a.pause(freeReturns)), Refuse: refuseFor})
}

// refuseFor is how long a host that refused a task is not asked again while
// there are others.
const refuseFor = 2 * time.Minute

func (a *Attempt) release(ctx context.Context, back queue.Return) error {
	back.Reason = queue.OneLine(back.Reason)
	err := pgx.BeginFunc(ctx, a.stages.Pool, func(tx pgx.Tx) error {
		if err := queue.Release(ctx, tx, a.task, back); err != nil {
			return err
		}
		again := a.status(statusPart(a.task), "pending", "trying again: "+back.Reason)
		again.Finer = queue.FinerQueued
		return queue.WantStatus(ctx, tx, a.stages.Jobs, queue.ArchStatus(a.task.Policy, again))
	})
	if err != nil && !errors.Is(err, queue.ErrLostAttempt) {
		return fmt.Errorf("builders: release task %d: %w", a.task.ID, err)
	}
	return err
}

// maxFailures is how often a task is tried when hosts, mirrors and networks are
// to blame.
const maxFailures = 8

// Fail ends the attempt as failed. A failure of the package ends the build; one
// of the infrastructure ends the attempt, and the build when the task has been
// tried too often.
func (a *Attempt) Fail(ctx context.Context, failure Failure) error {
	failure.Reason = queue.OneLine(failure.Error())
	if failure.Phase == "" {
		failure.Phase = Phase(a.task.Phase)
	}
	a.addNearest(ctx, &failure)
	tried := a.task.Failures + 1
	if !failure.Infrastructure || tried >= maxFailures {
		return a.fail(ctx, failure)
	}
	a.stages.Logger.Warn("builders: task will be tried again", "task", a.task.ID, "attempt", a.task.Attempt, "phase", failure.Phase, "reason", failure.Reason)
	wait := min(time.Second<<(tried-1), 5*time.Minute)
	a.task.Phase = string(failure.Phase)
	return a.release(ctx, queue.Return{Reason: failure.Reason, Failed: true, Wait: wait, Refuse: refuseFor, Finding: a.finding(failure)})
}

// fail ends the task, its siblings and the build.
func (a *Attempt) fail(ctx context.Context, failure Failure) error {
	s := a.stages
	s.Logger.Info("builders: task failed", "task", a.task.ID, "build", a.build.ID, "phase", failure.Phase, "reason", failure.Reason, "infrastructure", failure.Infrastructure)
	detail := a.failureDetail(failure)
	err := pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		if _, err := db.New(tx).LockBuild(ctx, a.build.ID); err != nil {
			return err
		}
		kind := queue.FailurePackage
		if failure.Infrastructure {
			kind = queue.FailureInfrastructure
		}
		_, err := queue.Finish(ctx, tx, a.task, queue.Ending{
			State: queue.TaskFailed, Phase: string(failure.Phase), Reason: failure.Reason, Failure: kind, Finding: a.finding(failure),
		})
		if err != nil {
			return err
		}
		state := "failure"
		if failure.Infrastructure {
			state = "error"
		}
		status := a.status(statusPart(a.task), state, failure.Reason)
		status.Detail = detail
		if apart, err := queue.FailedApart(ctx, tx, s.Jobs, a.task, status); apart || err != nil {
			return err
		}
		what := taskWords(a.task)
		// Tasks and jobs before statuses, as everywhere.
		if err := queue.CancelSiblings(ctx, tx, s.Jobs, a.task, "canceled: "+what+" failed"); err != nil {
			return err
		}
		if err := queue.LockStatuses(ctx, tx, a.build.RepositoryID, a.build.CommitID); err != nil {
			return err
		}
		if err := queue.WantStatus(ctx, tx, s.Jobs, queue.ArchStatus(a.task.Policy, status)); err != nil {
			return err
		}
		return queue.EndBuild(ctx, tx, s.Jobs, s.ExternalURL, a.build.ID, queue.BuildEnd{
			State: queue.BuildFailed, Phase: string(failure.Phase), Reason: what + ": " + failure.Reason, Infrastructure: failure.Infrastructure,
			// One note on a line is enough.
			Detail: &queue.Detail{Summary: detail.Summary},
		})
	})
	if err != nil && !errors.Is(err, queue.ErrLostAttempt) {
		return fmt.Errorf("builders: record failure of task %d: %w", a.task.ID, err)
	}
	return err
}

// explain finds the failure in an error; errors without one are
// infrastructure's. The reason may be a hostile build's words: it comes back as
// one line.
func (a *Attempt) explain(err error) Failure {
	f := Explain(err)
	if f.Phase == "" {
		f.Phase = Phase(a.task.Phase)
	}
	return f
}

// Explain finds the failure in an error of a driver or of the hub; one without
// is the infrastructure's. The reason may be a hostile build's words: it comes
// back as one line.
func Explain(err error) Failure {
	f := Failure{Infrastructure: true, Reason: err.Error(), Err: err}
	var known *Failure
	if errors.As(err, &known) {
		f = *known
		f.Reason = known.Error()
	}
	if errors.Is(err, syscall.ENOSPC) {
		f.Infrastructure, f.Reason = true, "no space left on the builder's disk: "+f.Reason
	}
	f.Reason = queue.OneLine(f.Reason)
	return f
}

// statusPart names the part of a build that a task is, in status contexts.
func statusPart(task db.Task) string {
	if task.Method == queue.MethodBuildSRPM {
		return "srpm"
	}
	return task.Arch
}

// status is the status of a part of the attempt's build.
func (a *Attempt) status(part, state, description string) queue.Status {
	return a.stages.status(a.build, part, state, description)
}
