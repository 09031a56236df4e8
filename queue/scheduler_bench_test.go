package queue_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// BenchmarkFarm builds 10,000 arch tasks of four priorities on 100 hosts, whose
// builds take a tenth of a second and do nothing. Beside the time it reports
//
//	builds/s    how many builds ended a second
//	busy        the part of the hosts' places that were in use meanwhile
//	p50-gap-ms  how long a host's place is empty between two builds,
//	p99-gap-ms  which is what scheduling costs
//	unfair      tasks that were given out after one of a later turn
func BenchmarkFarm(b *testing.B) {
	const hosts, tasks = 100, 10_000
	const took = 100 * time.Millisecond
	for range b.N {
		b.StopTimer()
		f := newFarm(b, hosts, tasks, took)
		b.StartTimer()
		began := time.Now()
		f.run(b)
		elapsed := time.Since(began)
		b.StopTimer()
		f.report(b, elapsed)
	}
}

// farm is many hosts in one process.
type farm struct {
	pool  *pgxpool.Pool
	took  time.Duration
	hosts map[int64]queue.Holder
	tasks int

	mu    sync.Mutex
	ended int
	done  chan struct{}
	// free are the moments since which places of a host are empty.
	free map[int64][]time.Time
	gaps []time.Duration
}

// places is how many builds a host of the farm runs at a time.
const places = 2

func newFarm(b *testing.B, hosts, tasks int, took time.Duration) *farm {
	b.Helper()
	pool := widePool(b)
	f := &farm{pool: pool, took: took, hosts: map[int64]queue.Holder{}, tasks: tasks, done: make(chan struct{}), free: map[int64][]time.Time{}}
	d := queuetest.NewDistribution(b, pool, nil, "x86_64")
	fill(b, d, tasks)
	queuetest.Exec(b, pool, "create table given (seq bigint generated always as identity, task bigint, priority int)")
	queuetest.Exec(b, pool, `create function note_given() returns trigger language plpgsql as $$ begin
		insert into given (task, priority) values (new.id, new.priority); return new; end $$`)
	queuetest.Exec(b, pool, "create trigger given after update of state on tasks for each row when (new.state = 'ASSIGNED') execute function note_given()")
	// What earlier work has left: statements that are planned while the table
	// looks empty would read all of it later.
	queuetest.Exec(b, pool, `insert into river_job (state, max_attempts, finalized_at, args, kind, queue)
		select 'completed', 1, now(), '{}', 'builders.task', 'host_0' from generate_series(1, $1)`, tasks)
	queuetest.Exec(b, pool, "analyze")
	for n := range hosts {
		holder := connectNth(b, pool, n)
		f.hosts[holder.ID] = holder
	}
	return f
}

// run builds everything.
func (f *farm) run(b *testing.B) {
	b.Helper()
	queues := []string{}
	for id := range f.hosts {
		queues = append(queues, queue.HostQueue(id))
	}
	now := time.Now()
	for id := range f.hosts {
		f.free[id] = slices.Repeat([]time.Time{now}, places)
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(f.build))
	config := queue.Config{ID: "farm", Workers: workers, Queues: map[string]int{}, Hub: true, Logger: slog.New(slog.DiscardHandler)}
	for _, name := range queues {
		config.Queues[name] = 10
	}
	client, err := queue.NewClient(f.pool, config)
	if err != nil {
		b.Fatal(err)
	}
	if err := client.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { (&queue.Scheduler{Pool: f.pool, Inserter: client, Logger: slog.Default()}).Run(ctx) })
	running.Go(func() { f.beat(ctx) })
	<-f.done
	stop()
	running.Wait()
	if err := client.Stop(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// beat keeps the hosts' leases.
func (f *farm) beat(ctx context.Context) {
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			_, _ = f.pool.Exec(ctx, "update hosts set seen_at = now()")
		}
	}
}

// build is one build: it begins, takes its time and ends.
func (f *farm) build(ctx context.Context, job *river.Job[queue.TaskArgs]) error {
	id := queuetestHost(job.Queue)
	f.mu.Lock()
	if free := f.free[id]; len(free) > 0 {
		f.gaps = append(f.gaps, time.Since(free[0]))
		f.free[id] = free[1:]
	}
	f.mu.Unlock()
	task, err := queue.Begin(ctx, f.pool, f.hosts[id], job.Args.Claim, nil)
	if errors.Is(err, queue.ErrTaskOver) {
		return nil
	}
	if err != nil {
		return err
	}
	timer := time.NewTimer(f.took)
	<-timer.C
	err = pgx.BeginFunc(ctx, f.pool, func(tx pgx.Tx) error {
		_, err := queue.Finish(ctx, tx, task, queue.Ending{State: queue.TaskClosed})
		return err
	})
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.free[id] = append(f.free[id], time.Now())
	if f.ended++; f.ended == f.tasks {
		close(f.done)
	}
	return nil
}

// report tells what the farm did.
func (f *farm) report(b *testing.B, elapsed time.Duration) {
	b.Helper()
	slices.Sort(f.gaps)
	at := func(part float64) float64 {
		return float64(f.gaps[int(part*float64(len(f.gaps)-1))].Microseconds()) / 1000
	}
	b.ReportMetric(float64(f.ended)/elapsed.Seconds(), "builds/s")
	b.ReportMetric(f.took.Seconds()*float64(f.ended)/(elapsed.Seconds()*float64(places*len(f.hosts))), "busy")
	b.ReportMetric(at(0.5), "p50-gap-ms")
	b.ReportMetric(at(0.99), "p99-gap-ms")
	unfair := queuetest.Value[int](b, f.pool, `select count(*) from given g
		where exists (select from (select max(priority) over (order by seq) as highest, seq from given) h where h.seq = g.seq and h.highest > g.priority)`)
	b.ReportMetric(float64(unfair), "unfair")
}

// queuetestHost is the host whose queue this is.
func queuetestHost(name string) (id int64) {
	for _, digit := range name[len("host_"):] {
		id = 10*id + int64(digit-'0')
	}
	return id
}

// BenchmarkRound is a round of the scheduler in which 100 hosts have room and
// nothing can begin, since all that waits does so for a repository.
func BenchmarkRound(b *testing.B) {
	for _, waiting := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("%d tasks wait for a repository", waiting), func(b *testing.B) {
			pool := dbtest.New(b)
			d := queuetest.NewDistribution(b, pool, nil, "x86_64")
			fill(b, d, waiting)
			queuetest.Exec(b, pool, "update tasks set waits_tag = $1, waits_rev = 99 where state = 'FREE'", d.BuildTag)
			queuetest.Exec(b, pool, "vacuum analyze")
			for n := range 100 {
				connectNth(b, pool, n)
			}
			scheduler := newScheduler(b, pool)
			for b.Loop() {
				if n, err := scheduler.Round(b.Context()); err != nil || n != 0 {
					b.Fatalf("%d tasks were given out, %v; want none", n, err)
				}
			}
		})
	}
}

// fill makes builds, each with an arch task that waits for a host.
func fill(b *testing.B, d *queuetest.Distribution, tasks int) {
	b.Helper()
	queuetest.Exec(b, d.Pool, `insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, spec, need_rev)
		select $1, $2, 'f37', $3, $4, false, 'refs/heads/f37', lpad(n::text, 40, '0'), now(), 'hello.spec', 1 from generate_series(1, $5) n`,
		d.Package, d.Repository, d.BuildTag, d.DestTag, tasks)
	queuetest.Exec(b, d.Pool, "insert into tasks (build_id, method, label, state, attempt) select id, 'build', 'hello', 'OPEN', 1 from builds order by id")
	queuetest.Exec(b, d.Pool, `insert into tasks (parent_id, build_id, method, arch, root_arches, bin, label, state, weight, priority)
		select id, build_id, 'buildArch', 'x86_64', '{x86_64}', 'x86_64', 'hello', 'FREE', 1.5, 10 * (1 + id % 4) from tasks order by id`)
}

// connectNth connects a host of two places.
func connectNth(b *testing.B, pool *pgxpool.Pool, n int) queue.Holder {
	b.Helper()
	holder, err := queue.Connect(b.Context(), pool, queue.HostInfo{Name: fmt.Sprintf("host-%03d", n), Arches: []string{"x86_64"}, Capacity: places}, "farm")
	if err != nil {
		b.Fatal(err)
	}
	return holder
}

// widePool is a pool on a new database that many may use at a time.
func widePool(b *testing.B) *pgxpool.Pool {
	b.Helper()
	config, err := pgxpool.ParseConfig(dbtest.NewURL(b))
	if err != nil {
		b.Fatal(err)
	}
	config.MaxConns = 32
	pool, err := pgxpool.NewWithConfig(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	return pool
}
