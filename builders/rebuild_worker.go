package builders

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// RebuildWorker works rebuilds.
type RebuildWorker struct {
	river.WorkerDefaults[queue.RebuildArgs]
	*Rebuilder
}

// Work makes the repositories of a rebuild and starts its build, or, when that
// has ended, compares what came of it. Running it twice is harmless.
func (w *RebuildWorker) Work(ctx context.Context, job *river.Job[queue.RebuildArgs]) error {
	rebuild, err := db.New(w.Pool).GetRebuild(ctx, job.Args.RebuildID)
	if err != nil {
		return fmt.Errorf("builders: read rebuild %d: %w", job.Args.RebuildID, err)
	}
	complete := func(tx pgx.Tx) error { return queue.Complete(ctx, tx, job) }
	switch rebuild.State {
	case queue.TaskFree:
		err = w.begin(ctx, rebuild, complete)
	case queue.TaskOpen:
		err = w.compare(ctx, rebuild, complete)
	}
	if err == nil || errors.Is(err, queue.ErrLostAttempt) {
		return nil
	}
	if queue.FateOf(ctx, job.JobRow, err) != queue.GiveUp {
		w.Logger.Warn("builders: rebuild will be tried again", "rebuild", rebuild.ID, "error", err)
		return queue.Outcome(err)
	}
	return w.end(ctx, rebuild, queue.TaskFailed, "", Explain(err).Reason, nil, complete)
}
