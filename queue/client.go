package queue

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/distbot/distbot/internal/db"
)

// How soon jobs are fetched. River notifies of one insert a queue in notifyEvery,
// for the whole client, and decides at the insert: where the transaction that was
// left out ends later than the one that was not, its job waits for the poll. At
// River's default of 100 ms every second hop did.
const (
	notifyEvery   = time.Millisecond
	fetchCooldown = 5 * time.Millisecond
	fetchPoll     = 250 * time.Millisecond
	// controlPoll is the poll of what others wait for: chains go on there.
	controlPoll = 100 * time.Millisecond
)

// Config says what one process works on.
type Config struct {
	// ID is the process's unique client id, see NewClientID.
	ID string
	// Queues maps the queues this process takes to how many of their jobs it
	// runs at a time. Empty: the client only inserts.
	Queues map[string]int
	// Workers holds a worker for each kind that the queues can deliver.
	Workers *river.Workers
	// Hub is true for a process that registers every kind. Others must not
	// lead: River's leader discards stuck jobs of kinds it does not know.
	Hub bool
	// ReconcileEvery is how often a hub compares branch heads with what was
	// planned; 0 means never.
	ReconcileEvery time.Duration
	// PollEvery is how often the queues are looked at for what no notification
	// told of. Defaults to 250 milliseconds; it is 100 at most for QueueControl.
	PollEvery time.Duration
	// SoftStop is how long running jobs may go on after Stop before their
	// context is cancelled. Defaults to 2 seconds.
	SoftStop time.Duration
	Logger   *slog.Logger
}

// Client inserts and works jobs. Safe for concurrent use.
type Client struct {
	*river.Client[pgx.Tx]
	id string
}

// NewClient makes a client on a migrated database. It does not start it.
func NewClient(pool *pgxpool.Pool, config Config) (*Client, error) {
	softStop := config.SoftStop
	if softStop == 0 {
		softStop = 2 * time.Second
	}
	pollEvery := config.PollEvery
	if pollEvery == 0 {
		pollEvery = fetchPoll
	}
	rc := &river.Config{
		ID:                config.ID,
		Logger:            config.Logger,
		FetchCooldown:     notifyEvery,
		FetchPollInterval: pollEvery,
		// Leases, not time-outs, tell a lost job from a long one.
		JobTimeout:           -1,
		RescueStuckJobsAfter: 7 * 24 * time.Hour,
		SoftStopTimeout:      softStop,
		RetryPolicy:          retryPolicy{},
		Middleware:           []rivertype.Middleware{river.WorkerMiddlewareFunc(fitErrors)},
		MaxAttempts:          endless,
		// A build host enqueues what only hubs work.
		SkipUnknownJobCheck: true,
	}
	if len(config.Queues) > 0 {
		rc.Workers = config.Workers
		rc.Queues = map[string]river.QueueConfig{}
		for name, workers := range config.Queues {
			poll := pollEvery
			if name == QueueControl {
				poll = min(poll, controlPoll)
			}
			rc.Queues[name] = river.QueueConfig{MaxWorkers: workers, FetchCooldown: fetchCooldown, FetchPollInterval: poll}
		}
		if !config.Hub {
			rc.LeaderElectionDisabled = true
			rc.FetchOnlyKnownKinds = true
		}
	}
	if config.Hub && config.ReconcileEvery > 0 {
		rc.PeriodicJobs = []*river.PeriodicJob{river.NewPeriodicJob(
			river.PeriodicInterval(config.ReconcileEvery),
			func() (river.JobArgs, *river.InsertOpts) { return ReconcileArgs{}, nil },
			&river.PeriodicJobOpts{ID: "reconcile", RunOnStart: true},
		)}
	}
	client, err := river.NewClient(riverpgxv5.New(pool), rc)
	if err != nil {
		return nil, fmt.Errorf("queue: new client: %w", err)
	}
	return &Client{Client: client, id: config.ID}, nil
}

// ID is the client id that River notes on the jobs this process runs.
func (c *Client) ID() string { return c.id }

// TakeQueue makes the client work a queue from now on, so many jobs at a time.
func (c *Client) TakeQueue(name string, workers int) error {
	return c.Queues().Add(name, river.QueueConfig{MaxWorkers: workers, FetchCooldown: fetchCooldown, FetchPollInterval: fetchPoll})
}

// JobRow is a job as River keeps it.
type JobRow = rivertype.JobRow

// Inserter is what packages that enqueue need of a client.
type Inserter interface {
	InsertManyTx(ctx context.Context, tx pgx.Tx, params []river.InsertManyParams) ([]*rivertype.JobInsertResult, error)
	InsertTx(ctx context.Context, tx pgx.Tx, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error)
}

// Canceler is an Inserter that can also stop jobs.
type Canceler interface {
	Inserter
	JobCancelTx(ctx context.Context, tx pgx.Tx, jobID int64) (*rivertype.JobRow, error)
}

// Insert enqueues args as part of tx and returns the job's id.
func Insert(ctx context.Context, tx pgx.Tx, inserter Inserter, args river.JobArgs) (int64, error) {
	ids, err := insertAll(ctx, tx, inserter, []river.JobArgs{args})
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

// WantRepositories enqueues the making of tags' repositories, as part of tx.
func WantRepositories(ctx context.Context, tx pgx.Tx, inserter Inserter, tags []int64) error {
	if len(tags) == 0 {
		return nil
	}
	jobs := make([]river.JobArgs, len(tags))
	for i, tag := range tags {
		jobs[i] = PublishArgs{TagID: tag}
	}
	_, err := insertAll(ctx, tx, inserter, jobs)
	return err
}

// insertAll enqueues jobs in one statement, no two of them the same where they
// are unique, and returns their ids in their order. None is fine: of the tasks that
// a scheduler chose all may have ended meanwhile.
func insertAll(ctx context.Context, tx pgx.Tx, inserter Inserter, all []river.JobArgs) ([]int64, error) {
	if len(all) == 0 {
		return nil, nil
	}
	params := make([]river.InsertManyParams, len(all))
	for i, args := range all {
		params[i].Args = args
	}
	results, err := inserter.InsertManyTx(ctx, tx, params)
	if err != nil {
		return nil, fmt.Errorf("queue: insert %s: %w", all[0].Kind(), err)
	}
	ids := make([]int64, len(all))
	for i, result := range results {
		ids[i] = result.Job.ID
	}
	return ids, nil
}

// retryPolicy waits 1, 2, 4 … seconds, at most five minutes.
type retryPolicy struct{}

// NextRetry implements river.ClientRetryPolicy.
func (retryPolicy) NextRetry(job *rivertype.JobRow) time.Time {
	failures := min(len(job.Errors)+1, 10) // the newest is not among them yet
	return time.Now().Add(min(time.Second<<(failures-1), 5*time.Minute))
}

// fitErrors makes what workers return fit for River's notes on the job. It
// keeps them as JSON, which PostgreSQL refuses with a NUL in it: the end of the
// job's try would not be noted, and nobody would try again.
func fitErrors(ctx context.Context, _ *rivertype.JobRow, work func(context.Context) error) error {
	err := work(ctx)
	if err == nil || OneLine(err.Error()) == err.Error() {
		return err
	}
	return &fitError{err}
}

// fitError is an error whose text is one printable line.
type fitError struct{ error }

// Error implements error.
func (e *fitError) Error() string { return OneLine(e.error.Error()) }

// Unwrap returns the cause.
func (e *fitError) Unwrap() error { return e.error }

// Complete ends the running job in the transaction of its result, so that the
// two can't be torn apart by a crash. It returns ErrLostAttempt when the job
// was given up meanwhile; the transaction must then be rolled back.
//
// It does what river.JobCompleteTx does to a job without output. That goes
// through the statement that ends many jobs in all ways at once, which takes
// PostgreSQL longer to plan than everything else in most of our transactions.
func Complete[T river.JobArgs](ctx context.Context, tx pgx.Tx, job *river.Job[T]) error {
	n, err := db.New(tx).CompleteJob(ctx, job.ID)
	if err != nil {
		return fmt.Errorf("queue: complete %s: %w", job.Kind, err)
	}
	if n == 0 {
		return ErrLostAttempt
	}
	return nil
}
