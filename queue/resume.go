package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
)

// NotResumableError says why a build can't be resumed.
type NotResumableError struct {
	BuildID int64
	// Reason is a sentence.
	Reason string
}

// Error implements error.
func (e *NotResumableError) Error() string {
	return fmt.Sprintf("queue: build %d can't be resumed: %s", e.BuildID, e.Reason)
}

// ResumeBuild builds the architectures of a failed or canceled build that were
// not finished, as a new build of the same source package. What was finished is
// part of the new build, whose tasks say which tasks made it. It returns
// ErrNoBuild, *NotBuildingError for a build in another state,
// *StandingBuildError for a commit that another build builds or has built, and
// *NotResumableError when there is nothing to go on with.
func ResumeBuild(ctx context.Context, pool *pgxpool.Pool, inserter Inserter, external string, buildID int64) (newID int64, arches []string, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		build, err := db.New(tx).RetryableBuild(ctx, buildID)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNoBuild
		}
		if err != nil {
			return fmt.Errorf("queue: read build %d: %w", buildID, err)
		}
		if build.State != BuildFailed && build.State != BuildCanceled {
			return &NotBuildingError{BuildID: buildID, State: build.State}
		}
		left, done, err := unfinished(ctx, tx, buildID)
		if err != nil {
			return err
		}
		for _, task := range left {
			arches = append(arches, task.Arch)
		}
		newID, err = resume(ctx, tx, inserter, external, buildID, left, done)
		return err
	})
	return newID, arches, err
}

// unfinished parts the architectures of a build into those that are left and
// those that are done.
func unfinished(ctx context.Context, tx pgx.Tx, buildID int64) (left []NewArch, done []db.Task, err error) {
	tasks, err := db.New(tx).TasksOfBuild(ctx, buildID)
	if err != nil {
		return nil, nil, fmt.Errorf("queue: tasks of build %d: %w", buildID, err)
	}
	source := false
	for _, task := range tasks {
		closed := task.State == TaskClosed
		switch {
		case task.Method == MethodBuildSRPM && closed:
			source, done = true, append(done, task)
		case task.Method == MethodBuildArch && closed:
			done = append(done, task)
		case task.Method == MethodBuildArch:
			left = append(left, NewArch{Arch: task.Arch, RootArches: task.RootArches, Label: task.Label, Policy: task.Policy})
		}
	}
	switch {
	case !source || len(left)+len(done) < 2:
		return nil, nil, &NotResumableError{BuildID: buildID, Reason: "it made no source package that could be built on; retry the whole build"}
	case len(left) == 0:
		return nil, nil, &NotResumableError{BuildID: buildID, Reason: "no architecture failed; retry the whole build"}
	}
	return left, done, nil
}

// resume inserts the new build.
func resume(ctx context.Context, tx pgx.Tx, inserter Inserter, external string, buildID int64, left []NewArch, done []db.Task) (int64, error) {
	q := db.New(tx)
	from := "build " + strconv.FormatInt(buildID, 10)
	var row db.InsertResumedBuildRow
	err := pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) (err error) {
		row, err = db.New(savepoint).InsertResumedBuild(ctx, db.InsertResumedBuildParams{
			OldBuild: buildID, RetryOf: &buildID, Reason: "made by " + from, Methods: []string{MethodBuildSRPM, MethodBuildArch},
		})
		return err
	})
	var taken *pgconn.PgError
	if errors.As(err, &taken) && taken.Code == uniqueViolation {
		return 0, &NotResumableError{BuildID: buildID, Reason: "another build has its NVR meanwhile"}
	}
	if err != nil {
		return 0, fmt.Errorf("queue: resume %s: %w", from, err)
	}
	build, err := q.GetBuild(ctx, row.BuildID)
	if err != nil {
		return 0, fmt.Errorf("queue: read build %d: %w", row.BuildID, err)
	}
	if err := LockStatuses(ctx, tx, build.RepositoryID, build.CommitID); err != nil {
		return 0, err
	}
	status := func(part, state, description string) Status {
		return Status{
			RepositoryID: build.RepositoryID, Commit: build.CommitID, Context: ContextOf(build.Target, part), State: state,
			Description: description, TargetURL: BuildURL(external, build.ID), BuildID: build.ID,
		}
	}
	var names []string
	statuses := []Status{}
	for _, arch := range left {
		names = append(names, arch.Arch)
		waiting := status(arch.Arch, "pending", "waiting for a builder")
		waiting.Finer = FinerQueued
		statuses = append(statuses, waiting)
	}
	for _, task := range done {
		part := task.Arch
		if task.Method == MethodBuildSRPM {
			part = "srpm"
		}
		statuses = append(statuses, status(part, "success", "made by "+from))
	}
	statuses = append(statuses, status("", "pending", "building "+*build.Nvr+" again for "+strings.Join(names, " ")))
	if err := AddArches(ctx, tx, inserter, row.BuildID, *row.TaskID, left, statuses); err != nil {
		return 0, err
	}
	// What they wait for is known only now.
	_, waits, err := firstWords(ctx, tx, row.BuildID)
	if err != nil {
		return 0, err
	}
	for i := range left {
		statuses[i].Description = waits
	}
	if err := WantStatuses(ctx, tx, inserter, statuses[:len(left)]); err != nil {
		return 0, err
	}
	if err := onlyBuild(ctx, tx, row.BuildID); err != nil {
		return 0, err
	}
	for _, arch := range left {
		if cmp.Or(arch.Policy, PolicyBlocking) == PolicyBlocking {
			return row.BuildID, nil
		}
	}
	// The build waits for none of them.
	_, err = Insert(ctx, tx, inserter, ImportArgs{BuildID: row.BuildID})
	return row.BuildID, err
}

// uniqueViolation is PostgreSQL's SQLSTATE 23505.
const uniqueViolation = "23505"
