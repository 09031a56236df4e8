package repopublish

import (
	"context"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// leaveOut records which builds of the tag a generation lacks for a signature;
// where made is nil they are those of the one before.
func leaveOut(ctx context.Context, q *db.Queries, tagID int64, made *generation) error {
	if made == nil {
		return nil
	}
	without := db.LeaveOutBuildsParams{TagID: tagID, BuildIds: []int64{}}
	for build, b := range made.unsigned {
		without.BuildIds, without.Reasons, without.Stays = append(without.BuildIds, build), append(without.Reasons, b.lacks), append(without.Stays, b.stays)
	}
	return q.LeaveOutBuilds(ctx, without)
}

// leftOut are the statuses of builds that were tagged and that the repository
// leaves out: they stay pending, with why, until it has them or has no place for
// them any more.
func (w *Worker) leftOut(ctx context.Context, q *db.Queries, tag db.TagForPublishRow) ([]queue.Status, error) {
	rows, err := q.LeftOutBuilds(ctx, tag.ID)
	if err != nil {
		return nil, err
	}
	statuses := make([]queue.Status, len(rows))
	for i, row := range rows {
		where := "nor is another build of the package: "
		if row.Stays != "" {
			where = "where " + row.Stays + " stays: "
		}
		statuses[i] = queue.Status{
			RepositoryID: row.RepositoryID, Commit: row.CommitID, Context: queue.ContextOf(row.Target, ""), State: "pending",
			Description: *row.Nvr + " is not in the repository of " + tag.Name + ", " + where + row.Reason,
			TargetURL:   queue.BuildURL(w.ExternalURL, row.ID), BuildID: row.ID,
		}
	}
	return statuses, nil
}
