package distgit

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// lockOlder locks what the new head of a pull request may end, of all targets:
// builds, tasks and then statuses is the order in which everybody locks, and to
// end one build after the other would break it.
func lockOlder(ctx context.Context, tx pgx.Tx, c change, repository db.Repository) error {
	if c.pull == nil {
		return nil
	}
	q := db.New(tx)
	older, err := q.LockPullRequestBuilds(ctx, db.LockPullRequestBuildsParams{RepositoryID: repository.ID, PullNumber: &c.pull.Number})
	if err != nil {
		return fmt.Errorf("distgit: lock builds of pull request %d: %w", c.pull.Number, err)
	}
	for _, id := range older {
		if _, err := q.OpenTasksOfBuild(ctx, id); err != nil {
			return fmt.Errorf("distgit: lock tasks of build %d: %w", id, err)
		}
	}
	return nil
}

// outdated reports whether a delivery that came later brought another head of
// the pull request: deliveries are planned side by side, in any order.
func outdated(ctx context.Context, q *db.Queries, c change, repository db.Repository, target string) (bool, error) {
	if c.pull == nil || c.delivery == nil {
		return false, nil
	}
	newer, err := q.PlannedNewerHead(ctx, db.PlannedNewerHeadParams{
		RepositoryID: repository.ID, Ref: c.ref, Target: target, CommitID: c.commit, DeliveryID: *c.delivery,
	})
	if err != nil {
		return false, fmt.Errorf("distgit: newer heads of pull request %d: %w", c.pull.Number, err)
	}
	return newer, nil
}

// supersede ends the builds of older heads of a pull request for a target.
func (p *Planner) supersede(ctx context.Context, tx pgx.Tx, c change, repository db.Repository, target string) error {
	older, err := db.New(tx).OlderPullRequestBuilds(ctx, db.OlderPullRequestBuildsParams{
		RepositoryID: repository.ID, PullNumber: &c.pull.Number, Target: target, CommitID: c.commit,
	})
	if err != nil {
		return fmt.Errorf("distgit: older builds of pull request %d: %w", c.pull.Number, err)
	}
	for _, id := range older {
		err := queue.CancelBuildTx(ctx, tx, p.Jobs, p.ExternalURL, id, "superseded by "+short(c.commit))
		var over *queue.NotBuildingError
		if err != nil && !errors.As(err, &over) {
			return err
		}
	}
	return nil
}
