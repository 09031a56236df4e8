package queue_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// setup makes a distribution of two arches with one started build.
func setup(t *testing.T) (*pgxpool.Pool, *queuetest.Distribution, int64) {
	t.Helper()
	pool := dbtest.New(t)
	d := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), "x86_64", "riscv64")
	return pool, d, d.Start(t, d.NewBuild(0))
}

// release gives an attempt back in a transaction of its own.
func release(ctx context.Context, pool *pgxpool.Pool, task db.Task, back queue.Return) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return queue.Release(ctx, tx, task, back) })
}

// finish ends an attempt in a transaction of its own.
func finish(ctx context.Context, pool *pgxpool.Pool, task db.Task, ending queue.Ending) (last bool, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		last, err = queue.Finish(ctx, tx, task, ending)
		return err
	})
	return last, err
}

func TestBegin(t *testing.T) {
	t.Parallel()

	t.Run("opens the attempt that the host was given, as often as it asks", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		host := queuetest.Host(t, pool, "host-1")
		for want := int32(1); want <= 3; want++ {
			claim := queuetest.Give(t, pool, host, queuetest.Task(t, pool, build, queue.MethodBuildSRPM, ""))
			for range 2 {
				begun, err := queue.Begin(t.Context(), pool, host, claim, nil)
				if err != nil || begun.Attempt != want || begun.State != queue.TaskOpen || *begun.ClientID != "host-1" {
					t.Fatalf("attempt %d, state %s, %v; want an open attempt %d of host-1", begun.Attempt, begun.State, err, want)
				}
			}
			task := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
			if err := release(t.Context(), pool, task, queue.Return{Reason: "again"}); err != nil {
				t.Fatal(err)
			}
		}
	})

	t.Run("is refused", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		host, other := queuetest.Host(t, pool, "host-1"), queuetest.Host(t, pool, "host-2")
		task := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
		claim := queuetest.Give(t, pool, host, task)
		for name, refused := range map[string]struct {
			host  queue.Holder
			claim queue.Claim
		}{
			"to another host":                     {other, claim},
			"to an earlier process of the host":   {queue.Holder{ID: host.ID, ClientID: "host-0"}, claim},
			"for another attempt":                 {host, queue.Claim{TaskID: task.ID, Attempt: claim.Attempt + 1}},
			"for a task that was never given out": {host, queue.Claim{TaskID: *task.ParentID, Attempt: 1}},
			"for a task that does not exist":      {host, queue.Claim{TaskID: 1 << 40, Attempt: 1}},
		} {
			if _, err := queue.Begin(t.Context(), pool, refused.host, refused.claim, nil); !errors.Is(err, queue.ErrTaskOver) {
				t.Errorf("%s: got error %v, want ErrTaskOver", name, err)
			}
		}
		begun, err := queue.Begin(t.Context(), pool, host, claim, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := finish(t.Context(), pool, begun, queue.Ending{State: queue.TaskClosed}); err != nil {
			t.Fatal(err)
		}
		if _, err := queue.Begin(t.Context(), pool, host, claim, nil); !errors.Is(err, queue.ErrTaskOver) {
			t.Errorf("once it is over: got error %v, want ErrTaskOver", err)
		}
	})

	t.Run("of a task that has cost five hosts their lives says so", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		reaper := newReaper(t, pool)
		for n := range 5 {
			name := "host-" + strconv.Itoa(n)
			queuetest.Begin(t, pool, queuetest.Task(t, pool, build, queue.MethodBuildSRPM, ""), name)
			silence(t, pool, name)
			reap(t, reaper, 0)
		}
		host := queuetest.Host(t, pool, "host-6")
		claim := queuetest.Give(t, pool, host, queuetest.Task(t, pool, build, queue.MethodBuildSRPM, ""))
		task, err := queue.Begin(t.Context(), pool, host, claim, nil)
		var losses *queue.TooManyLossesError
		if !errors.As(err, &losses) || losses.Losses != 5 || task.State != queue.TaskOpen || task.Attempt != 6 {
			t.Errorf("%s at attempt %d, error %v; want OPEN at 6 and five losses", task.State, task.Attempt, err)
		}
		attempts, err := db.New(pool).AttemptsOfTask(t.Context(), task.ID)
		if err != nil || len(attempts) != 5 {
			t.Errorf("%d attempts are recorded, %v; want 5", len(attempts), err)
		}
	})
}

func TestRelease(t *testing.T) {
	t.Parallel()
	pool, _, build := setup(t)
	task := queuetest.Begin(t, pool, queuetest.Task(t, pool, build, queue.MethodBuildSRPM, ""), "host-1")
	task.Phase = "buildroot"
	back := queue.Return{Reason: "the mirror is down", Failed: true, Wait: time.Hour, Refuse: time.Hour}
	if err := release(t.Context(), pool, task, back); err != nil {
		t.Fatal(err)
	}
	got := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
	if got.State != queue.TaskFree || got.Failures != 1 || got.Losses != 0 || got.HostID != nil || got.Reason != back.Reason || time.Until(got.NotBefore) < 59*time.Minute {
		t.Errorf("the task is %+v, want a free one that waits an hour", got)
	}
	kept := queuetest.Value[string](t, pool, `select a.attempt || ' ' || h.name || ' ' || a.outcome from task_attempts a join hosts h on h.id = a.host_id`)
	if kept != "1 host-1 buildroot: the mirror is down" {
		t.Errorf("kept of the attempt is %q", kept)
	}
	if n := queuetest.Value[int](t, pool, "select count(*) from task_refusals where until > now()"); n != 1 {
		t.Errorf("%d refusals, want one", n)
	}
	if err := release(t.Context(), pool, task, back); !errors.Is(err, queue.ErrLostAttempt) {
		t.Errorf("released twice: %v, want ErrLostAttempt", err)
	}
}

func TestFinish(t *testing.T) {
	t.Parallel()

	t.Run("records how the attempt ended", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		task := queuetest.Begin(t, pool, queuetest.Task(t, pool, build, queue.MethodBuildSRPM, ""), "host-1")
		ending := queue.Ending{State: queue.TaskFailed, Phase: "srpm", Reason: "no %prep", Failure: queue.FailurePackage}
		last, err := finish(t.Context(), pool, task, ending)
		if err != nil || !last {
			t.Fatalf("last %t, error %v; want the only child to be the last", last, err)
		}
		got := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
		if got.State != ending.State || got.Phase != ending.Phase || got.Reason != ending.Reason || got.Failure != ending.Failure || got.FinishedAt == nil {
			t.Errorf("the task is %+v, want %+v", got, ending)
		}
	})

	t.Run("of an older attempt is refused and changes nothing", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		first := queuetest.Begin(t, pool, queuetest.Task(t, pool, build, queue.MethodBuildSRPM, ""), "host-1")
		if err := release(t.Context(), pool, first, queue.Return{Reason: "again"}); err != nil {
			t.Fatal(err)
		}
		second := queuetest.Begin(t, pool, first, "host-2")
		if _, err := finish(t.Context(), pool, first, queue.Ending{State: queue.TaskClosed}); !errors.Is(err, queue.ErrLostAttempt) {
			t.Errorf("got error %v, want ErrLostAttempt", err)
		}
		got := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
		if got.State != queue.TaskOpen || got.Attempt != second.Attempt {
			t.Errorf("the task is %s at attempt %d, want OPEN at attempt %d", got.State, got.Attempt, second.Attempt)
		}
		if err := release(t.Context(), pool, first, queue.Return{Reason: "zombie"}); !errors.Is(err, queue.ErrLostAttempt) {
			t.Errorf("got error %v, want ErrLostAttempt", err)
		}
		if got := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, ""); got.State != queue.TaskOpen {
			t.Errorf("an older attempt released the task: it is %s", got.State)
		}
	})

	t.Run("of the last child of 300 builds is told exactly once each", func(t *testing.T) {
		t.Parallel()
		const builds, arches, workers = 300, 6, 24
		config, err := pgxpool.ParseConfig(dbtest.NewURL(t))
		if err != nil {
			t.Fatal(err)
		}
		config.MaxConns = workers
		pool, err := pgxpool.NewWithConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		children := openChildren(t, pool, builds, arches)

		var mu sync.Mutex
		lasts := map[int64]int{}
		var group errgroup.Group
		group.SetLimit(workers)
		for _, child := range children {
			group.Go(func() error {
				last, err := finish(t.Context(), pool, child, queue.Ending{State: queue.TaskClosed})
				if last {
					mu.Lock()
					lasts[child.BuildID]++
					mu.Unlock()
				}
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		never, twice := 0, 0
		for _, build := range queuetest.Values[int64](t, pool, "select id from builds") {
			switch n := lasts[build]; {
			case n == 0:
				never++
			case n > 1:
				twice++
			}
		}
		if never > 0 || twice > 0 {
			t.Errorf("of %d builds %d were never finished and %d more than once, want none", builds, never, twice)
		}
	})
}

// openChildren makes builds whose arch tasks are all being worked on, and
// returns these so that siblings end close together in a random order.
func openChildren(t *testing.T, pool *pgxpool.Pool, builds, arches int) []db.Task {
	t.Helper()
	d := queuetest.NewDistribution(t, pool, nil, "x86_64")
	queuetest.Exec(t, pool, `insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, spec, need_rev)
		select $1, $2, 'f37', $3, $4, false, 'refs/heads/f37', lpad(n::text, 40, '0'), now(), 'hello.spec', 1 from generate_series(1, $5) n`,
		d.Package, d.Repository, d.BuildTag, d.DestTag, builds)
	queuetest.Exec(t, pool, `insert into tasks (build_id, method, label, state, attempt) select id, 'build', 'hello', 'OPEN', 1 from builds`)
	queuetest.Exec(t, pool, `insert into tasks (parent_id, build_id, method, arch, label, state, attempt)
		select id, build_id, 'buildArch', 'arch' || n, 'hello', 'OPEN', 1 from tasks, generate_series(1, $1::int) n`, arches)
	rows, err := pool.Query(t.Context(), "select * from tasks where method = 'buildArch' order by build_id, random()")
	if err != nil {
		t.Fatal(err)
	}
	children, err := pgx.CollectRows(rows, pgx.RowToStructByPos[db.Task])
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+12 <= len(children); i += 12 {
		rand.Shuffle(12, func(a, b int) { children[i+a], children[i+b] = children[i+b], children[i+a] })
	}
	return children
}
