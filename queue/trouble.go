package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
)

// Queued is what the status of a build says before anything of it begins, and
// waits what that of its tasks does: trouble is why the repository of its build
// tag can't be made, empty where nothing is known to be wrong.
func Queued(buildID int64, tag, trouble string) (queued, waits string) {
	queued, waits = "build "+strconv.FormatInt(buildID, 10)+" is queued", "waiting for a builder"
	if trouble != "" {
		waits = "waiting for the repository of " + tag + ", which can't be made: " + trouble
		queued += ", " + waits
	}
	return queued, waits
}

// firstWords is Queued for a build that was inserted a moment ago.
func firstWords(ctx context.Context, tx pgx.Tx, buildID int64) (queued, waits string, err error) {
	trouble, err := db.New(tx).TroubleOfBuild(ctx, buildID)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", "", fmt.Errorf("queue: read what build %d waits for: %w", buildID, err)
	}
	queued, waits = Queued(buildID, trouble.Name, trouble.Reason)
	return queued, waits, nil
}
