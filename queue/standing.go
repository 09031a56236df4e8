package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
)

// StandingBuildError says that a commit needs no other build for a target: one
// is made, or was. A second one would fail for its name, which the first has,
// once its source package is made. Scratch builds stand in nobody's way.
type StandingBuildError struct {
	BuildID int64
	// State is BuildBuilding or BuildComplete.
	State  string
	Target string
	// NVR is empty as long as the build has made no source package.
	NVR string
}

// Error implements error.
func (e *StandingBuildError) Error() string { return "queue: " + e.Reason() }

// Reason is the same for people, without what they may do instead.
func (e *StandingBuildError) Reason() string {
	named := ""
	if e.NVR != "" {
		named = " (" + e.NVR + ")"
	}
	if e.State == BuildBuilding {
		return fmt.Sprintf("this commit is being built for %s already, as build %d%s", e.Target, e.BuildID, named)
	}
	return fmt.Sprintf("this commit was built for %s already, as build %d%s", e.Target, e.BuildID, named)
}

// onlyBuild refuses a new build of a commit that its target has another one of.
// Its transaction holds the row of the build's own status by now, which is one
// for all builds of the commit and the target: who comes second waits for the
// first, and finds it.
func onlyBuild(ctx context.Context, tx pgx.Tx, buildID int64) error {
	standing, err := db.New(tx).StandingBuild(ctx, buildID)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("queue: look for other builds of the commit of build %d: %w", buildID, err)
	}
	refusal := &StandingBuildError{BuildID: standing.ID, State: standing.State, Target: standing.Target}
	if standing.Nvr != nil {
		refusal.NVR = *standing.Nvr
	}
	return refusal
}

// Yield gives in tx the statuses of a running build back to an older one of the
// same commit and target that has the NVR of both: they were the older build's,
// would be final with the end of the one that lost, and then nothing could be
// said of the older one. It is called before EndBuild, by who has locked the
// build that loses and wants no status of it any more. Of an owner of another
// commit or target it returns false, and nothing changes.
//
// No two such builds begin as long as StartBuild and ResumeBuild refuse the
// second; this is for those that began before.
func Yield(ctx context.Context, tx pgx.Tx, inserter Inserter, external string, buildID, owner int64) (yielded bool, err error) {
	q := db.New(tx)
	build, err := q.GetBuild(ctx, buildID)
	if err != nil {
		return false, fmt.Errorf("queue: read build %d: %w", buildID, err)
	}
	// What is read of the owner after this is not older than its statuses: who
	// ends it wants them in the same transaction.
	if err := LockStatuses(ctx, tx, build.RepositoryID, build.CommitID); err != nil {
		return false, err
	}
	other, err := q.GetBuild(ctx, owner)
	if err != nil {
		return false, fmt.Errorf("queue: read build %d: %w", owner, err)
	}
	if other.RepositoryID != build.RepositoryID || other.CommitID != build.CommitID || other.Target != build.Target || other.Nvr == nil {
		return false, nil
	}
	root, err := q.GetTask(ctx, *other.TaskID)
	if err != nil {
		return false, fmt.Errorf("queue: read root task of build %d: %w", owner, err)
	}
	params := db.YieldReportsParams{
		RepositoryID: build.RepositoryID, CommitID: build.CommitID, BuildID: buildID, Owner: owner, TargetUrl: BuildURL(external, owner),
		Whole: ContextOf(build.Target, ""), State: "pending", Description: *other.Nvr + " is being built",
	}
	switch root.State {
	case TaskClosed:
		params.State, params.Description = "success", *other.Nvr+" was built"
	case TaskFailed:
		params.State, params.Description = "failure", root.Reason
	}
	n, err := q.YieldReports(ctx, params)
	if err != nil {
		return false, fmt.Errorf("queue: give the statuses of build %d back to build %d: %w", buildID, owner, err)
	}
	if n == 0 {
		return true, nil // a newer build has them
	}
	_, err = Insert(ctx, tx, inserter, ReportArgs{RepositoryID: build.RepositoryID, Commit: build.CommitID})
	return true, err
}
