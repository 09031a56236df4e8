package queue_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestConnect(t *testing.T) {
	t.Parallel()
	far := queue.HostInfo{Name: "far", Remote: true, Arches: []string{"x86_64"}, Capacity: 2, Instance: "one"}
	other := far
	other.Instance = "two"

	t.Run("refuses a second installation of the same credentials while the first lives", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		first := connect(t, pool, far)
		if _, err := queue.Connect(t.Context(), pool, other, "second"); !errors.Is(err, queue.ErrHostTaken) {
			t.Fatalf("got error %v, want ErrHostTaken", err)
		}
		if _, err := queue.Heartbeat(t.Context(), pool, first, queue.HostStatus{}); err != nil {
			t.Errorf("the first lost its lease: %v", err)
		}
		silence(t, pool, "far")
		if _, err := queue.Connect(t.Context(), pool, other, "second"); err != nil {
			t.Errorf("once the first is silent: %v", err)
		}
		if _, err := queue.Heartbeat(t.Context(), pool, first, queue.HostStatus{}); !errors.Is(err, queue.ErrLostLease) {
			t.Errorf("the first renews its lease with error %v, want ErrLostLease", err)
		}
	})

	t.Run("lets a process of the same installation take over, and gives away what the first had", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		first := connect(t, pool, far)
		claim := queuetest.Give(t, pool, first, queuetest.Task(t, pool, build, queue.MethodBuildSRPM, ""))
		if _, err := queue.Begin(t.Context(), pool, first, claim, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := queue.Connect(t.Context(), pool, far, "again"); err != nil {
			t.Fatal(err)
		}
		task := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
		if task.State != queue.TaskFree || task.Losses != 1 || task.Reason != "starts again: the builder was started again" {
			t.Errorf("the task is %s (%s) with %d losses, want FREE with one", task.State, task.Reason, task.Losses)
		}
	})

	t.Run("is for remote hosts that were enrolled", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		if _, err := queue.Connect(t.Context(), pool, far, "first"); !errors.Is(err, queue.ErrUnknownHost) {
			t.Errorf("got error %v, want ErrUnknownHost", err)
		}
	})
}

func TestRemoveHolder(t *testing.T) {
	t.Parallel()
	pool, _, build := setup(t)
	host := queuetest.Host(t, pool, "host-1", "x86_64")
	claim := queuetest.Give(t, pool, host, queuetest.Task(t, pool, build, queue.MethodBuildSRPM, ""))
	if _, err := queue.Begin(t.Context(), pool, host, claim, nil); err != nil {
		t.Fatal(err)
	}
	queuetest.Tx(t, pool, func(tx pgx.Tx) error {
		return queue.RemoveHolder(t.Context(), tx, host.ID, "its credentials were revoked")
	})
	task := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
	if task.State != queue.TaskFree || task.Losses != 0 || task.HostID != nil {
		t.Errorf("the task is %s with %d losses, want FREE with none", task.State, task.Losses)
	}
	if _, err := queue.Heartbeat(t.Context(), pool, host, queue.HostStatus{}); !errors.Is(err, queue.ErrLostLease) {
		t.Errorf("it renews its lease with error %v, want ErrLostLease", err)
	}
	round(t, pool, 0)
}

// TestHeartbeat compares what a host says it works on with what it was given.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	d := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), "x86_64")
	host := queuetest.Host(t, pool, "host-1", "x86_64")
	tasks := waiting(t, d, 3)
	round(t, pool, 3)
	claim := func(i int) queue.Claim { return queue.Claim{TaskID: tasks[i], Attempt: 1} }
	for i := range 2 {
		if _, err := queue.Begin(t.Context(), pool, host, claim(i), nil); err != nil {
			t.Fatal(err)
		}
	}
	queuetest.Exec(t, pool, "update tasks set started_at = now() - interval '11 seconds' where id = any($1)", tasks[:2])
	stale := queue.Claim{TaskID: tasks[1], Attempt: 9}
	orders, err := queue.Heartbeat(t.Context(), pool, host, queue.HostStatus{Running: []queue.Claim{claim(0), stale}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(queue.HostOrders{Begin: []queue.Claim{claim(2)}, Drop: []queue.Claim{stale}}, orders); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
	states := queuetest.Values[string](t, pool, "select state || ' ' || losses from tasks where id = any($1) order by id", tasks)
	if diff := cmp.Diff([]string{"OPEN 0", "FREE 1", "ASSIGNED 0"}, states); diff != "" {
		t.Errorf("tasks: kept, forgotten by the host, not begun (-want +got):\n%s", diff)
	}
}
