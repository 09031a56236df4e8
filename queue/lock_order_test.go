package queue_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// waiters waits until so many statements wait for a row that another
// transaction holds.
func waiters(t *testing.T, pool *pgxpool.Pool, n int) {
	t.Helper()
	queuetest.WaitRow(t, pool, "transactions that wait for a row", `select count(*) = $1 from pg_stat_activity
		where datname = current_database() and wait_event_type = 'Lock'`, n)
}

// TestLocks lets two transactions meet in the middle. PostgreSQL ends one of two
// that wait for each other after a second, and whoever it was has to begin anew.
func TestLocks(t *testing.T) {
	t.Parallel()

	t.Run("of a task's end do not hold the scheduler up", func(t *testing.T) {
		t.Parallel()
		pool, d, build := setup(t)
		addArches(t, pool, d, build)
		ending := queuetest.Begin(t, pool, queuetest.Task(t, pool, build, queue.MethodBuildArch, "x86_64"), "host-1")
		connect(t, pool, queue.HostInfo{Name: "host-2", Capacity: 2, Arches: []string{"riscv64"}})
		tx, err := pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
		if _, err := db.New(tx).LockBuild(t.Context(), build); err != nil {
			t.Fatal(err)
		}
		if _, err := queue.Finish(t.Context(), tx, ending, queue.Ending{State: queue.TaskClosed}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if n, err := newScheduler(t, pool).Round(ctx); err != nil || n != 1 {
			t.Fatalf("while a task of the build ends, %d tasks were given out, %v; want the other architecture's", n, err)
		}
	})

	t.Run("of tasks that somebody ends are not waited for by the scheduler", func(t *testing.T) {
		t.Parallel()
		pool, d, _ := setup(t)
		tasks := append(queuetest.Values[int64](t, pool, "select id from tasks where method = 'buildSRPM'"), waiting(t, d, 2)...)
		connect(t, pool, queue.HostInfo{Name: "a", Capacity: 10, Arches: []string{"x86_64"}})
		tx, err := pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
		if _, err := db.New(tx).EndTask(t.Context(), db.EndTaskParams{ID: tasks[1], State: queue.TaskCanceled}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if n, err := newScheduler(t, pool).Round(ctx); err != nil || n != 2 {
			t.Fatalf("%d tasks were given out, %v; want the two that nobody ends", n, err)
		}
		if n, err := newScheduler(t, pool).Round(ctx); err != nil || n != 0 {
			t.Fatalf("then %d tasks were given out, %v; want none", n, err)
		}
	})

	t.Run("are taken from the older task to the newer by who fails one and who takes them from a host", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		root := queuetest.Task(t, pool, build, queue.MethodBuild, "")
		queuetest.Tx(t, pool, func(tx pgx.Tx) error {
			return queue.AddArches(t.Context(), tx, queuetest.Inserter(t, pool), build, root.ID, []queue.NewArch{
				{Arch: "x86_64", RootArches: []string{"x86_64"}, Label: "x"},
				{Arch: "aarch64", RootArches: []string{"aarch64"}, Label: "x"},
				{Arch: "riscv64", RootArches: []string{"riscv64"}, Label: "x"},
			}, nil)
		})
		host := queuetest.Host(t, pool, "host-1", "x86_64")
		var tasks []db.Task
		for _, arch := range []string{"x86_64", "aarch64", "riscv64"} {
			claim := queuetest.Give(t, pool, host, queuetest.Task(t, pool, build, queue.MethodBuildArch, arch))
			task, err := queue.Begin(t.Context(), pool, host, claim, nil)
			if err != nil {
				t.Fatal(err)
			}
			tasks = append(tasks, task)
		}

		// Who takes the tasks away stops at the one in the middle, the first in
		// hand; then the last one fails.
		middle, err := pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = middle.Rollback(context.WithoutCancel(t.Context())) }()
		if _, err := db.New(middle).LockTask(t.Context(), tasks[1].ID); err != nil {
			t.Fatal(err)
		}
		lost, failed := make(chan error, 1), make(chan error, 1)
		go func() { lost <- queue.Disconnect(t.Context(), pool, host) }()
		waiters(t, pool, 1)
		go func() {
			failed <- pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
				if _, err := db.New(tx).LockBuild(t.Context(), build); err != nil {
					return err
				}
				if _, err := queue.Finish(t.Context(), tx, tasks[2], queue.Ending{State: queue.TaskFailed}); err != nil {
					return err
				}
				return queue.CancelSiblings(t.Context(), tx, queuetest.Inserter(t, pool), tasks[2], "canceled")
			})
		}()
		waiters(t, pool, 2)
		if err := middle.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-lost; err != nil {
			t.Errorf("the host's tasks are not taken away: %v", err)
		}
		if err := <-failed; !errors.Is(err, queue.ErrLostAttempt) {
			t.Errorf("the end of the task: %v, want ErrLostAttempt since it was taken away first", err)
		}
	})
}
