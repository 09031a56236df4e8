package queue

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
)

// HoldBack keeps, as part of tx, the tasks that build with a tag and have not
// begun from beginning until its repository is what somebody goes back to; those
// of builds that were asked for when it showed more, until it shows that again.
// The tag's hold is recorded in tx and not made yet.
func HoldBack(ctx context.Context, tx pgx.Tx, tagID int64) error {
	if _, err := db.New(tx).LetTasksWait(ctx, tagID); err != nil {
		return fmt.Errorf("queue: hold back tasks that build with tag %d: %w", tagID, err)
	}
	return nil
}

// WakeScheduler has the scheduler look at once when tx is over: what a tag's
// repository shows may be another revision, or the same again.
func WakeScheduler(ctx context.Context, tx pgx.Tx) error {
	if err := db.New(tx).Notify(ctx, db.NotifyParams{Channel: scheduleChannel}); err != nil {
		return fmt.Errorf("queue: wake the scheduler: %w", err)
	}
	return nil
}

// RepoWait says what a task waits for whose build needs the repository of a tag.
// held is who holds that, in words; empty for nobody.
func RepoWait(tag, held string) string {
	if held == "" {
		return "the repository of " + tag + " is being made"
	}
	return "the repository of " + tag + " is " + held + ", and the build was asked for when it showed more: distbot repo publish " + tag +
		" ends that; a build that is canceled and retried begins with what is there"
}

// RepoTrouble says what a task waits for whose repository can't be made, and since
// when.
func RepoTrouble(tag, reason string, since time.Time) string {
	return "the repository of " + tag + " can't be made since " + since.UTC().Format("2006-01-02 15:04 UTC") + ": " + reason
}

// WentBack says of a generation with which somebody went back to an older one
// what it is; at is when it was published.
func WentBack(to int64, actor, reason string, at *time.Time) string {
	text := "held at generation " + strconv.FormatInt(to, 10)
	if at != nil {
		text += " since " + at.UTC().Format("2006-01-02 15:04 UTC")
	}
	if text += " by " + actor; reason != "" {
		text += " (" + reason + ")"
	}
	return text
}

// WaitsOfTasks says what tasks wait for that wait for a repository, see RepoWait
// and RepoTrouble, by their ids.
func WaitsOfTasks(ctx context.Context, q *db.Queries, tasks []db.Task) (map[int64]string, error) {
	var ids []int64
	for _, task := range tasks {
		if task.State == TaskFree && task.WaitsTag != nil {
			ids = append(ids, task.ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := q.WaitsOfTasks(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("queue: read what tasks wait for: %w", err)
	}
	waits := make(map[int64]string, len(rows))
	for _, row := range rows {
		waits[row.ID] = RepoWait(row.Tag, row.Held)
		if row.TroubleSince != nil {
			waits[row.ID] = RepoTrouble(row.Tag, row.TroubleReason, *row.TroubleSince)
		}
	}
	return waits, nil
}
