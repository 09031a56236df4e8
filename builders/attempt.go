package builders

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// run does one attempt of a task: it claims the task, lets do the work and
// record it in a transaction of its own, and decides what follows an error.
func (s *Stages) run(ctx context.Context, row *queue.JobRow, taskID int64, do func(context.Context, *attempt) error) error {
	a, err := s.begin(ctx, row, taskID)
	if a == nil {
		if errors.Is(err, queue.ErrTaskOver) {
			return nil
		}
		return queue.Outcome(err)
	}
	defer func() {
		if err := os.RemoveAll(a.dir); err != nil {
			s.Logger.Warn("builders: remove work directory", "task", taskID, "error", err)
		}
	}()
	if err == nil {
		if err = s.makeDirs(a); err == nil {
			err = s.guard(ctx, a, do)
		}
	}
	if err == nil {
		s.Logger.Info("builders: task done", "task", taskID, "method", a.task.Method, "arch", a.task.Arch, "build", a.build.ID)
		return nil
	}
	return s.follow(ctx, row, a, err)
}

// guard turns a panic of the work into an error: what a hostile package can
// trip over must end its own build like any other failure, not be tried for
// ever.
func (s *Stages) guard(ctx context.Context, a *attempt, do func(context.Context, *attempt) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.Logger.Error("builders: panic", "task", a.task.ID, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("builders: panic: %v", p)
		}
	}()
	return do(ctx, a)
}

// begin waits for the build tag's repository and claims the task. An attempt
// comes back with an error when the task was claimed and must not be worked on.
func (s *Stages) begin(ctx context.Context, job *queue.JobRow, taskID int64) (*attempt, error) {
	row, err := db.New(s.Pool).BuildOfTask(ctx, taskID)
	if err != nil {
		return nil, fmt.Errorf("builders: read build of task %d: %w", taskID, err)
	}
	build := db.GetBuildRow(row)
	if err := ready(build); err != nil {
		return nil, err
	}
	task, err := queue.Claim(ctx, s.Pool, taskID, job, s.ClientID)
	var losses *queue.TooManyLossesError
	if errors.As(err, &losses) {
		return &attempt{task: task, build: build}, queue.Permanent(err)
	}
	if err != nil {
		return nil, err
	}
	return &attempt{task: task, build: build}, nil
}

// follow decides what an error of an attempt leads to, and records it.
func (s *Stages) follow(ctx context.Context, row *queue.JobRow, a *attempt, err error) error {
	log := s.Logger.With("task", a.task.ID, "attempt", a.task.Attempt, "method", a.task.Method, "build", a.build.ID)
	if errors.Is(err, queue.ErrLostAttempt) {
		log.Warn("builders: attempt was given up meanwhile; its results are dropped")
		return nil
	}
	if queue.Canceled(ctx) {
		log.Info("builders: canceled")
		return err
	}
	// What is recorded now must be recorded even while this process stops.
	record, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	failure := explain(a, err)
	fate := queue.FateOf(ctx, row, err)
	switch {
	case fate == queue.Retry && ctx.Err() != nil:
		failure.Reason = "the builder was stopped"
	case fate == queue.Retry && !failure.Infrastructure:
		fate = queue.GiveUp
	}
	switch fate {
	case queue.GiveUp:
		log.Info("builders: task failed", "phase", failure.Phase, "reason", failure.Reason, "infrastructure", failure.Infrastructure)
		return s.fail(record, a, failure)
	case queue.Retry:
		log.Warn("builders: task will be tried again", "phase", failure.Phase, "reason", failure.Reason)
		if recErr := s.recordRetry(record, a, failure); recErr != nil {
			return errors.Join(err, recErr)
		}
		if ctx.Err() != nil {
			// River does not count a try that a stop ended, and knows it by
			// the context's own error.
			return context.Cause(ctx)
		}
		return err
	default:
		if relErr := queue.Release(record, s.Pool, a.task, failure.Reason); relErr != nil {
			return errors.Join(err, relErr)
		}
		return queue.Outcome(err)
	}
}

// explain finds the failure in an error; errors without one are
// infrastructure's. The reason may be a hostile build's words: it comes back as
// one line.
func explain(a *attempt, err error) Failure {
	f := findFailure(a, err)
	f.Reason = queue.OneLine(f.Error())
	return f
}

func findFailure(a *attempt, err error) Failure {
	var failure *Failure
	if errors.As(err, &failure) {
		f := *failure
		if f.Phase == "" {
			f.Phase = a.phase
		}
		if errors.Is(err, syscall.ENOSPC) {
			f.Infrastructure, f.Reason = true, "no space left on the builder's disk: "+f.Error()
		}
		return f
	}
	reason := err.Error()
	if errors.Is(err, syscall.ENOSPC) {
		reason = "no space left on the builder's disk: " + reason
	}
	return Failure{Phase: a.phase, Infrastructure: true, Reason: reason, Err: err}
}

// recordRetry keeps what an attempt came to, frees the task for the next one
// and says so in the status.
func (s *Stages) recordRetry(ctx context.Context, a *attempt, failure Failure) error {
	err := pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		err := db.New(tx).RecordAttempt(ctx, db.RecordAttemptParams{
			TaskID: a.task.ID, Attempt: a.task.Attempt, ClientID: s.ClientID, StartedAt: *a.task.StartedAt,
			Outcome: string(failure.Phase) + ": " + failure.Reason,
		})
		if err != nil {
			return err
		}
		if err := queue.Release(ctx, tx, a.task, failure.Reason); err != nil {
			return err
		}
		return s.want(ctx, tx, a.build, statusPart(a.task), "pending", "trying again: "+failure.Reason)
	})
	if err != nil {
		return fmt.Errorf("builders: record retry of task %d: %w", a.task.ID, err)
	}
	return nil
}

// fail ends the task, its siblings and the build.
func (s *Stages) fail(ctx context.Context, a *attempt, failure Failure) error {
	err := pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		if _, err := db.New(tx).LockBuild(ctx, a.build.ID); err != nil {
			return err
		}
		kind := queue.FailurePackage
		if failure.Infrastructure {
			kind = queue.FailureInfrastructure
		}
		_, err := queue.Finish(ctx, tx, a.task, queue.Ending{
			State: queue.TaskFailed, Phase: string(failure.Phase), Reason: failure.Reason, Failure: kind,
		})
		if err != nil {
			return err
		}
		what := "source package"
		if a.task.Arch != "" {
			what = a.task.Arch
		}
		// Tasks and jobs before statuses, as everywhere.
		if err := queue.CancelSiblings(ctx, tx, s.Jobs, a.task, "canceled: "+what+" failed"); err != nil {
			return err
		}
		if err := queue.LockStatuses(ctx, tx, a.build.RepositoryID, a.build.CommitID); err != nil {
			return err
		}
		state := "failure"
		if failure.Infrastructure {
			state = "error"
		}
		if err := s.want(ctx, tx, a.build, statusPart(a.task), state, failure.Reason); err != nil {
			return err
		}
		return queue.EndBuild(ctx, tx, s.Jobs, s.ExternalURL, a.build.ID, queue.BuildEnd{
			State: queue.BuildFailed, Phase: string(failure.Phase), Reason: what + ": " + failure.Reason, Infrastructure: failure.Infrastructure,
		})
	})
	if errors.Is(err, queue.ErrLostAttempt) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("builders: record failure of task %d: %w", a.task.ID, err)
	}
	return nil
}

// statusPart is the part of a build whose status context a task has.
func statusPart(task db.Task) string {
	if task.Method == queue.MethodBuildSRPM {
		return "srpm"
	}
	return task.Arch
}

// want asks for the status of a part of a build.
func (s *Stages) want(ctx context.Context, tx pgx.Tx, build db.GetBuildRow, part, state, description string) error {
	return queue.WantStatus(ctx, tx, s.Jobs, s.status(build, part, state, description))
}

// status is the status of a part of a build.
func (s *Stages) status(build db.GetBuildRow, part, state, description string) queue.Status {
	return queue.Status{
		RepositoryID: build.RepositoryID, Commit: build.CommitID, Context: queue.ContextOf(build.Target, part),
		State: state, Description: description, TargetURL: queue.BuildURL(s.ExternalURL, build.ID), BuildID: build.ID,
	}
}
