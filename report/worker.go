package report

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// Bounds of patience with a forge.
const (
	sendTimeout = 30 * time.Second
	minWait     = 2 * time.Second
	maxWait     = 10 * time.Minute
	// maxFailures of retryable kind end in giving up after about a day.
	maxFailures = 150
)

// Worker sends the statuses of the outbox.
type Worker struct {
	river.WorkerDefaults[queue.ReportArgs]
	Pool *pgxpool.Pool
	// Forges by their names in distbot.yaml.
	Forges map[string]forge.Forge
	Logger *slog.Logger
}

// Work sends the status that is wanted now, unless the forge shows it already,
// and runs again if another one was asked for meanwhile.
func (w *Worker) Work(ctx context.Context, job *river.Job[queue.ReportArgs]) error {
	r, err := db.New(w.Pool).GetReport(ctx, job.Args.ReportID)
	if err != nil {
		return fmt.Errorf("report: read report %d: %w", job.Args.ReportID, err)
	}
	if r.SentSeq >= r.Seq {
		return w.finish(ctx, job, r, func(q *db.Queries) (more bool, err error) {
			row, err := q.LockReport(ctx, r.ID)
			return row.SentSeq < row.Seq, err
		})
	}
	err = w.send(ctx, r)
	if err == nil {
		return w.finish(ctx, job, r, func(q *db.Queries) (more bool, err error) {
			row, err := q.MarkReportSent(ctx, db.MarkReportSentParams{ID: r.ID, Seq: r.Seq})
			return row.SentSeq < row.Seq, err
		})
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var retry *forge.RetryError
	if errors.As(err, &retry) && r.Failures < maxFailures {
		return w.wait(ctx, r, retry)
	}
	w.Logger.Error("report: status given up", "report", r.ID, "repository", r.FullName, "commit", r.CommitID, "context", r.Context, "error", err)
	return w.finish(ctx, job, r, func(q *db.Queries) (more bool, err2 error) {
		row, err2 := q.AbandonReport(ctx, db.AbandonReportParams{ID: r.ID, Seq: r.Seq, LastError: err.Error()})
		return row.SentSeq < row.Seq, err2
	})
}

// send brings one status to its forge. A crash between sending and recording
// leaves a mark; then the forge is asked first what it shows, so that no
// status is sent twice.
func (w *Worker) send(ctx context.Context, r db.GetReportRow) error {
	f, ok := w.Forges[r.Forge]
	if !ok {
		return fmt.Errorf("report: forge %q is not configured any more", r.Forge)
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	repository := forge.Repository{ID: r.ForgeRepoID, FullName: r.FullName, CloneURL: r.CloneUrl}
	status := forge.Status{
		Context: r.Context, State: forge.State(r.State), Description: forge.CutDescription(r.Description), TargetURL: r.TargetUrl,
	}
	if r.SendingSeq == r.Seq {
		shown, err := f.Statuses(ctx, repository, r.CommitID)
		if err != nil {
			return err
		}
		for _, s := range shown {
			if s == status {
				return nil
			}
		}
	}
	n, err := db.New(w.Pool).MarkReportSending(ctx, db.MarkReportSendingParams{ID: r.ID, Seq: r.Seq})
	if err != nil {
		return &forge.RetryError{Err: fmt.Errorf("report: mark report %d: %w", r.ID, err)}
	}
	if n == 0 {
		// Another status was asked for since the row was read: the next run
		// sends that one.
		return nil
	}
	return f.SetStatus(ctx, repository, r.CommitID, status)
}

// finish records an outcome and ends the job in one transaction, or runs it
// again when another status was asked for meanwhile.
func (w *Worker) finish(ctx context.Context, job *river.Job[queue.ReportArgs], r db.GetReportRow, record func(*db.Queries) (more bool, err error)) error {
	again := false
	err := pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		more, err := record(db.New(tx))
		if err != nil {
			return err
		}
		if again = more; more {
			return nil
		}
		return queue.Complete(ctx, tx, job)
	})
	if errors.Is(err, queue.ErrLostAttempt) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("report: record report %d: %w", r.ID, err)
	}
	if again {
		return river.JobSnooze(0)
	}
	return nil
}

// wait puts the report off for as long as the forge asks, or longer each time.
func (w *Worker) wait(ctx context.Context, r db.GetReportRow, retry *forge.RetryError) error {
	if err := db.New(w.Pool).MarkReportFailed(ctx, db.MarkReportFailedParams{ID: r.ID, LastError: retry.Error()}); err != nil {
		return fmt.Errorf("report: record failure of report %d: %w", r.ID, err)
	}
	after := min(max(retry.After, minWait<<min(r.Failures, 9)), max(maxWait, retry.After))
	w.Logger.Warn("report: status put off", "report", r.ID, "context", r.Context, "after", after, "error", retry.Err)
	return river.JobSnooze(after)
}
