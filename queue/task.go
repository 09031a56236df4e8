package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/rivertype"

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

// ErrTaskOver says that a task needs no more work of this job.
var ErrTaskOver = errors.New("queue: the task is over")

// TooManyLossesError says that the workers of a job died one after another.
type TooManyLossesError struct{ Losses int }

// Error implements error.
func (e *TooManyLossesError) Error() string {
	return fmt.Sprintf("queue: %d workers died while they ran this task", e.Losses)
}

// Claim begins the next attempt of a task for a job. It returns ErrTaskOver
// when the task has ended or was given to another job, and
// *TooManyLossesError, with the task claimed, when the job has cost too many
// workers their lives.
func Claim(ctx context.Context, conn db.DBTX, taskID int64, job *rivertype.JobRow, clientID string) (db.Task, error) {
	task, err := db.New(conn).ClaimTask(ctx, db.ClaimTaskParams{ID: taskID, ClientID: &clientID, RiverJobID: &job.ID})
	if errors.Is(err, pgx.ErrNoRows) {
		return db.Task{}, ErrTaskOver
	}
	if err != nil {
		return db.Task{}, fmt.Errorf("queue: claim task %d: %w", taskID, err)
	}
	if n := losses(job.Metadata); n >= maxLosses {
		return task, &TooManyLossesError{Losses: n}
	}
	return task, nil
}

// jobMetadata is what we keep in the metadata of River rows.
type jobMetadata struct {
	Losses int `json:"distbot_losses,omitempty"`
}

func losses(metadata []byte) int {
	var m jobMetadata
	if err := json.Unmarshal(metadata, &m); err != nil {
		return 0
	}
	return m.Losses
}

// Ending is how an attempt of a task ends.
type Ending struct {
	State   string // TaskClosed, TaskFailed or TaskCanceled
	Phase   string
	Reason  string
	Failure string // FailurePackage, FailureInfrastructure, or empty
}

// Finish ends the attempt of a claimed task and tells whether it was the last
// unfinished child of its parent. The parent is locked first: of two children
// that end at the same moment exactly one is the last. It returns
// ErrLostAttempt when the attempt is no longer the task's.
func Finish(ctx context.Context, tx pgx.Tx, task db.Task, ending Ending) (last bool, err error) {
	q := db.New(tx)
	n, err := q.FinishTask(ctx, db.FinishTaskParams{
		ID: task.ID, Attempt: task.Attempt, ParentID: task.ParentID,
		State: ending.State, Phase: ending.Phase, Reason: ending.Reason, Failure: ending.Failure,
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

// Release gives a claimed task back without an outcome, to be claimed again by
// the job's next run. A task that was given up meanwhile stays as it is.
func Release(ctx context.Context, conn db.DBTX, task db.Task, reason string) error {
	_, err := db.New(conn).FreeTask(ctx, db.FreeTaskParams{ID: task.ID, Attempt: task.Attempt, Reason: reason})
	if err != nil {
		return fmt.Errorf("queue: release task %d: %w", task.ID, err)
	}
	return nil
}
