package report

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
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

// errMore says that a commit has statuses again that were not sent.
var errMore = errors.New("report: more was asked for")

// Work sends the statuses of a commit that its forge does not show yet, and
// those that are asked for meanwhile. It does not give the job back for them:
// River would end many such jobs at once, in an order of its own, and wait in a
// circle with who asks for statuses of several of these commits.
func (w *Worker) Work(ctx context.Context, job *river.Job[queue.ReportArgs]) error {
	for {
		if err := w.sendUnsent(ctx, job); !errors.Is(err, errMore) {
			return err
		}
	}
}

// sendUnsent sends what is unsent now and ends the job, or returns errMore.
func (w *Worker) sendUnsent(ctx context.Context, job *river.Job[queue.ReportArgs]) error {
	q := db.New(w.Pool)
	reports, err := q.UnsentReports(ctx, db.UnsentReportsParams{RepositoryID: job.Args.RepositoryID, CommitID: job.Args.Commit})
	if err != nil {
		return fmt.Errorf("report: read statuses of %s: %w", job.Args.Commit, err)
	}
	if len(reports) == 0 {
		return w.finish(ctx, job)
	}
	outcomes, wait := w.sendAll(ctx, reports)
	if ctx.Err() != nil {
		// What was sent is marked: the next run asks the forge about it.
		return context.Cause(ctx)
	}
	// Not in the transaction that ends the job: who asks for statuses locks
	// them before their job.
	if err := q.RecordReports(ctx, outcomes); err != nil {
		return fmt.Errorf("report: record statuses of %s: %w", job.Args.Commit, err)
	}
	if wait > 0 {
		return river.JobSnooze(wait)
	}
	return w.finish(ctx, job)
}

// sendAll sends statuses of one commit one after another. It tells what to
// record of each, and how long the forge wants to be left alone, 0 for not at
// all. One that is refused does not keep the others back; a forge that asks for
// patience is asked for nothing else.
func (w *Worker) sendAll(ctx context.Context, reports []db.UnsentReportsRow) (outcomes db.RecordReportsParams, wait time.Duration) {
	note := func(r db.UnsentReportsRow, settled bool, reason string) {
		outcomes.Ids, outcomes.Seqs = append(outcomes.Ids, r.ID), append(outcomes.Seqs, r.Seq)
		outcomes.Settled, outcomes.Errors = append(outcomes.Settled, settled), append(outcomes.Errors, queue.OneLine(reason))
	}
	shown := w.shownOnce(reports[0])
	for _, r := range reports {
		log := w.Logger.With("report", r.ID, "repository", r.FullName, "commit", r.CommitID, "context", r.Context)
		err := w.send(ctx, r, shown)
		var retry *forge.RetryError
		switch {
		case ctx.Err() != nil:
			return outcomes, 0
		case errors.Is(err, errOutdated):
		case err == nil:
			note(r, true, "")
		case errors.As(err, &retry) && r.Failures < maxFailures:
			after := min(max(retry.After, minWait<<min(r.Failures, 9)), max(maxWait, retry.After))
			log.Warn("report: status put off", "after", after, "error", retry.Err)
			note(r, false, retry.Error())
			if wait = max(wait, after); retry.After > 0 {
				return outcomes, wait
			}
		default:
			log.Error("report: status given up", "error", err)
			note(r, true, err.Error())
		}
	}
	return outcomes, wait
}

// errOutdated says that another status was asked for since the row was read:
// the next run sends that one.
var errOutdated = errors.New("report: another status was asked for")

// shownOnce returns a function that asks the forge what it shows of a report's
// commit, once at most.
func (w *Worker) shownOnce(r db.UnsentReportsRow) func(context.Context) ([]forge.Status, error) {
	var shown []forge.Status
	var err error
	asked := false
	return func(ctx context.Context) ([]forge.Status, error) {
		if !asked {
			asked = true
			shown, err = w.Forges[r.Forge].Statuses(ctx, repositoryOf(r), r.CommitID)
		}
		return shown, err
	}
}

// send brings one status to its forge. A crash between sending and recording
// leaves a mark; then the forge is asked first what it shows, so that no
// status is sent twice.
func (w *Worker) send(ctx context.Context, r db.UnsentReportsRow, shown func(context.Context) ([]forge.Status, error)) error {
	f, ok := w.Forges[r.Forge]
	if !ok {
		return fmt.Errorf("report: forge %q is not configured any more", r.Forge)
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	status := w.statusOf(r)
	if !f.KeepsStatuses() {
		// Nobody can see it twice.
		return f.SetStatus(ctx, repositoryOf(r), r.CommitID, status)
	}
	if r.SendingSeq == r.Seq {
		there, err := shown(ctx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(there, status.Same) {
			return nil
		}
	}
	n, err := db.New(w.Pool).MarkReportSending(ctx, db.MarkReportSendingParams{ID: r.ID, Seq: r.Seq})
	if err != nil {
		return &forge.RetryError{Err: fmt.Errorf("report: mark report %d: %w", r.ID, err)}
	}
	if n == 0 {
		return errOutdated
	}
	return w.set(ctx, f, r, status)
}

// set sends a status. Should the forge refuse it with its detail, which is a bug,
// it is sent alone: a status that is required must not stay away for that.
func (w *Worker) set(ctx context.Context, f forge.Forge, r db.UnsentReportsRow, status forge.Status) error {
	err := f.SetStatus(ctx, repositoryOf(r), r.CommitID, status)
	if _, retry := errors.AsType[*forge.RetryError](err); err == nil || retry || errors.Is(err, forge.ErrNotFound) || ctx.Err() != nil {
		return err
	}
	if status.Detail == nil || !f.ShowsDetails() {
		return err
	}
	w.Logger.Error("report: status refused with its detail", "report", r.ID, "repository", r.FullName, "commit", r.CommitID, "context", r.Context, "error", err)
	status.Detail = nil
	return f.SetStatus(ctx, repositoryOf(r), r.CommitID, status)
}

// statusOf is a report as forges take it. What no forge would take besides the
// status itself is left out.
func (w *Worker) statusOf(r db.UnsentReportsRow) forge.Status {
	plain := forge.Status{
		Context: r.Context, State: forge.State(r.State), Description: forge.CutDescription(r.Description), TargetURL: r.TargetUrl,
	}
	status := plain
	status.Finer = forge.FinerState(r.Finer)
	if r.BuildID != 0 {
		status.Run = "build/" + strconv.FormatInt(r.BuildID, 10)
	}
	if kept := queue.ReadDetail(r.Detail); kept != nil {
		status.Detail = &forge.Detail{Summary: kept.Summary}
		for _, a := range kept.Annotations {
			status.Detail.Annotations = append(status.Detail.Annotations, forge.Annotation{
				Path: a.Path, Line: a.Line, Level: forge.Level(a.Level), Title: a.Title, Message: a.Message,
			})
		}
	}
	if err := status.Check(); err != nil {
		w.Logger.Error("report: detail left out", "report", r.ID, "repository", r.FullName, "commit", r.CommitID, "context", r.Context, "error", err)
		return plain
	}
	return status
}

func repositoryOf(r db.UnsentReportsRow) forge.Repository {
	return forge.Repository{ID: r.ForgeRepoID, FullName: r.FullName, CloneURL: r.CloneUrl}
}

// finish ends the job, or returns errMore when the commit has statuses that were
// not sent. Who asks for one finds the job and locks it, or finds none and
// makes one. So the job is ended first: then whoever found it has committed, and
// what they asked for can be seen.
func (w *Worker) finish(ctx context.Context, job *river.Job[queue.ReportArgs]) error {
	err := pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		if err := queue.Complete(ctx, tx, job); err != nil {
			return err
		}
		more, err := db.New(tx).HasUnsentReports(ctx, db.HasUnsentReportsParams{RepositoryID: job.Args.RepositoryID, CommitID: job.Args.Commit})
		if err == nil && more {
			err = errMore
		}
		return err
	})
	switch {
	case errors.Is(err, errMore):
		return errMore
	case errors.Is(err, queue.ErrLostAttempt):
		return nil
	case err != nil:
		return fmt.Errorf("report: end the report of %s: %w", job.Args.Commit, err)
	}
	return nil
}
