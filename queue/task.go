package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
)

// The methods of tasks, by Koji's names.
const (
	MethodBuild     = "build"
	MethodBuildSRPM = "buildSRPM"
	MethodBuildArch = "buildArch"
	MethodTagBuild  = "tagBuild"
	MethodNewRepo   = "newRepo"
)

// The states of tasks, by Koji's names.
const (
	TaskFree     = "FREE"
	TaskOpen     = "OPEN"
	TaskClosed   = "CLOSED"
	TaskCanceled = "CANCELED"
	TaskAssigned = "ASSIGNED"
	TaskFailed   = "FAILED"
)

// The two kinds of failure. Only infrastructure failures are tried again.
const (
	FailurePackage        = "package"
	FailureInfrastructure = "infrastructure"
)

// ErrLostAttempt says that the attempt was given up while it ran: its lease
// ended, or the task was cancelled. Nothing it did may be recorded.
var ErrLostAttempt = errors.New("queue: the attempt was given up")

// ErrTaskOver says that a task, or this attempt of it, needs no more work.
var ErrTaskOver = errors.New("queue: the task is over")

// Claim names an attempt of a task: what a host is given to work on.
type Claim struct {
	TaskID  int64 `json:"task_id"`
	Attempt int32 `json:"attempt"`
}

// String tells the attempt as people read it in logs.
func (c Claim) String() string { return fmt.Sprintf("task %d, attempt %d", c.TaskID, c.Attempt) }

// TooManyLossesError says that the hosts of a task died one after another.
type TooManyLossesError struct{ Losses int }

// Error implements error.
func (e *TooManyLossesError) Error() string {
	return fmt.Sprintf("queue: %d hosts died while they worked on this task", e.Losses)
}

// Begin opens an attempt that the host was given. token is the SHA-256 of what
// a remote host will show with every request about the attempt, nil for hosts
// that ask nobody. It returns ErrTaskOver when the attempt is not, or no longer,
// this host's; and *TooManyLossesError, with the attempt open, when the task has
// cost too many hosts their lives. To begin an open attempt once more is no
// error.
func Begin(ctx context.Context, conn db.DBTX, host Holder, claim Claim, token []byte) (db.Task, error) {
	task, err := db.New(conn).BeginTask(ctx, db.BeginTaskParams{
		ID: claim.TaskID, Attempt: claim.Attempt, HostID: &host.ID, ClientID: host.ClientID, TokenDigest: token,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return db.Task{}, ErrTaskOver
	}
	if err != nil {
		return db.Task{}, fmt.Errorf("queue: begin %s: %w", claim, err)
	}
	if task.Losses >= maxLosses {
		return task, &TooManyLossesError{Losses: int(task.Losses)}
	}
	return task, nil
}

// Attempt reads an open attempt of a host. It returns ErrLostAttempt when it is
// not, or no longer, this host's.
func Attempt(ctx context.Context, conn db.DBTX, host Holder, claim Claim) (db.Task, error) {
	task, err := db.New(conn).AttemptOfHost(ctx, db.AttemptOfHostParams{
		ID: claim.TaskID, Attempt: claim.Attempt, HostID: &host.ID, ClientID: host.ClientID,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return db.Task{}, ErrLostAttempt
	}
	if err != nil {
		return db.Task{}, fmt.Errorf("queue: read %s: %w", claim, err)
	}
	return task, nil
}

// Ending is how an attempt of a task ends.
type Ending struct {
	State   string // TaskClosed, TaskFailed or TaskCanceled
	Phase   string
	Reason  string
	Failure string // FailurePackage, FailureInfrastructure, or empty
	// Finding is what the logs say of a failure, in JSON; nil without.
	Finding json.RawMessage
}

// Finish ends the attempt of a claimed task and tells whether no child of its
// parent is left that the build waits for: of blocking ones the last to end, and
// each that ends after it. The parent is locked first: of two children
// that end at the same moment exactly one is the last. Where the attempt ends
// without success, all that is left of the parent's children is locked, so that
// they may be ended after it. It returns ErrLostAttempt when the attempt is no longer the task's.
func Finish(ctx context.Context, tx pgx.Tx, task db.Task, ending Ending) (last bool, err error) {
	q := db.New(tx)
	if ending.State != TaskClosed && task.ParentID != nil {
		// Who fails a task ends others, too: all are locked in their order.
		if err := q.LockOpenTasks(ctx, *task.ParentID); err != nil {
			return false, fmt.Errorf("queue: lock tasks of build %d: %w", task.BuildID, err)
		}
	}
	n, err := q.FinishTask(ctx, db.FinishTaskParams{
		ID: task.ID, Attempt: task.Attempt, ParentID: task.ParentID,
		State: ending.State, Phase: ending.Phase, Reason: ending.Reason, Failure: ending.Failure, Finding: ending.Finding,
	})
	if err != nil {
		return false, fmt.Errorf("queue: finish task %d: %w", task.ID, err)
	}
	if n == 0 {
		return false, ErrLostAttempt
	}
	if task.ParentID == nil {
		return true, nil
	}
	left, err := q.UnfinishedChildren(ctx, task.ParentID)
	if err != nil {
		return false, fmt.Errorf("queue: count children of task %d: %w", *task.ParentID, err)
	}
	return left == 0, nil
}

// Return says why an attempt is given back, and how the task goes on.
type Return struct {
	Reason string
	// Failed is true when the host or the network failed: the task will not be
	// tried for ever.
	Failed bool
	// Wait is how long the task waits at least.
	Wait time.Duration
	// Refuse keeps the task from the same host for so long, if there is
	// another.
	Refuse time.Duration
	// Finding is what the attempt's logs say of a failure, in JSON; nil without.
	Finding json.RawMessage
}

// Release gives an attempt back without a result and keeps how it ended. The
// scheduler makes the next. It returns ErrLostAttempt when the attempt was given
// up meanwhile; nothing has changed then.
func Release(ctx context.Context, tx pgx.Tx, task db.Task, back Return) error {
	q := db.New(tx)
	outcome := back.Reason
	if task.Phase != "" {
		outcome = task.Phase + ": " + outcome
	}
	if err := q.RecordAttempt(ctx, db.RecordAttemptParams{TaskID: task.ID, Attempt: task.Attempt, Outcome: outcome, Finding: back.Finding}); err != nil {
		return fmt.Errorf("queue: keep attempt of task %d: %w", task.ID, err)
	}
	var failures int32
	if back.Failed {
		failures = 1
	}
	n, err := q.FreeTask(ctx, db.FreeTaskParams{
		ID: task.ID, Attempt: task.Attempt, Reason: back.Reason, Failures: failures, WaitSeconds: back.Wait.Seconds(),
	})
	if err != nil {
		return fmt.Errorf("queue: release task %d: %w", task.ID, err)
	}
	if n == 0 {
		return ErrLostAttempt
	}
	if back.Refuse <= 0 || task.HostID == nil {
		return nil
	}
	err = q.RefuseTask(ctx, db.RefuseTaskParams{TaskID: task.ID, HostID: *task.HostID, Seconds: back.Refuse.Seconds(), Reason: back.Reason})
	if err != nil {
		return fmt.Errorf("queue: refuse task %d: %w", task.ID, err)
	}
	return nil
}
