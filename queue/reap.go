package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/internal/db"
)

// reapEvery is how often a hub looks for the dead.
const reapEvery = time.Second

// Reaper gives the work of dead processes to the living. Any number may run.
type Reaper struct {
	Pool     *pgxpool.Pool
	Inserter Inserter
	Process  Process
	Logger   *slog.Logger
}

// Run reaps until ctx ends. Errors are logged and the next round tries again.
func (r *Reaper) Run(ctx context.Context) {
	ticker := time.NewTicker(reapEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if _, err := r.Reap(ctx); err != nil && ctx.Err() == nil {
			r.Logger.Error("queue: reap", "error", err)
		}
	}
}

// Reap looks once. A process is dead when it has not renewed its lease for
// deadAfter, or at once when its pid is gone from our kernel and pid namespace. It
// returns how many jobs were given to their next attempt.
func (r *Reaper) Reap(ctx context.Context) (jobs int, err error) {
	err = pgx.BeginFunc(ctx, r.Pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		ours, err := q.ReapLock(ctx)
		if err != nil || !ours {
			return err
		}
		dead, err := r.dead(ctx, q)
		if err != nil {
			return err
		}
		if err := r.loseHosts(ctx, q, dead); err != nil {
			return err
		}
		for _, client := range dead {
			n, err := r.bury(ctx, tx, client)
			if err != nil {
				return fmt.Errorf("client %s: %w", client, err)
			}
			jobs += n
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("queue: reap: %w", err)
	}
	return jobs, nil
}

// loseHosts gives the work of hosts to others whose process is among the dead or
// has not renewed the host's lease for deadAfter.
func (r *Reaper) loseHosts(ctx context.Context, q *db.Queries, dead []string) error {
	hosts, err := q.SilentHosts(ctx, db.SilentHostsParams{Seconds: deadAfter.Seconds(), Gone: nonNil(dead)})
	if err != nil {
		return err
	}
	for _, host := range hosts {
		holder := Holder{ID: host.ID, ClientID: host.ClientID}
		if err := loseTasks(ctx, q, holder, nil, "the builder died", 1); err != nil {
			return fmt.Errorf("host %s: %w", host.Name, err)
		}
		if err := q.DisconnectHost(ctx, db.DisconnectHostParams{ID: host.ID, ClientID: host.ClientID}); err != nil {
			return fmt.Errorf("host %s: %w", host.Name, err)
		}
		r.Logger.Warn("queue: a builder is lost; what it worked on starts again", "host", host.Name, "client", host.ClientID)
	}
	return nil
}

// dead lists the clients whose work must be given away.
func (r *Reaper) dead(ctx context.Context, q *db.Queries) ([]string, error) {
	leases, err := q.ListLeases(ctx)
	if err != nil {
		return nil, err
	}
	var dead []string
	for _, lease := range leases {
		if lease.UnseenSeconds > deadAfter.Seconds() || r.Process.gone(lease) {
			dead = append(dead, lease.ClientID)
		}
	}
	orphaned, err := q.OrphanedClients(ctx)
	if err != nil {
		return nil, err
	}
	return append(dead, orphaned...), nil
}

// bury retires every running job of a dead client and inserts each anew. The
// old row must end for good: River does not fence attempts, so a worker that
// is not quite dead would complete its successor.
func (r *Reaper) bury(ctx context.Context, tx pgx.Tx, client string) (int, error) {
	q := db.New(tx)
	jobs, err := q.RunningJobsOf(ctx, client)
	if err != nil {
		return 0, err
	}
	moved := 0
	for _, job := range jobs {
		n, err := q.RetireJob(ctx, db.RetireJobParams{ID: job.ID, Reason: "the process that ran this job died"})
		if err != nil {
			return 0, err
		}
		if n == 0 {
			continue // it ended meanwhile
		}
		if job.Kind == (TaskArgs{}).Kind() {
			continue // its task has gone to others with the host
		}
		id, err := r.again(ctx, tx, job)
		if err != nil {
			return 0, err
		}
		moved++
		r.Logger.Warn("queue: job of a dead process starts again", "client", client, "kind", job.Kind, "job", job.ID, "new_job", id)
	}
	if err := q.DropLease(ctx, client); err != nil {
		return 0, err
	}
	return moved, q.DropLeader(ctx, client)
}

// again inserts a copy of a lost job.
func (r *Reaper) again(ctx context.Context, tx pgx.Tx, job db.RunningJobsOfRow) (int64, error) {
	result, err := r.Inserter.InsertTx(ctx, tx, rawArgs{kind: job.Kind, args: job.Args}, &river.InsertOpts{
		Queue: job.Queue, Priority: int(job.Priority), MaxAttempts: int(job.MaxAttempts),
		UniqueOpts: uniqueOf(job.Kind),
	})
	if err != nil {
		return 0, err
	}
	return result.Job.ID, nil
}

// rawArgs inserts a job from the encoded arguments of another.
type rawArgs struct {
	kind string
	args json.RawMessage
}

// Kind implements river.JobArgs.
func (a rawArgs) Kind() string { return a.kind }

// MarshalJSON returns the arguments as they were.
func (a rawArgs) MarshalJSON() ([]byte, error) { return a.args, nil }

// uniqueOf is the uniqueness of a kind's jobs.
func uniqueOf(kind string) river.UniqueOpts {
	switch kind {
	case PublishArgs{}.Kind(), ReportArgs{}.Kind(), ReconcileArgs{}.Kind():
		return once
	}
	return river.UniqueOpts{}
}
