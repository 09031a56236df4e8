package queuetest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// Host connects an embedded host that has room for everything, by a process of
// the same name.
func Host(tb testing.TB, pool *pgxpool.Pool, name string, arches ...string) queue.Holder {
	tb.Helper()
	holder, err := queue.Connect(context.Background(), pool, queue.HostInfo{Name: name, Arches: arches, Capacity: 1000}, name)
	if err != nil {
		tb.Fatal(err)
	}
	return holder
}

// Give gives a waiting task to a host without asking the scheduler.
func Give(tb testing.TB, pool *pgxpool.Pool, host queue.Holder, task db.Task) queue.Claim {
	tb.Helper()
	q := db.New(pool)
	n, err := q.AssignTasks(context.Background(), db.AssignTasksParams{
		Ids: []int64{task.ID}, HostIds: []int64{host.ID}, ClientIds: []string{host.ClientID}, RootArches: []string{"x86_64"}, JobIds: []int64{0},
	})
	if err != nil || n != 1 {
		tb.Fatalf("task %d was not given to host %d: %v", task.ID, host.ID, err)
	}
	given, err := q.GetTask(context.Background(), task.ID)
	if err != nil {
		tb.Fatal(err)
	}
	return queue.Claim{TaskID: task.ID, Attempt: given.Attempt}
}

// Begin gives a waiting task to the host of this name and begins its attempt.
func Begin(tb testing.TB, pool *pgxpool.Pool, task db.Task, host string) db.Task {
	tb.Helper()
	holder := Host(tb, pool, host, "x86_64")
	begun, err := queue.Begin(context.Background(), pool, holder, Give(tb, pool, holder, task), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return begun
}
