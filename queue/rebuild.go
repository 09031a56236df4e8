package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/internal/db"
)

// NotRebuildableError says why architectures of a build can't be built again by
// themselves.
type NotRebuildableError struct {
	BuildID int64
	// Arch is the architecture, empty when no one of the build can be.
	Arch string
	// Reason is in words.
	Reason string
}

// Error implements error.
func (e *NotRebuildableError) Error() string {
	if e.Arch == "" {
		return fmt.Sprintf("queue: build %d: %s", e.BuildID, e.Reason)
	}
	return fmt.Sprintf("queue: build %d: %s: %s", e.BuildID, e.Arch, e.Reason)
}

// RebuildArches builds a complete build again for architectures that failed
// without it, lagging and best-effort ones: each gets a next attempt, whose
// packages join the build. No architecture named is all that can be. The history
// of earlier attempts is kept, and the statuses of these architectures are
// pending again. It returns the architectures that are built now.
//
// What can't be built again by itself is a *NotRebuildableError, and nothing is
// done: a blocking architecture failed with its build, which RetryBuild builds
// again.
func RebuildArches(ctx context.Context, pool *pgxpool.Pool, inserter Inserter, buildID int64, arches []string) (rebuilt []string, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		build, err := q.LockBuild(ctx, buildID)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNoBuild
		}
		if err != nil {
			return fmt.Errorf("queue: lock build %d: %w", buildID, err)
		}
		if build.State != BuildComplete {
			return &NotRebuildableError{BuildID: buildID, Reason: "it is " + build.State + "; only a complete build takes more packages"}
		}
		tasks, err := q.LockArchTasks(ctx, buildID)
		if err != nil {
			return fmt.Errorf("queue: arch tasks of build %d: %w", buildID, err)
		}
		chosen, err := rebuildable(buildID, tasks, arches)
		if err != nil {
			return err
		}
		for _, task := range chosen {
			rebuilt = append(rebuilt, task.Arch)
		}
		return buildAgain(ctx, tx, inserter, buildID, chosen)
	})
	if err != nil {
		return nil, err
	}
	return rebuilt, nil
}

// rebuildable picks the tasks of the arches named, or all that can be worked on
// again.
func rebuildable(buildID int64, tasks []db.Task, arches []string) ([]db.Task, error) {
	var chosen []db.Task
	for _, task := range tasks {
		if again(task) == "" && (len(arches) == 0 || slices.Contains(arches, task.Arch)) {
			chosen = append(chosen, task)
		}
	}
	for _, arch := range arches {
		i := slices.IndexFunc(tasks, func(t db.Task) bool { return t.Arch == arch })
		if i < 0 {
			return nil, &NotRebuildableError{BuildID: buildID, Arch: arch, Reason: "the build has no task for it"}
		}
		if reason := again(tasks[i]); reason != "" {
			return nil, &NotRebuildableError{BuildID: buildID, Arch: arch, Reason: reason}
		}
	}
	if len(chosen) == 0 {
		return nil, &NotRebuildableError{BuildID: buildID, Reason: "no lagging or best-effort arch of it failed"}
	}
	return chosen, nil
}

// again says why a task of a complete build can't be worked on again, or
// nothing.
func again(task db.Task) (refusal string) {
	switch {
	case task.Policy == PolicyBlocking:
		return "it is blocking, and done with its build"
	case task.State != TaskFailed && task.State != TaskCanceled:
		return "its task is " + task.State
	}
	return ""
}

// buildAgain frees tasks that ended, for the scheduler to find, and makes their statuses
// pending.
func buildAgain(ctx context.Context, tx pgx.Tx, inserter Inserter, buildID int64, tasks []db.Task) error {
	q := db.New(tx)
	build, err := q.GetBuild(ctx, buildID)
	if err != nil {
		return fmt.Errorf("queue: read build %d: %w", buildID, err)
	}
	for _, task := range tasks {
		if err := keepAttempt(ctx, q, task); err != nil {
			return err
		}
		if _, err := q.ReopenTask(ctx, task.ID); err != nil {
			return fmt.Errorf("queue: reopen task %d: %w", task.ID, err)
		}
	}
	// After builds and tasks, as everywhere.
	if err := LockStatuses(ctx, tx, build.RepositoryID, build.CommitID); err != nil {
		return err
	}
	return reopen(ctx, tx, inserter, build, tasks)
}

// keepAttempt writes the last attempt of a task that ended into its history.
func keepAttempt(ctx context.Context, q *db.Queries, task db.Task) error {
	if task.StartedAt == nil || task.ClientID == nil {
		return nil // nobody ever worked on it
	}
	outcome := strings.TrimPrefix(task.Phase+": "+task.Reason, ": ")
	err := q.RecordAttempt(ctx, db.RecordAttemptParams{TaskID: task.ID, Attempt: task.Attempt, Outcome: outcome})
	if err != nil {
		return fmt.Errorf("queue: keep attempt %d of task %d: %w", task.Attempt, task.ID, err)
	}
	return nil
}

// reopen makes the final statuses of tasks pending, where no newer build took
// them over.
func reopen(ctx context.Context, tx pgx.Tx, inserter Inserter, build db.GetBuildRow, tasks []db.Task) error {
	var jobs []river.JobArgs
	for _, task := range tasks {
		status := ArchStatus(task.Policy, Status{Description: "waiting for a builder, again"})
		commits, err := db.New(tx).ReopenReport(ctx, db.ReopenReportParams{
			RepositoryID: build.RepositoryID, CommitID: build.CommitID, BuildID: build.ID,
			Context: ContextOf(build.Target, task.Arch), Description: status.Description,
		})
		if err != nil {
			return fmt.Errorf("queue: reopen status of %s: %w", task.Arch, err)
		}
		for _, commit := range commits {
			jobs = []river.JobArgs{ReportArgs{RepositoryID: commit.RepositoryID, Commit: commit.CommitID}}
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	_, err := insertAll(ctx, tx, inserter, jobs)
	return err
}
