package distgit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// plannedBefore finds what was decided when the commit was planned first, and
// says it. It says nothing for a pull request that went back to a head whose
// build was canceled, by a newer head as a rule: that is built again.
func plannedBefore(ctx context.Context, q *db.Queries, c change, repository db.Repository, target string) (planned int64, said string, err error) {
	before, err := q.PlannedPush(ctx, db.PlannedPushParams{RepositoryID: repository.ID, Ref: c.ref, CommitID: c.commit, Target: target})
	if err != nil {
		return 0, "", err
	}
	if before.BuildID == nil {
		return before.ID, "planned before: " + before.Reason, nil
	}
	if c.pull != nil {
		build, err := q.LockBuild(ctx, *before.BuildID)
		if err != nil || build.State == queue.BuildCanceled {
			return before.ID, "", err
		}
	}
	return before.ID, fmt.Sprintf("planned before, as build %d", *before.BuildID), nil
}

// recordVerdict notes what was decided on a change for a target and returns the
// note's id: 0 when the same was decided before, or something that stands. A
// refusal does not stand: what was wrong may be mended outside of the commit,
// in distro.yaml or in distbot, and who replays the delivery wants to know.
func recordVerdict(ctx context.Context, q *db.Queries, c change, repository db.Repository, target, outcome, reason string) (planned int64, err error) {
	planned, err = q.InsertPlannedPush(ctx, db.InsertPlannedPushParams{
		RepositoryID: repository.ID, Ref: c.ref, CommitID: c.commit, Target: target, DeliveryID: c.delivery, Outcome: outcome, Reason: reason,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		planned, err = q.JudgePushAgain(ctx, db.JudgePushAgainParams{
			RepositoryID: repository.ID, Ref: c.ref, CommitID: c.commit, Target: target, DeliveryID: c.delivery, Outcome: outcome, Reason: reason,
		})
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("distgit: record planned push: %w", err)
	}
	return planned, nil
}

// recordNothing notes that a change needs no build.
func (p *Planner) recordNothing(ctx context.Context, tx pgx.Tx, c change, repository db.Repository, target, reason string) (string, error) {
	_, err := recordVerdict(ctx, db.New(tx), c, repository, target, "none", reason)
	return reason, err
}

// refuse notes that a change can't be built and says so in a status.
func (p *Planner) refuse(ctx context.Context, tx pgx.Tx, c change, repository db.Repository, target, contextName, reason, state string) (string, error) {
	q := db.New(tx)
	planned, err := recordVerdict(ctx, q, c, repository, target, "refused", reason)
	if err != nil {
		return "", err
	}
	if planned == 0 {
		before, err := q.PlannedPush(ctx, db.PlannedPushParams{RepositoryID: repository.ID, Ref: c.ref, CommitID: c.commit, Target: target})
		if err != nil {
			return "", fmt.Errorf("distgit: read planned push: %w", err)
		}
		if before.BuildID != nil {
			return fmt.Sprintf("planned before, as build %d", *before.BuildID), nil
		}
		return "refused before: " + reason, nil
	}
	p.Logger.Warn("distgit: push refused", "repository", c.repository.FullName, "ref", c.ref, "commit", c.commit, "reason", reason)
	url := strings.TrimRight(p.ExternalURL, "/") + "/"
	if c.delivery != nil {
		url += "deliveries/" + strconv.FormatInt(*c.delivery, 10)
	}
	err = queue.WantStatus(ctx, tx, p.Jobs, queue.Status{
		RepositoryID: repository.ID, Commit: c.commit, Context: queue.ContextOf(contextName, ""), State: state,
		Description: reason, TargetURL: url,
	})
	return "refused: " + reason, err
}

func (p *Planner) upsertRepository(ctx context.Context, tx pgx.Tx, c change) (db.Repository, error) {
	repository, err := db.New(tx).UpsertRepository(ctx, db.UpsertRepositoryParams{
		Forge: c.host, ForgeRepoID: c.repository.ID, FullName: c.repository.FullName,
		CloneUrl: p.Hosts[c.host].Forge.CloneURL(c.repository), DefaultBranch: c.repository.DefaultBranch,
	})
	if err != nil {
		return db.Repository{}, fmt.Errorf("distgit: record repository %s: %w", c.repository.FullName, err)
	}
	return repository, nil
}
