package queue_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// newScheduler makes a scheduler of the pool's database.
func newScheduler(tb testing.TB, pool *pgxpool.Pool) *queue.Scheduler {
	tb.Helper()
	return &queue.Scheduler{Pool: pool, Inserter: queuetest.Inserter(tb, pool), Logger: slog.New(slog.DiscardHandler)}
}

// schedule runs a scheduler until the test ends.
func schedule(tb testing.TB, pool *pgxpool.Pool) {
	tb.Helper()
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	scheduler := newScheduler(tb, pool)
	go func() {
		defer close(stopped)
		scheduler.Run(ctx)
	}()
	tb.Cleanup(func() {
		stop()
		<-stopped
	})
}

// waiting makes builds whose source packages wait, and returns their tasks, the
// oldest first.
func waiting(tb testing.TB, d *queuetest.Distribution, n int) (tasks []int64) {
	tb.Helper()
	for i := range n {
		build := d.Start(tb, d.NewBuild(i+1))
		tasks = append(tasks, queuetest.Task(tb, d.Pool, build, queue.MethodBuildSRPM, "").ID)
	}
	return tasks
}

// given tells who was given which task, as lines "TASK HOST ROOT", tasks counted
// from 0 by their age.
func given(tb testing.TB, pool *pgxpool.Pool, tasks []int64) []string {
	tb.Helper()
	return queuetest.Values[string](tb, pool, `select (array_position($1::bigint[], t.id) - 1) || ' ' || h.name || ' ' || t.root_arch
		from tasks t join hosts h on h.id = t.host_id where t.state = 'ASSIGNED' order by t.id`, tasks)
}

// connect makes a host as it says of itself.
func connect(tb testing.TB, pool *pgxpool.Pool, info queue.HostInfo) queue.Holder {
	tb.Helper()
	if info.Remote {
		queuetest.Exec(tb, pool, "insert into hosts (name, remote) values ($1, true)", info.Name)
	}
	holder, err := queue.Connect(tb.Context(), pool, info, info.Name)
	if err != nil {
		tb.Fatal(err)
	}
	return holder
}

// round runs one round and wants so many tasks given out.
func round(tb testing.TB, pool *pgxpool.Pool, want int) {
	tb.Helper()
	n, err := newScheduler(tb, pool).Round(tb.Context())
	if err != nil || n != want {
		tb.Fatalf("%d tasks were given out, %v; want %d", n, err, want)
	}
}

// weigh gives tasks a weight, and so many of them, the oldest first.
func weigh(tb testing.TB, pool *pgxpool.Pool, weight float32, tasks ...int64) {
	tb.Helper()
	queuetest.Exec(tb, pool, "update tasks set weight = $1 where id = any($2)", weight, tasks)
}

func TestSchedulerRound(t *testing.T) {
	t.Parallel()
	host := func(name string, capacity float32, arches ...string) queue.HostInfo {
		return queue.HostInfo{Name: name, Capacity: capacity, Arches: arches}
	}
	for name, test := range map[string]struct {
		hosts  []queue.HostInfo
		builds int
		// before changes what waits, or the hosts.
		before func(t *testing.T, pool *pgxpool.Pool, tasks []int64)
		want   []string
	}{
		"gives the oldest first, up to the capacity": {
			hosts: []queue.HostInfo{host("a", 2, "x86_64")}, builds: 4,
			want: []string{"0 a x86_64", "1 a x86_64"},
		},
		"gives what has the lower priority before what is older": {
			hosts: []queue.HostInfo{host("a", 2, "x86_64")}, builds: 4,
			before: func(t *testing.T, pool *pgxpool.Pool, tasks []int64) {
				t.Helper()
				queuetest.Exec(t, pool, "update tasks set priority = 5 where id = $1", tasks[3])
			},
			want: []string{"0 a x86_64", "3 a x86_64"},
		},
		"spreads by load for capacity": {
			hosts: []queue.HostInfo{host("big", 4, "x86_64"), host("small", 2, "x86_64")}, builds: 6,
			want: []string{"0 big x86_64", "1 small x86_64", "2 big x86_64", "3 small x86_64", "4 big x86_64", "5 big x86_64"},
		},
		"gives a task that weighs more than is left while it is no more than 5": {
			hosts: []queue.HostInfo{host("a", 2, "x86_64")}, builds: 2,
			before: func(t *testing.T, pool *pgxpool.Pool, tasks []int64) { t.Helper(); weigh(t, pool, 5, tasks...) },
			want:   []string{"0 a x86_64"},
		},
		"gives a task that weighs more than a host may carry to one that has nothing to do": {
			hosts: []queue.HostInfo{host("a", 2, "x86_64")}, builds: 2,
			before: func(t *testing.T, pool *pgxpool.Pool, tasks []int64) { t.Helper(); weigh(t, pool, 19, tasks[0]) },
			want:   []string{"0 a x86_64"},
		},
		"keeps a host for the heavy task whose turn it is, and gives lighter ones to others": {
			hosts: []queue.HostInfo{host("a", 4, "x86_64"), host("b", 4, "x86_64")}, builds: 4,
			before: func(t *testing.T, pool *pgxpool.Pool, tasks []int64) {
				t.Helper()
				// Both have something to do; a is nearer to having room.
				queuetest.Exec(t, pool, `update tasks t set state = 'OPEN', host_id = h.id, client_id = h.client_id, weight = case h.name when 'a' then 1 else 2 end
					from hosts h where t.id = case h.name when 'a' then $1::bigint else $2::bigint end`, tasks[0], tasks[1])
				weigh(t, pool, 9, tasks[2])
			},
			want: []string{"3 b x86_64"},
		},
		"looks behind tasks that no host with room can build": {
			hosts: []queue.HostInfo{host("a", 1, "x86_64")}, builds: 20,
			before: func(t *testing.T, pool *pgxpool.Pool, tasks []int64) {
				t.Helper()
				queuetest.Exec(t, pool, "update tasks set root_arches = '{s390x}' where id = any($1)", tasks[:19])
			},
			want: []string{"19 a x86_64"},
		},
		"chooses the architecture that the host has": {
			hosts: []queue.HostInfo{host("a", 2, "riscv64"), host("b", 2, "x86_64")}, builds: 2,
			want: []string{"0 a riscv64", "1 b x86_64"},
		},
		"gives nothing to a host of other architectures": {
			hosts: []queue.HostInfo{host("a", 2, "s390x")}, builds: 2,
		},
		"prefers a host without an emulator, and uses one with when nobody else is left": {
			hosts: []queue.HostInfo{
				{Name: "emulating", Capacity: 9, Arches: []string{"x86_64"}, Emulated: []string{"x86_64"}}, host("native", 1, "x86_64"),
			},
			builds: 2, want: []string{"0 native x86_64", "1 emulating x86_64"},
		},
		"chooses the architecture that a host needs no emulator for": {
			hosts:  []queue.HostInfo{{Name: "a", Capacity: 2, Arches: []string{"x86_64", "riscv64"}, Emulated: []string{"x86_64"}}},
			builds: 1, want: []string{"0 a riscv64"},
		},
		"gives only what is of the host's channels": {
			hosts: []queue.HostInfo{{Name: "a", Capacity: 9, Arches: []string{"x86_64"}, Channels: []string{"secure"}}}, builds: 3,
			before: func(t *testing.T, pool *pgxpool.Pool, tasks []int64) {
				t.Helper()
				queuetest.Exec(t, pool, "update tasks set channel = 'secure' where id = $1", tasks[1])
			},
			want: []string{"1 a x86_64"},
		},
		"gives nothing to hosts that are disabled, unready, silent or gone": {
			hosts:  []queue.HostInfo{host("disabled", 9, "x86_64"), host("unready", 9, "x86_64"), host("silent", 9, "x86_64"), host("gone", 9, "x86_64")},
			builds: 1,
			before: func(t *testing.T, pool *pgxpool.Pool, _ []int64) {
				t.Helper()
				queuetest.Exec(t, pool, `update hosts set enabled = name <> 'disabled', unready = case when name = 'unready' then 'its disk is full' else '' end,
					seen_at = now() - case when name = 'silent' then interval '21 seconds' else interval '0' end,
					client_id = case when name <> 'gone' then client_id end`)
			},
		},
		"gives nothing to a host that is unfit when it connects": {
			hosts:  []queue.HostInfo{{Name: "a", Capacity: 9, Arches: []string{"x86_64"}, Status: queue.HostStatus{Unready: "its load is high"}}},
			builds: 1,
		},
		"counts what an administrator says of capacity and channels": {
			hosts: []queue.HostInfo{host("a", 9, "x86_64"), host("b", 9, "x86_64")}, builds: 3,
			before: func(t *testing.T, pool *pgxpool.Pool, _ []int64) {
				t.Helper()
				queuetest.Exec(t, pool, "update hosts set capacity_set = 1 where name = 'a'")
				queuetest.Exec(t, pool, "update hosts set channels_set = '{other}' where name = 'b'")
			},
			want: []string{"0 a x86_64"},
		},
		"asks another host after a refusal, though it has more to do": {
			hosts: []queue.HostInfo{host("a", 9, "x86_64"), host("b", 1.1, "x86_64")}, builds: 1,
			before: func(t *testing.T, pool *pgxpool.Pool, tasks []int64) {
				t.Helper()
				queuetest.Exec(t, pool, "insert into task_refusals select $1, id, now() + interval '1 minute', 'its disk is full' from hosts where name = 'a'", tasks[0])
			},
			want: []string{"0 b x86_64"},
		},
		"asks again where everybody has refused": {
			hosts: []queue.HostInfo{host("a", 9, "x86_64")}, builds: 1,
			before: func(t *testing.T, pool *pgxpool.Pool, tasks []int64) {
				t.Helper()
				queuetest.Exec(t, pool, "insert into task_refusals select $1, id, now() + interval '1 minute', 'its disk is full' from hosts", tasks[0])
			},
			want: []string{"0 a x86_64"},
		},
		"waits for a time that has not come": {
			hosts: []queue.HostInfo{host("a", 9, "x86_64")}, builds: 2,
			before: func(t *testing.T, pool *pgxpool.Pool, tasks []int64) {
				t.Helper()
				queuetest.Exec(t, pool, "update tasks set not_before = now() + interval '1 minute' where id = $1", tasks[0])
			},
			want: []string{"1 a x86_64"},
		},
		"waited for a repository that is there by now": {
			hosts: []queue.HostInfo{host("a", 9, "x86_64")}, builds: 2,
			before: func(t *testing.T, pool *pgxpool.Pool, tasks []int64) {
				t.Helper()
				queuetest.Exec(t, pool, "update tasks set waits_tag = (select id from tags where name = 'f37-build'), waits_rev = 7 where id = any($1)", tasks)
				queuetest.Exec(t, pool, "update tasks set waits_rev = 8 where id = $1", tasks[0])
				queuetest.Exec(t, pool, "update tags set built_rev = 7 where name = 'f37-build'")
			},
			want: []string{"1 a x86_64"},
		},
		"waits for the repository of the build tag": {
			hosts: []queue.HostInfo{host("a", 9, "x86_64")}, builds: 2,
			before: func(t *testing.T, pool *pgxpool.Pool, tasks []int64) {
				t.Helper()
				queuetest.Exec(t, pool, "update tasks set waits_tag = (select id from tags where name = 'f37-build'), waits_rev = 99 where id = $1", tasks[0])
			},
			want: []string{"1 a x86_64"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			d := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), "x86_64", "riscv64")
			tasks := waiting(t, d, test.builds)
			for _, info := range test.hosts {
				connect(t, pool, info)
			}
			if test.before != nil {
				test.before(t, pool, tasks)
			}
			round(t, pool, len(test.want))
			if diff := cmp.Diff(test.want, given(t, pool, tasks), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("task, host and architecture (-want +got):\n%s", diff)
			}
			if n := queuetest.Value[int](t, pool, "select count(*) from tasks t join river_job j on j.id = t.river_job_id and j.queue = 'host_' || t.host_id where t.state = 'ASSIGNED'"); n != len(test.want) {
				t.Errorf("%d tasks were announced in the queue of their host, want %d", n, len(test.want))
			}
		})
	}

	t.Run("rings once at a remote host for all it gives to it", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		d := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), "x86_64")
		tasks := waiting(t, d, 2)
		far := connect(t, pool, queue.HostInfo{Name: "far", Remote: true, Capacity: 9, Arches: []string{"x86_64"}})
		round(t, pool, 2)
		got := queuetest.Values[string](t, pool, "select args::text from river_job where kind = 'builders.deliver'")
		want := fmt.Sprintf(`{"claims": [{"attempt": 1, "task_id": %d}, {"attempt": 1, "task_id": %d}], "host_id": %d}`, tasks[0], tasks[1], far.ID)
		if diff := cmp.Diff([]string{want}, got); diff != "" {
			t.Errorf("arguments of the jobs (-want +got):\n%s", diff)
		}
	})

	t.Run("by many hubs at once gives every task once and no host too much", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		d := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), "x86_64")
		waiting(t, d, 40)
		for n := range 5 {
			connect(t, pool, host(fmt.Sprintf("host-%d", n), 4, "x86_64"))
		}
		var group errgroup.Group
		var sum atomic.Int64
		scheduler := newScheduler(t, pool)
		for range 8 {
			group.Go(func() error {
				n, err := scheduler.Round(t.Context())
				sum.Add(int64(n))
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		got := queuetest.Values[string](t, pool, "select h.name || ' ' || count(*) || ' ' || max(t.attempt) from tasks t join hosts h on h.id = t.host_id group by h.name order by 1")
		want := []string{"host-0 4 1", "host-1 4 1", "host-2 4 1", "host-3 4 1", "host-4 4 1"}
		if diff := cmp.Diff(want, got); diff != "" || sum.Load() != 20 {
			t.Errorf("%d were given out; tasks and attempts of each host (-want +got):\n%s", sum.Load(), diff)
		}
	})
}

func TestSchedulerRoundAfterARepositoryForMany(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	d := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), "x86_64")
	task := waiting(t, d, 1)[0]
	queuetest.Exec(t, pool, "update tasks set bin = 'x86_64', root_arches = '{x86_64}' where id = $1", task)
	// More than are looked at together come first, and no host can build them.
	queuetest.Exec(t, pool, `insert into tasks (build_id, method, arch, root_arches, bin, label, state, priority)
		select build_id, 'buildArch', 'a' || n, '{riscv64}', 'riscv64', 'x', 'FREE', 5 from tasks, generate_series(1, 2500) n where id = $1`, task)
	queuetest.Exec(t, pool, "update tasks set waits_tag = $1, waits_rev = 7 where state = 'FREE'", d.BuildTag)
	connect(t, pool, queue.HostInfo{Name: "a", Capacity: 1, Arches: []string{"x86_64"}})
	round(t, pool, 0)
	queuetest.Exec(t, pool, "update tags set built_rev = 7 where id = $1", d.BuildTag)
	round(t, pool, 1)
	if left := queuetest.Value[int](t, pool, "select count(*) from tasks where waits_tag is not null"); left != 0 {
		t.Errorf("%d tasks still wait for a repository that is there", left)
	}
}

func TestSchedulerIsWoken(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, pool *pgxpool.Pool, d *queuetest.Distribution){
		"by a new build": func(t *testing.T, _ *pgxpool.Pool, d *queuetest.Distribution) { t.Helper(); waiting(t, d, 1) },
		"by a repository": func(t *testing.T, pool *pgxpool.Pool, d *queuetest.Distribution) {
			t.Helper()
			queuetest.Exec(t, pool, "update tags set want_rev = 7 where id = $1", d.BuildTag)
			waiting(t, d, 1)
			queuetest.Exec(t, pool, "update tags set built_rev = 7 where id = $1", d.BuildTag)
		},
		"by a host that is enabled": func(t *testing.T, pool *pgxpool.Pool, d *queuetest.Distribution) {
			t.Helper()
			queuetest.Exec(t, pool, "update hosts set enabled = false")
			waiting(t, d, 1)
			queuetest.Exec(t, pool, "update hosts set enabled = true")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			d := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), "x86_64")
			connect(t, pool, queue.HostInfo{Name: "a", Capacity: 1, Arches: []string{"x86_64"}})
			schedule(t, pool)
			change(t, pool, d)
			queuetest.WaitRow(t, pool, "the task is given to the host", "select state = 'ASSIGNED' from tasks where method = 'buildSRPM'")
		})
	}
}
