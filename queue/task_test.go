package queue_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/rivertype"
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

// jobOf is the River row a task is tied to.
func jobOf(t *testing.T, pool *pgxpool.Pool, task db.Task) *rivertype.JobRow {
	t.Helper()
	return &rivertype.JobRow{
		ID:       *task.RiverJobID,
		Metadata: queuetest.Value[[]byte](t, pool, "select metadata from river_job where id = $1", task.RiverJobID),
	}
}

// claim begins an attempt of a task.
func claim(t *testing.T, pool *pgxpool.Pool, task db.Task, client string) db.Task {
	t.Helper()
	claimed, err := queue.Claim(t.Context(), pool, task.ID, jobOf(t, pool, task), client)
	if err != nil {
		t.Fatal(err)
	}
	return claimed
}

// finish ends an attempt in a transaction of its own.
func finish(ctx context.Context, pool *pgxpool.Pool, task db.Task, ending queue.Ending) (last bool, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		last, err = queue.Finish(ctx, tx, task, ending)
		return err
	})
	return last, err
}

func TestClaim(t *testing.T) {
	t.Parallel()

	t.Run("counts attempts and names who works", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		task := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
		for want := int32(1); want <= 3; want++ {
			claimed := claim(t, pool, task, "host-1")
			if claimed.Attempt != want || claimed.State != queue.TaskOpen || *claimed.ClientID != "host-1" {
				t.Fatalf("claim %d: attempt %d, state %s, client %s; want an open attempt %d of host-1",
					want, claimed.Attempt, claimed.State, *claimed.ClientID, want)
			}
			if err := queue.Release(t.Context(), pool, claimed, "again"); err != nil {
				t.Fatal(err)
			}
		}
	})

	t.Run("of a task that is over is refused", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		task := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
		claimed := claim(t, pool, task, "host-1")
		if _, err := finish(t.Context(), pool, claimed, queue.Ending{State: queue.TaskClosed}); err != nil {
			t.Fatal(err)
		}
		if _, err := queue.Claim(t.Context(), pool, task.ID, jobOf(t, pool, task), "host-1"); !errors.Is(err, queue.ErrTaskOver) {
			t.Errorf("got error %v, want ErrTaskOver", err)
		}
	})

	t.Run("by a job that the task was taken from is refused", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		task := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
		old := jobOf(t, pool, task)
		queuetest.Exec(t, pool, "update tasks set river_job_id = river_job_id + 1 where id = $1", task.ID)
		if _, err := queue.Claim(t.Context(), pool, task.ID, old, "host-1"); !errors.Is(err, queue.ErrTaskOver) {
			t.Errorf("got error %v, want ErrTaskOver", err)
		}
	})
}

func TestFinish(t *testing.T) {
	t.Parallel()

	t.Run("records how the attempt ended", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		task := claim(t, pool, queuetest.Task(t, pool, build, queue.MethodBuildSRPM, ""), "host-1")
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
		first := claim(t, pool, queuetest.Task(t, pool, build, queue.MethodBuildSRPM, ""), "host-1")
		if err := queue.Release(t.Context(), pool, first, "again"); err != nil {
			t.Fatal(err)
		}
		second := claim(t, pool, first, "host-2")
		if _, err := finish(t.Context(), pool, first, queue.Ending{State: queue.TaskClosed}); !errors.Is(err, queue.ErrLostAttempt) {
			t.Errorf("got error %v, want ErrLostAttempt", err)
		}
		got := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
		if got.State != queue.TaskOpen || got.Attempt != second.Attempt {
			t.Errorf("the task is %s at attempt %d, want OPEN at attempt %d", got.State, got.Attempt, second.Attempt)
		}
		if err := queue.Release(t.Context(), pool, first, "zombie"); err != nil {
			t.Fatal(err)
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
