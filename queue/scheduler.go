package queue

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/db"
)

const (
	// scheduleEvery is how often the scheduler looks though nobody woke it, for
	// tasks that wait for a time.
	scheduleEvery = time.Second
	// scheduleChannel is what triggers of tasks, tags and hosts notify.
	scheduleChannel = "distbot_schedule"
	// roundSize bounds how many tasks of one bin a round looks at.
	roundSize = 500
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
		for {
			n, err := s.Round(ctx)
			if err != nil && ctx.Err() == nil {
				s.Logger.Error("queue: schedule", "error", err)
			}
			if n == 0 || err != nil {
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-wake:
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
func (s *Scheduler) Round(ctx context.Context) (assigned int, err error) {
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
		assigned = len(plan.assign.Ids)
		return s.assign(ctx, tx, plan)
	})
	if err != nil {
		return 0, fmt.Errorf("queue: schedule: %w", err)
	}
	return assigned, nil
}

// assign records a plan and rings at the hosts.
func (s *Scheduler) assign(ctx context.Context, tx pgx.Tx, p *plan) error {
	if len(p.assign.Ids) == 0 {
		return nil
	}
	q := db.New(tx)
	given, err := q.AssignTasks(ctx, p.assign)
	if err != nil {
		return err
	}
	remote := map[int64]*DeliverArgs{}
	var jobs []river.JobArgs
	var set db.SetTaskJobsParams
	for _, task := range given {
		claim := Claim{TaskID: task.ID, Attempt: task.Attempt}
		if !p.hosts[task.HostID].Remote {
			jobs, set.Ids = append(jobs, TaskArgs{Claim: claim, HostID: task.HostID}), append(set.Ids, task.ID)
			continue
		}
		if remote[task.HostID] == nil {
			remote[task.HostID] = &DeliverArgs{HostID: task.HostID}
		}
		remote[task.HostID].Claims = append(remote[task.HostID].Claims, claim)
	}
	for _, args := range remote {
		jobs = append(jobs, *args)
	}
	ids, err := insertAll(ctx, tx, s.Inserter, jobs)
	if err != nil || len(set.Ids) == 0 {
		return err
	}
	set.JobIds = ids[:len(set.Ids)]
	return q.SetTaskJobs(ctx, set)
}

// plan is one round: the hosts as they will be, and what they are given.
type plan struct {
	hosts   map[int64]*db.HostsToScheduleRow
	order   []*db.HostsToScheduleRow
	refused map[refusal]bool
	// reserved hosts take nothing more in this round.
	reserved map[int64]bool
	assign   db.AssignTasksParams
}

type refusal struct{ task, host int64 }

func newPlan(hosts []db.HostsToScheduleRow) *plan {
	p := &plan{hosts: map[int64]*db.HostsToScheduleRow{}, refused: map[refusal]bool{}, reserved: map[int64]bool{}}
	for i := range hosts {
		p.hosts[hosts[i].ID] = &hosts[i]
		p.order = append(p.order, &hosts[i])
	}
	return p
}

// bins are the bins that hosts with room take tasks from, and how many tasks
// they could take at most.
func (p *plan) bins() db.TasksToScheduleParams {
	type bin struct{ channel, name string }
	room, arches := map[bin]int32{}, map[bin][]string{}
	var order []bin
	for _, host := range p.order {
		if host.Weight >= host.Capacity {
			continue
		}
		// The lightest task weighs 1.
		free := int32(host.Capacity-host.Weight) + 1
		for _, channel := range host.Channels {
			for _, name := range append(slices.Clone(host.Arches), arch.Noarch) {
				b := bin{channel, name}
				if room[b] == 0 {
					order = append(order, b)
				}
				room[b] = min(room[b]+free, roundSize)
				arches[b] = append(arches[b], host.Arches...)
			}
		}
	}
	var params db.TasksToScheduleParams
	for _, b := range order {
		params.Channels, params.Bins = append(params.Channels, b.channel), append(params.Bins, b.name)
		// Some may have been refused by the hosts that have room.
		params.MaxRows = append(params.MaxRows, room[b]+spareRows)
		slices.Sort(arches[b])
		params.Arches = append(params.Arches, strings.Join(slices.Compact(arches[b]), " "))
	}
	return params
}

// place chooses a host for a task, if one has room.
func (p *plan) place(task db.TasksToScheduleRow) {
	var best *db.HostsToScheduleRow
	var bestRoot string
	var bestRank rank
	willing := p.willing(task)
	for _, host := range p.order {
		root, ok := serves(host, task)
		if !ok || p.reserved[host.ID] || !fits(host, task) {
			continue
		}
		if p.refused[refusal{task.ID, host.ID}] && willing {
			continue
		}
		r := rankOf(host, root)
		if best == nil || r.less(bestRank) {
			best, bestRoot, bestRank = host, root, r
		}
	}
	if best == nil {
		p.reserve(task)
		return
	}
	best.Weight, best.Tasks = best.Weight+task.Weight, best.Tasks+1
	p.assign.Ids, p.assign.HostIds = append(p.assign.Ids, task.ID), append(p.assign.HostIds, best.ID)
	p.assign.ClientIds, p.assign.RootArches = append(p.assign.ClientIds, best.ClientID), append(p.assign.RootArches, bestRoot)
}

// fits reports whether a host has room for a task. One that has nothing to do
// takes any: else a task could weigh more than every host may carry, and would
// never be built.
func fits(host *db.HostsToScheduleRow, task db.TasksToScheduleRow) bool {
	return host.Tasks == 0 || host.Capacity-host.Weight > max(0, task.Weight-heavy)
}

// reserve keeps the host that is nearest to having room for a heavy task from
// lighter ones that come after it, or they would take its turn for ever.
func (p *plan) reserve(task db.TasksToScheduleRow) {
	if task.Weight <= heavy {
		return
	}
	var nearest *db.HostsToScheduleRow
	for _, host := range p.order {
		_, ok := serves(host, task)
		if !ok || p.reserved[host.ID] || p.refused[refusal{task.ID, host.ID}] {
			continue
		}
		if nearest == nil || host.Weight < nearest.Weight {
			nearest = host
		}
	}
	if nearest != nil {
		p.reserved[nearest.ID] = true
	}
}

// willing reports whether a host could take the task that has not refused it,
// though it may have no room now. When all have refused, refusals count for
// nothing.
func (p *plan) willing(task db.TasksToScheduleRow) bool {
	return slices.ContainsFunc(p.order, func(host *db.HostsToScheduleRow) bool {
		_, ok := serves(host, task)
		return ok && !p.refused[refusal{task.ID, host.ID}]
	})
}

// serves reports whether a host is of a task's channel and architectures, and
// which architecture its buildroot will have: one without an emulator if there
// is a choice.
func serves(host *db.HostsToScheduleRow, task db.TasksToScheduleRow) (root string, ok bool) {
	if !slices.Contains(host.Channels, task.Channel) {
		return "", false
	}
	if len(task.RootArches) == 0 {
		// A tag without architectures: whoever takes it says so.
		return "", true
	}
	for _, a := range task.RootArches {
		if !slices.Contains(host.Arches, a) {
			continue
		}
		if !ok || slices.Contains(host.Emulated, root) && !slices.Contains(host.Emulated, a) {
			root, ok = a, true
		}
	}
	return root, ok
}

// rank orders hosts that could take a task.
type rank struct {
	emulated bool
	load     float32
	tasks    int32
}

func rankOf(host *db.HostsToScheduleRow, root string) rank {
	return rank{emulated: slices.Contains(host.Emulated, root), load: host.Weight / host.Capacity, tasks: host.Tasks}
}

func (r rank) less(o rank) bool {
	if r.emulated != o.emulated {
		return o.emulated
	}
	return cmp.Or(cmp.Compare(r.load, o.load), cmp.Compare(r.tasks, o.tasks)) < 0
}
