package queue

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
)

const (
	// scheduleEvery is how often the scheduler looks though nobody woke it, for
	// tasks that wait for a time.
	scheduleEvery = time.Second
	// roundEvery is how soon rounds follow one another at most: of many changes
	// one round sees all.
	roundEvery = 20 * time.Millisecond
	// scheduleChannel is what triggers of tasks, tags and hosts notify.
	scheduleChannel = "distbot_schedule"
	// roundSize bounds how many tasks of one bin a round looks at.
	roundSize = 500
	// beginRows is how many tasks are found at a time that may begin, since their
	// repository is there.
	beginRows = 1000
	// spareRows is how many more tasks than a bin has room for a round looks at.
	spareRows = 50
	// heavy is the weight up to which a task may exceed what is left of a host's
	// capacity (Koji's rule). A heavier one waits for a host that has room or
	// nothing to do.
	heavy = 5
)

// Scheduler gives waiting tasks to hosts, by Koji's rules: a host takes tasks of
// its channels and architectures while the weights of its tasks stay below its
// capacity; tasks come by priority, then age; of several hosts the one with the
// least load for its capacity is chosen, and one that needs no emulator before
// one that does. Any number may run, on any hub.
type Scheduler struct {
	Pool     *pgxpool.Pool
	Inserter Inserter
	Logger   *slog.Logger
}

// Run gives tasks to hosts until ctx ends, whenever something has changed.
// Errors are logged and the next round tries again.
func (s *Scheduler) Run(ctx context.Context) {
	wake := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.listen(ctx, wake)
	}()
	defer func() { <-done }()
	ticker := time.NewTicker(scheduleEvery)
	defer ticker.Stop()
	for {
		next := time.After(roundEvery)
		n, err := s.Round(ctx)
		if err != nil && ctx.Err() == nil {
			s.Logger.Error("queue: schedule", "error", err)
		}
		if n == 0 || err != nil {
			select {
			case <-ctx.Done():
			case <-ticker.C:
			case <-wake:
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-next:
		}
		select {
		case <-wake: // the next round sees what that was about
		default:
		}
	}
}

// listen wakes the scheduler when the database says so, on a connection of its
// own, which is made anew when it breaks.
func (s *Scheduler) listen(ctx context.Context, wake chan<- struct{}) {
	for ctx.Err() == nil {
		err := s.listenOnce(ctx, wake)
		if ctx.Err() != nil {
			return
		}
		s.Logger.Warn("queue: listen for tasks", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(scheduleEvery):
		}
	}
}

func (s *Scheduler) listenOnce(ctx context.Context, wake chan<- struct{}) error {
	pooled, err := s.Pool.Acquire(ctx)
	if err != nil {
		return err
	}
	// Who listens must not go back to the others.
	conn := pooled.Hijack()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // it is over either way
	}()
	if _, err := conn.Exec(ctx, "listen "+scheduleChannel); err != nil {
		return err
	}
	for {
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
		select {
		case wake <- struct{}{}:
		default: // it will look anyway
		}
	}
}

// Round gives out what can be given now, and returns how many tasks that were.
// What it costs depends on the tasks that may begin, not on those that wait for
// a repository.
func (s *Scheduler) Round(ctx context.Context) (assigned int, err error) {
	for {
		// In a transaction of its own: the tasks are written again when they are
		// given out.
		begin, err := db.New(s.Pool).LetTasksBegin(ctx, beginRows)
		if err != nil {
			return 0, fmt.Errorf("queue: let tasks begin: %w", err)
		}
		assigned, err := s.giveOut(ctx)
		if assigned > 0 || begin < beginRows || err != nil {
			return assigned, err
		}
	}
}

// giveOut gives out tasks that may begin.
func (s *Scheduler) giveOut(ctx context.Context) (assigned int, err error) {
	err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		if err := q.ScheduleLock(ctx); err != nil {
			return err
		}
		hosts, err := q.HostsToSchedule(ctx)
		if err != nil {
			return err
		}
		plan := newPlan(hosts)
		asked := plan.bins()
		if len(asked.Bins) == 0 {
			return nil
		}
		tasks, err := q.TasksToSchedule(ctx, asked)
		if err != nil || len(tasks) == 0 {
			return err
		}
		ids := make([]int64, len(tasks))
		for i, task := range tasks {
			ids[i] = task.ID
		}
		refusals, err := q.RefusalsOfTasks(ctx, ids)
		if err != nil {
			return err
		}
		for _, r := range refusals {
			plan.refused[refusal{r.TaskID, r.HostID}] = true
		}
		for _, task := range tasks {
			plan.place(task)
		}
		assigned, err = s.assign(ctx, tx, plan)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("queue: schedule: %w", err)
	}
	return assigned, nil
}

// assign records a plan and rings at the hosts. It returns how many tasks were
// given out: those that somebody is about to end are left to a later round.
func (s *Scheduler) assign(ctx context.Context, tx pgx.Tx, p *plan) (int, error) {
	if len(p.assign.Ids) == 0 {
		return 0, nil
	}
	q := db.New(tx)
	free, err := q.LockFreeTasks(ctx, p.assign.Ids)
	if err != nil || len(free) == 0 {
		return 0, err
	}
	give, jobs := p.give(free)
	ids, err := insertAll(ctx, tx, s.Inserter, jobs)
	if err != nil {
		return 0, err
	}
	for i, job := range give.JobIds {
		if job != 0 {
			give.JobIds[i] = ids[job-1]
		}
	}
	n, err := q.AssignTasks(ctx, give)
	return int(n), err
}
