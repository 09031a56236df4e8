package queue

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
)

// What an architecture's failure means to its build. A target says it of the
// architectures of its builds, and tasks keep what it said when they were made.
const (
	// PolicyBlocking is the default: the build waits for the architecture and
	// fails with it.
	PolicyBlocking = "blocking"
	// PolicyLagging is of an architecture whose packages join the build when they
	// are ready. Its failure is shown as one, and the build stays as it is.
	PolicyLagging = "lagging"
	// PolicyBestEffort is lagging, and that it failed is told but never shown as
	// a failure.
	PolicyBestEffort = "best-effort"
)

// ArchStatus is the status of an architecture of a build as its policy wants it
// shown: the description names a policy other than blocking, and a best-effort
// architecture is never red. Forges have no neutral status that all of them
// know, so that one is success, and its description says what happened.
// Annotations of it are warnings.
func ArchStatus(policy string, status Status) Status {
	if policy != PolicyLagging && policy != PolicyBestEffort {
		return status
	}
	if policy == PolicyBestEffort && (status.State == "failure" || status.State == "error") {
		status.State, status.Description = "success", "failed: "+status.Description
		status.Finer, status.Detail = FinerNeutral, status.Detail.asWarning()
	}
	status.Description = policy + ": " + status.Description
	return status
}

// FailedApart records in tx that an arch task failed without its build: of a
// lagging or best-effort architecture, as long as another architecture may still
// have results, or has them. status is what a blocking architecture would show.
// The build is locked and the task has ended. It returns false, having done
// nothing, when the build fails with the task.
func FailedApart(ctx context.Context, tx pgx.Tx, inserter Inserter, task db.Task, status Status) (apart bool, err error) {
	if task.Policy == PolicyBlocking {
		return false, nil
	}
	left, err := db.New(tx).ArchTasksLeft(ctx, task.BuildID)
	if err != nil {
		return false, fmt.Errorf("queue: arch tasks of build %d: %w", task.BuildID, err)
	}
	if left == 0 {
		return false, nil
	}
	return true, WantStatus(ctx, tx, inserter, ArchStatus(task.Policy, status))
}

// SkippedArch is an architecture of the build tag that a build makes no packages
// for.
type SkippedArch struct {
	Arch string `json:"arch"`
	// Reason is what in the source package says so: "ExcludeArch riscv64".
	Reason string `json:"reason"`
}

// SkipArches notes in tx which architectures a build makes no packages for. An
// architecture that is noted stays as it was noted first.
func SkipArches(ctx context.Context, tx pgx.Tx, buildID int64, skipped []SkippedArch) error {
	if len(skipped) == 0 {
		return nil
	}
	params := db.SkipArchesParams{BuildID: buildID}
	for _, s := range skipped {
		params.Arches, params.Reasons = append(params.Arches, s.Arch), append(params.Reasons, OneLine(s.Reason))
	}
	if err := db.New(tx).SkipArches(ctx, params); err != nil {
		return fmt.Errorf("queue: note skipped arches of build %d: %w", buildID, err)
	}
	return nil
}

// maxWarnings bounds the warnings of a build that are added at a time.
const maxWarnings = 100

// Warn notes in tx what is worth a look about a build and does not stop it, each
// text once. Of very many only the first are kept.
func Warn(ctx context.Context, tx pgx.Tx, buildID int64, texts []string) error {
	if len(texts) == 0 {
		return nil
	}
	lines := make([]string, 0, min(len(texts), maxWarnings+1))
	for i, text := range texts {
		if i == maxWarnings {
			lines = append(lines, fmt.Sprintf("and %d more", len(texts)-i))
			break
		}
		lines = append(lines, OneLine(text))
	}
	if err := db.New(tx).WarnOfBuild(ctx, db.WarnOfBuildParams{BuildID: buildID, Texts: lines}); err != nil {
		return fmt.Errorf("queue: note warnings of build %d: %w", buildID, err)
	}
	return nil
}

// WithWarnings adds to the description of a status that a build has warnings, if
// it has.
func WithWarnings(description string, n int64) string {
	switch n {
	case 0:
		return description
	case 1:
		return description + ", with 1 warning"
	}
	return fmt.Sprintf("%s, with %d warnings", description, n)
}

// cancelLagging ends what a complete build still waits for without needing it,
// and returns false when there is no such thing. The build is locked.
func cancelLagging(ctx context.Context, tx pgx.Tx, client Canceler, external string, buildID int64, why string) (bool, error) {
	q := db.New(tx)
	tasks, err := q.OpenTasksOfBuild(ctx, buildID)
	if err != nil {
		return false, fmt.Errorf("queue: tasks of build %d: %w", buildID, err)
	}
	tasks = slices.DeleteFunc(tasks, func(t db.Task) bool { return t.Method != MethodBuildArch })
	if len(tasks) == 0 {
		return false, nil
	}
	build, err := q.GetBuild(ctx, buildID)
	if err != nil {
		return false, fmt.Errorf("queue: read build %d: %w", buildID, err)
	}
	statuses := make([]Status, len(tasks))
	for i, task := range tasks {
		if err := cancelTask(ctx, tx, client, task, why); err != nil {
			return false, err
		}
		statuses[i] = ArchStatus(task.Policy, Status{
			RepositoryID: build.RepositoryID, Commit: build.CommitID, Context: ContextOf(build.Target, task.Arch), State: "error",
			Finer: FinerCanceled, Description: why, TargetURL: BuildURL(external, buildID), BuildID: buildID,
		})
	}
	return true, WantStatuses(ctx, tx, client, statuses)
}

// CancelRest cancels what is left of a build's arch tasks, as part of ending the
// build.
func CancelRest(ctx context.Context, tx pgx.Tx, client Canceler, buildID int64, why string) error {
	tasks, err := db.New(tx).OpenTasksOfBuild(ctx, buildID)
	if err != nil {
		return fmt.Errorf("queue: tasks of build %d: %w", buildID, err)
	}
	for _, task := range tasks {
		if task.Method != MethodBuildArch {
			continue
		}
		if err := cancelTask(ctx, tx, client, task, why); err != nil {
			return err
		}
	}
	return nil
}

// applyPolicies makes the statuses of a build's architectures such as their
// policies want them.
func applyPolicies(ctx context.Context, q *db.Queries, buildID int64, target string, statuses []Status) error {
	arches, err := q.PoliciesOfBuild(ctx, buildID)
	if err != nil {
		return fmt.Errorf("queue: policies of build %d: %w", buildID, err)
	}
	for i, status := range statuses {
		for _, of := range arches {
			if ContextOf(target, of.Arch) == status.Context {
				statuses[i] = ArchStatus(of.Policy, status)
			}
		}
	}
	return nil
}
