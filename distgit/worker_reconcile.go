package distgit

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// ReconcileWorker finds pushes whose deliveries were lost: forges send each
// once, and never again.
type ReconcileWorker struct {
	river.WorkerDefaults[queue.ReconcileArgs]
	*Planner
}

// Work compares the head of every branch that was planned before with what was
// planned, and plans what is new. One repository's trouble does not keep the
// others from being looked at.
func (w *ReconcileWorker) Work(ctx context.Context, _ *river.Job[queue.ReconcileArgs]) error {
	q := db.New(w.Pool)
	repositories, err := q.ListRepositories(ctx)
	if err != nil {
		return fmt.Errorf("distgit: list repositories: %w", err)
	}
	var problems []error
	for _, repository := range repositories {
		if _, configured := w.Hosts[repository.Forge]; !configured {
			continue
		}
		if err := w.reconcile(ctx, q, repository); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", repository.FullName, err))
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	if err := errors.Join(problems...); err != nil {
		// The next round is a new job; this one's failure is only worth a line.
		w.Logger.Warn("distgit: reconcile", "error", err)
	}
	return nil
}

// reconcile looks at one repository.
func (w *ReconcileWorker) reconcile(ctx context.Context, q *db.Queries, row db.Repository) error {
	branches, err := q.PlannedBranches(ctx, row.ID)
	if err != nil {
		return err
	}
	if len(branches) == 0 {
		return nil
	}
	repository := forge.Repository{ID: row.ForgeRepoID, FullName: row.FullName, CloneURL: row.CloneUrl, DefaultBranch: row.DefaultBranch}
	remote, err := w.remote(row.Forge, repository)
	if err != nil {
		return err
	}
	heads, err := w.Mirrors.Refs(ctx, remote)
	if err != nil {
		return err
	}
	var problems []error
	for _, ref := range branches {
		branch := strings.TrimPrefix(ref, "refs/heads/")
		head, exists := heads[branch]
		if !exists {
			continue
		}
		planned, err := q.HasPlannedPush(ctx, db.HasPlannedPushParams{RepositoryID: row.ID, Ref: ref, CommitID: head})
		if err != nil {
			return err
		}
		if planned {
			continue
		}
		w.Logger.Warn("distgit: a push was not delivered; planning it now", "repository", row.FullName, "branch", branch, "commit", head)
		c := change{host: row.Forge, repository: repository, ref: ref, commit: head, branch: branch}
		if err := w.plan(ctx, c, func(pgx.Tx, string) error { return nil }); err != nil {
			problems = append(problems, fmt.Errorf("branch %s: %w", branch, err))
		}
	}
	return errors.Join(problems...)
}
