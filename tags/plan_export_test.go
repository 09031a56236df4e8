package tags

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/queue"
)

// Apply is ApplyPlan without pruning. It returns what changed, a line for each
// thing; nothing when file and database agree.
func Apply(ctx context.Context, pool *pgxpool.Pool, jobs queue.Inserter, d *Distro, actor string) (changes []string, err error) {
	plan, err := ApplyPlan(ctx, pool, jobs, d, actor, false)
	if err != nil {
		return nil, err
	}
	for _, step := range plan.Steps {
		changes = append(changes, step.String())
	}
	return changes, nil
}
