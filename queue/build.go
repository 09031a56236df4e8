package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/internal/db"
)

// The states of builds, by Koji's names.
const (
	BuildBuilding = "BUILDING"
	BuildComplete = "COMPLETE"
	BuildDeleted  = "DELETED"
	BuildFailed   = "FAILED"
	BuildCanceled = "CANCELED"
)

// Weights of tasks as in Koji: what a host can do at a time is its capacity.
const (
	weightSRPM = 1.0
	weightArch = 1.5
	weightTag  = 0.1
)

// What builds begin with unless somebody says otherwise, as in Koji.
const (
	PriorityDefault = 20
	ChannelDefault  = "default"
)

// BuildURL is the page of a build below the installation's external URL.
func BuildURL(external string, buildID int64) string {
	return strings.TrimRight(external, "/") + "/builds/" + strconv.FormatInt(buildID, 10)
}

// NewBuild says what to build.
type NewBuild struct {
	PackageID    int64
	RepositoryID int64
	Target       string
	BuildTag     int64
	DestTag      int64
	Scratch      bool
	Ref          string
	Commit       string
	CommittedAt  time.Time
	PullNumber   *int64
	Spec         string
	// PlannedNVR is the static reader's guess, for people to look at.
	PlannedNVR string
	RetryOf    *int64
	// Priority is PriorityDefault where it is 0; lower is sooner.
	Priority int32
	// Channel is ChannelDefault where it is empty: only hosts of the channel
	// build it.
	Channel string
	// ArchOverride replaces the architectures of a scratch build.
	ArchOverride []string
	// Quiet builds tell the forge nothing.
	Quiet bool
}

// StartBuild begins a build in tx: the build, its task tree and the first
// pending statuses. The scheduler finds the first task. external is the
// installation's external URL. A commit that the target has another build of,
// made or in the making, is a *StandingBuildError, after which tx must be rolled
// back; scratch builds are exempt.
func StartBuild(ctx context.Context, tx pgx.Tx, inserter Inserter, external string, b NewBuild) (buildID int64, err error) {
	row, err := db.New(tx).InsertBuild(ctx, db.InsertBuildParams{
		PackageID: b.PackageID, RepositoryID: b.RepositoryID, Target: b.Target, BuildTag: b.BuildTag, DestTag: b.DestTag,
		Scratch: b.Scratch, Ref: b.Ref, CommitID: b.Commit, CommittedAt: b.CommittedAt, PullNumber: b.PullNumber,
		Spec: b.Spec, PlannedNvr: b.PlannedNVR, RetryOf: b.RetryOf, SrpmWeight: weightSRPM,
		Priority: cmp.Or(b.Priority, PriorityDefault), Channel: cmp.Or(b.Channel, ChannelDefault),
		ArchOverride: nonNil(b.ArchOverride), Quiet: b.Quiet,
	})
	if err != nil {
		return 0, fmt.Errorf("queue: insert build: %w", err)
	}
	if err := LockStatuses(ctx, tx, b.RepositoryID, b.Commit); err != nil {
		return 0, err
	}
	first := func(part, description string) Status {
		return Status{
			RepositoryID: b.RepositoryID, Commit: b.Commit, Context: ContextOf(b.Target, part), State: "pending",
			Finer: FinerQueued, Description: description, TargetURL: BuildURL(external, row.BuildID), BuildID: row.BuildID,
		}
	}
	queued, waits, err := firstWords(ctx, tx, row.BuildID)
	if err != nil {
		return 0, err
	}
	if err := WantStatuses(ctx, tx, inserter, []Status{first("", queued), first("srpm", waits)}); err != nil {
		return 0, err
	}
	return row.BuildID, onlyBuild(ctx, tx, row.BuildID)
}

// NewArch is a task that builds for Arch.
type NewArch struct {
	Arch string
	// RootArches are the architectures whose buildroots will do: one for an
	// architecture, one or more for noarch.
	RootArches []string
	Label      string
	// Policy is PolicyBlocking if it is empty.
	Policy string
}

// AddArches adds arch tasks to a running build and asks for statuses. The
// scheduler finds them. root is the build's own task.
func AddArches(ctx context.Context, tx pgx.Tx, inserter Inserter, buildID, root int64, arches []NewArch, statuses []Status) error {
	params := db.InsertArchTasksParams{ParentID: root, BuildID: buildID, Weight: weightArch}
	for _, arch := range arches {
		params.Arches, params.Roots = append(params.Arches, arch.Arch), append(params.Roots, strings.Join(arch.RootArches, " "))
		params.Labels = append(params.Labels, arch.Label)
		params.Policies = append(params.Policies, cmp.Or(arch.Policy, PolicyBlocking))
	}
	if _, err := db.New(tx).InsertArchTasks(ctx, params); err != nil {
		return fmt.Errorf("queue: insert arch tasks of build %d: %w", buildID, err)
	}
	return WantStatuses(ctx, tx, inserter, statuses)
}

// AddTag adds the task that tags a complete build, with its job. root is the
// build's own task.
func AddTag(ctx context.Context, tx pgx.Tx, inserter Inserter, buildID, root int64, label string) error {
	id, err := Insert(ctx, tx, inserter, TagArgs{BuildID: buildID})
	if err != nil {
		return err
	}
	err = db.New(tx).InsertTask(ctx, db.InsertTaskParams{
		ParentID: &root, BuildID: buildID, Method: MethodTagBuild, Label: label, Weight: weightTag, RiverJobID: id,
	})
	if err != nil {
		return fmt.Errorf("queue: insert tag task: %w", err)
	}
	return nil
}

// NotBuildingError says that a build is over.
type NotBuildingError struct {
	BuildID int64
	State   string
}

// Error implements error.
func (e *NotBuildingError) Error() string {
	return fmt.Sprintf("queue: build %d is %s", e.BuildID, e.State)
}

// ErrNoBuild says that there is no build of this id.
var ErrNoBuild = errors.New("queue: no such build")

// CancelBuild ends a running build: its tasks are canceled, the jobs of those
// that run are told to stop, and its statuses end as error. why is shown. Of a
// complete build it ends the arch tasks that the build did not wait for; the
// build stays as it is. Anything else is a *NotBuildingError.
func CancelBuild(ctx context.Context, pool *pgxpool.Pool, client Canceler, external string, buildID int64, why string) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		return CancelBuildTx(ctx, tx, client, external, buildID, why)
	})
}

// CancelBuildTx is CancelBuild as part of tx.
func CancelBuildTx(ctx context.Context, tx pgx.Tx, client Canceler, external string, buildID int64, why string) error {
	q := db.New(tx)
	build, err := q.LockBuild(ctx, buildID)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNoBuild
	}
	if err != nil {
		return fmt.Errorf("queue: lock build %d: %w", buildID, err)
	}
	if build.State == BuildComplete {
		lagging, err := cancelLagging(ctx, tx, client, external, buildID, why)
		if err != nil || lagging {
			return err
		}
	}
	if build.State != BuildBuilding {
		return &NotBuildingError{BuildID: buildID, State: build.State}
	}
	tasks, err := q.OpenTasksOfBuild(ctx, buildID)
	if err != nil {
		return fmt.Errorf("queue: tasks of build %d: %w", buildID, err)
	}
	for _, task := range tasks {
		if err := cancelTask(ctx, tx, client, task, why); err != nil {
			return err
		}
	}
	return EndBuild(ctx, tx, client, external, buildID, BuildEnd{State: BuildCanceled, Reason: why})
}

// CancelSiblings cancels the other unfinished tasks of a task's parent: with
// one of them failed, none of the others can save the build.
func CancelSiblings(ctx context.Context, tx pgx.Tx, client Canceler, task db.Task, why string) error {
	siblings, err := db.New(tx).OpenSiblings(ctx, db.OpenSiblingsParams{ParentID: task.ParentID, ID: task.ID})
	if err != nil {
		return fmt.Errorf("queue: siblings of task %d: %w", task.ID, err)
	}
	for _, sibling := range siblings {
		if err := cancelTask(ctx, tx, client, sibling, why); err != nil {
			return err
		}
	}
	return nil
}

// cancelTask ends a task and tells its job to stop.
func cancelTask(ctx context.Context, tx pgx.Tx, client Canceler, task db.Task, why string) error {
	if _, err := db.New(tx).EndTask(ctx, db.EndTaskParams{ID: task.ID, State: TaskCanceled, Reason: why}); err != nil {
		return fmt.Errorf("queue: cancel task %d: %w", task.ID, err)
	}
	if task.RiverJobID == nil {
		return recall(ctx, tx, client, task)
	}
	// A job that River has cleaned away runs no more.
	if _, err := client.JobCancelTx(ctx, tx, *task.RiverJobID); err != nil && !errors.Is(err, river.ErrNotFound) {
		return fmt.Errorf("queue: cancel job of task %d: %w", task.ID, err)
	}
	return nil
}

// recall rings at the remote host that works on a task. Should nobody answer,
// the host learns it when it renews its lease.
func recall(ctx context.Context, tx pgx.Tx, inserter Inserter, task db.Task) error {
	if task.HostID == nil || task.State != TaskAssigned && task.State != TaskOpen {
		return nil
	}
	_, err := Insert(ctx, tx, inserter, RecallArgs{HostID: *task.HostID, Claim: Claim{TaskID: task.ID, Attempt: task.Attempt}})
	return err
}

// BuildEnd is how a build ends before its results are part of the
// distribution.
type BuildEnd struct {
	State  string // BuildFailed or BuildCanceled
	Phase  string
	Reason string
	// Infrastructure is true when the package is not to blame: its statuses
	// end as error, not failure.
	Infrastructure bool
	// Detail is of the build's own status; nil when there is none.
	Detail *Detail
}

// EndBuild ends a build without success in tx, with its root task, and every
// status that is still pending.
func EndBuild(ctx context.Context, tx pgx.Tx, inserter Inserter, external string, buildID int64, end BuildEnd) error {
	q := db.New(tx)
	n, err := q.FinishBuild(ctx, db.FinishBuildParams{ID: buildID, State: end.State, Phase: end.Phase, Reason: end.Reason})
	if err != nil {
		return fmt.Errorf("queue: end build %d: %w", buildID, err)
	}
	if n == 0 {
		return nil
	}
	build, err := q.GetBuild(ctx, buildID)
	if err != nil {
		return fmt.Errorf("queue: read build %d: %w", buildID, err)
	}
	taskState, state := TaskFailed, "failure"
	if end.State == BuildCanceled {
		taskState = TaskCanceled
	}
	if end.Infrastructure || end.State == BuildCanceled {
		state = "error"
	}
	if _, err := q.EndTask(ctx, db.EndTaskParams{ID: *build.TaskID, State: taskState, Reason: end.Reason}); err != nil {
		return fmt.Errorf("queue: end root task of build %d: %w", buildID, err)
	}
	if err := LockStatuses(ctx, tx, build.RepositoryID, build.CommitID); err != nil {
		return err
	}
	pending, err := q.PendingContexts(ctx, db.PendingContextsParams{RepositoryID: build.RepositoryID, CommitID: build.CommitID, BuildID: buildID})
	if err != nil {
		return fmt.Errorf("queue: pending statuses of build %d: %w", buildID, err)
	}
	statuses := make([]Status, len(pending))
	for i, context := range pending {
		statuses[i] = Status{
			RepositoryID: build.RepositoryID, Commit: build.CommitID, Context: context, State: state,
			Description: end.Reason, TargetURL: BuildURL(external, buildID), BuildID: buildID,
		}
		if end.State == BuildCanceled {
			statuses[i].Finer = FinerCanceled
		}
		if context == ContextOf(build.Target, "") {
			statuses[i].Detail = end.Detail
		}
	}
	if err := applyPolicies(ctx, q, buildID, build.Target, statuses); err != nil {
		return err
	}
	if err := WantStatuses(ctx, tx, inserter, statuses); err != nil {
		return err
	}
	return Follow(ctx, tx, inserter, buildID)
}

// RetryBuild starts a build again that failed or was canceled, as a new build
// of the same commit with the priority and in the channel of the old one. It
// returns ErrNoBuild, *NotBuildingError for a build in another state, and
// *StandingBuildError for a commit that another build builds or has built.
func RetryBuild(ctx context.Context, pool *pgxpool.Pool, inserter Inserter, external string, buildID int64) (newID int64, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		b, err := db.New(tx).RetryableBuild(ctx, buildID)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNoBuild
		}
		if err != nil {
			return fmt.Errorf("queue: read build %d: %w", buildID, err)
		}
		if b.State != BuildFailed && b.State != BuildCanceled {
			return &NotBuildingError{BuildID: buildID, State: b.State}
		}
		newID, err = StartBuild(ctx, tx, inserter, external, NewBuild{
			PackageID: b.PackageID, RepositoryID: b.RepositoryID, Target: b.Target, BuildTag: b.BuildTag, DestTag: b.DestTag,
			Scratch: b.Scratch, Ref: b.Ref, Commit: b.CommitID, CommittedAt: b.CommittedAt, PullNumber: b.PullNumber,
			Spec: b.Spec, PlannedNVR: b.PlannedNvr, RetryOf: &buildID, ArchOverride: b.ArchOverride, Quiet: b.Quiet,
			Priority: b.Priority, Channel: b.Channel,
		})
		return err
	})
	return newID, err
}
