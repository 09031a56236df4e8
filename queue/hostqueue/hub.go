package hostqueue

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
)

const (
	// hubQueue has no jobs: River's client leads only where it has a queue.
	hubQueue = "hub"
	// retention is how long finished jobs are kept, for those who look for a
	// mistake; what happened is in the hub's tables.
	retention = time.Hour
	// hubConnections bounds the hub's pool here.
	hubConnections = 4
	// watchEvery and maxTransaction are the hub's watch on hosts' sessions.
	watchEvery     = 15 * time.Second
	maxTransaction = time.Minute
)

// Task names one attempt of a task, which is all that a job says.
type Task struct {
	ID      int64 `json:"task_id"`
	Attempt int32 `json:"attempt"`
}

// taskArgs is a Task as a River job.
type taskArgs struct{ Task }

// Kind implements river.JobArgs.
func (taskArgs) Kind() string { return "builders.task" }

// Delivery is a task for a host.
type Delivery struct {
	HostID int64
	Task   Task
}

// HubConfig says which hub this is.
type HubConfig struct {
	// URL is that of the hub's own database.
	URL string
	// ClientID is unique among River's clients, see queue.NewClientID.
	ClientID string
	Logger   *slog.Logger
}

// Hub is the hub's side: it delivers, and, between Start and Stop, keeps the
// database clean. Its methods may be called by several goroutines at once.
type Hub struct {
	Names

	pool   *pgxpool.Pool
	river  *river.Client[pgx.Tx]
	logger *slog.Logger

	stopWatch context.CancelFunc
	watched   chan struct{}
}

// OpenHub prepares the database (see Prepare, also for errors) and connects. The
// caller closes the Hub.
func OpenHub(ctx context.Context, config HubConfig) (*Hub, error) {
	names, poolConfig, err := Prepare(ctx, config.URL)
	if err != nil {
		return nil, err
	}
	poolConfig.MaxConns = hubConnections
	// A connection that ended when it had notified would not be known as ours
	// any more (see Hears): they stay.
	poolConfig.MaxConnLifetime = 30 * 24 * time.Hour
	pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		return nil, fmt.Errorf("hostqueue: connect: %w", err)
	}
	// The leader must know the kind, or it would discard jobs that run long.
	workers := river.NewWorkers()
	err = river.AddWorkerSafely(workers, &hostWorker{work: func(context.Context, Task) error { return errNotHere }})
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("hostqueue: new client: %w", err)
	}
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		ID: config.ClientID, Logger: config.Logger, Workers: workers,
		Queues: map[string]river.QueueConfig{hubQueue: {MaxWorkers: 1, FetchPollInterval: time.Minute}},
		// A host's notifications must mean nothing to the hub.
		PollOnly:                    true,
		JobTimeout:                  -1,
		RescueStuckJobsAfter:        7 * 24 * time.Hour,
		CompletedJobRetentionPeriod: retention, CancelledJobRetentionPeriod: retention, DiscardedJobRetentionPeriod: retention,
	})
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("hostqueue: new client: %w", err)
	}
	return &Hub{Names: names, pool: pool, river: client, logger: config.Logger}, nil
}

// Server is how to connect to the hosts' database as the hub's role.
func (h *Hub) Server() *pgx.ConnConfig { return h.pool.Config().ConnConfig }

// Start begins to keep the database clean, until Stop. ctx's end does not stop
// it.
func (h *Hub) Start(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	if err := h.river.Start(ctx); err != nil {
		return fmt.Errorf("hostqueue: start: %w", err)
	}
	ctx, h.stopWatch = context.WithCancel(ctx)
	h.watched = make(chan struct{})
	go func() {
		defer close(h.watched)
		h.watch(ctx)
	}()
	return nil
}

// Close stops what Start began and disconnects.
func (h *Hub) Close(ctx context.Context) error {
	defer h.pool.Close()
	if h.stopWatch == nil {
		return nil
	}
	h.stopWatch()
	<-h.watched
	if err := h.river.Stop(ctx); err != nil {
		return fmt.Errorf("hostqueue: stop: %w", err)
	}
	return nil
}

// Deliver gives tasks to hosts. A task that the host has not finished yet is not
// delivered twice, so that who is not sure whether a delivery was committed may
// repeat it.
func (h *Hub) Deliver(ctx context.Context, deliveries ...Delivery) error {
	if len(deliveries) == 0 {
		return nil
	}
	jobs := make([]river.InsertManyParams, len(deliveries))
	for i, d := range deliveries {
		jobs[i] = river.InsertManyParams{Args: taskArgs{d.Task}, InsertOpts: &river.InsertOpts{
			Queue: Queue(d.HostID), MaxAttempts: maxAttempts, UniqueOpts: unfinished,
		}}
	}
	if _, err := h.river.InsertMany(ctx, jobs); err != nil {
		return fmt.Errorf("hostqueue: deliver: %w", err)
	}
	return nil
}

// maxAttempts bounds River's tries of one delivery: a host whose work returns
// errors all the time must not keep the hub's database growing.
const maxAttempts = 100

// unfinished makes a delivery unique among those not finished.
var unfinished = river.UniqueOpts{ByArgs: true, ByQueue: true, ByState: []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
	rivertype.JobStateRetryable, rivertype.JobStateScheduled,
}}

// Cancel asks a host to stop an attempt: its context ends with
// river.ErrJobCancelledRemotely as the cause. It reports whether there was one to
// stop. A host that is dead does not answer; see Retire.
func (h *Hub) Cancel(ctx context.Context, hostID int64, task Task) (bool, error) {
	id, err := h.jobOf(ctx, hostID, task)
	if err == nil && id != 0 {
		_, err = h.river.JobCancel(ctx, id)
	}
	if err != nil {
		return false, fmt.Errorf("hostqueue: cancel task %d of host %d: %w", task.ID, hostID, err)
	}
	return id != 0, nil
}

// Retire ends an attempt of a host that may be dead: the host is asked to stop
// it, and whatever it does, River counts it as discarded from now on.
func (h *Hub) Retire(ctx context.Context, hostID int64, task Task) error {
	if _, err := h.Cancel(ctx, hostID, task); err != nil {
		return err
	}
	_, err := h.pool.Exec(ctx, endJobs+" and args = $2", Queue(hostID), task)
	if err != nil {
		return fmt.Errorf("hostqueue: retire task %d of host %d: %w", task.ID, hostID, err)
	}
	return nil
}

// Drop ends all that was delivered to a host which will not come back.
func (h *Hub) Drop(ctx context.Context, hostID int64) error {
	if _, err := h.pool.Exec(ctx, endJobs, Queue(hostID)); err != nil {
		return fmt.Errorf("hostqueue: drop jobs of host %d: %w", hostID, err)
	}
	return nil
}

const endJobs = `update river_job set state = 'discarded', finalized_at = now()
	where queue = $1 and state in ('available', 'pending', 'retryable', 'running', 'scheduled')`

// jobOf finds the unfinished job of a delivery; 0 is none.
func (h *Hub) jobOf(ctx context.Context, hostID int64, task Task) (int64, error) {
	var id int64
	err := h.pool.QueryRow(ctx, `select coalesce(max(id), 0) from river_job
		where queue = $1 and state in ('available', 'pending', 'retryable', 'running', 'scheduled') and args = $2`,
		Queue(hostID), task).Scan(&id)
	return id, err
}

// Hears reports whether the backend of this process id is a hub's: only such may
// notify hosts. A backend that has ended is none.
func (h *Hub) Hears(ctx context.Context, pid uint32) (bool, error) {
	var ours bool
	err := h.pool.QueryRow(ctx, "select exists (select from pg_stat_activity where pid = $1 and datname = $2 and usename = current_user)",
		int64(pid), h.Database).Scan(&ours)
	if err != nil {
		return false, fmt.Errorf("hostqueue: look for sender of notification: %w", err)
	}
	return ours, nil
}

// watch ends sessions of hosts that hold a transaction for long: it would keep
// PostgreSQL from cleaning up, and from forgetting notifications, on the whole
// server.
func (h *Hub) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		ended, err := h.endLong(ctx, maxTransaction)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			h.logger.Warn("could not watch the sessions of build hosts", "err", err)
		case ended > 0:
			h.logger.Warn("ended sessions of build hosts that held a transaction for long", "sessions", ended)
		}
	}
}

// endLong ends the sessions of hosts whose transaction is older than this.
func (h *Hub) endLong(ctx context.Context, age time.Duration) (ended int, err error) {
	err = h.pool.QueryRow(ctx, `select count(pg_terminate_backend(pid)) from pg_stat_activity
		where datname = $1 and usename ~ ('^' || regexp_replace($2, '(\W)', '\\\1', 'g') || '[0-9]+$') and xact_start < now() - $3::interval`,
		h.Database, h.rolePrefix(), age).Scan(&ended)
	return ended, err
}
