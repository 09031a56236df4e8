package hostdoor_test

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/hostdoor"
	"github.com/distbot/distbot/queue/hostqueue"
)

// TestOneHostDoesNotSpeakToAnother: PostgreSQL lets every role of a database
// notify there, and River's clients believe what they hear.
func TestOneHostDoesNotSpeakToAnother(t *testing.T) {
	t.Parallel()
	h := setup(t)
	attacker := postgres(t, h.enroll(t, "attacker"))
	// fake sends what River would send for a job of a queue.
	fake := func(t *testing.T, hostID int64, action string) {
		t.Helper()
		var job int64
		err := h.jobs(t).QueryRow(t.Context(), "select max(id) from river_job where queue = $1", hostqueue.Queue(hostID)).Scan(&job)
		if err != nil {
			t.Fatal(err)
		}
		_, err = attacker.Exec(t.Context(), fmt.Sprintf(`notify "public.river_control", '{"action": %q, "job_id": %d, "queue": %q}'`,
			action, job, hostqueue.Queue(hostID)))
		if err != nil {
			t.Fatal(err)
		}
	}
	type event struct {
		task     hostqueue.Task
		canceled bool
	}
	// victim runs a worker whose tasks end when they are canceled.
	victim := func(t *testing.T, pool *pgxpool.Pool) (hostID int64, began chan hostqueue.Task, ended chan event) {
		t.Helper()
		began, ended = make(chan hostqueue.Task, 4), make(chan event, 4)
		worker := work(t, pool, func(ctx context.Context, task hostqueue.Task) error {
			began <- task
			<-ctx.Done()
			ended <- event{task, queue.Canceled(ctx)}
			return ctx.Err()
		})
		return worker.HostID(), began, ended
	}
	first, second := hostqueue.Task{ID: 1, Attempt: 1}, hostqueue.Task{ID: 2, Attempt: 1}
	deliver := func(t *testing.T, hostID int64, task hostqueue.Task) {
		t.Helper()
		if err := h.queue.Deliver(t.Context(), hostqueue.Delivery{HostID: hostID, Task: task}); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("Without the tunnel it could cancel its work", func(t *testing.T) {
		t.Parallel()
		hostID, began, ended := victim(t, h.direct(t, "direct", h.config(t, "direct")))
		deliver(t, hostID, first)
		receive(t, "begin", began)
		fake(t, hostID, "cancel")
		if !receive(t, "end", ended).canceled {
			t.Error("the work ended for another reason")
		}
	})

	t.Run("Through the tunnel it can neither cancel nor pause it", func(t *testing.T) {
		t.Parallel()
		hostID, began, ended := victim(t, postgres(t, h.enroll(t, "victim")))
		deliver(t, hostID, first)
		receive(t, "begin", began)
		fake(t, hostID, "cancel")
		fake(t, hostID, "pause")
		// Notifications arrive in the order they were sent in: by the time the
		// hub's comes, the others have come or never will.
		deliver(t, hostID, second)
		if task := receive(t, "the next task", began); task != second {
			t.Errorf("task %v, want %v", task, second)
		}
		if found, err := h.queue.Cancel(t.Context(), hostID, second); err != nil || !found {
			t.Fatalf("Cancel() = %v, %v", found, err)
		}
		if got := receive(t, "end", ended); got != (event{second, true}) {
			t.Errorf("ended %+v, want the task that the hub canceled", got)
		}
		select {
		case got := <-ended:
			t.Errorf("ended %+v as well", got)
		default:
		}
	})

	t.Run("It does not hear of others' jobs", func(t *testing.T) {
		t.Parallel()
		conn, err := attacker.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
		if _, err := conn.Exec(t.Context(), `listen "public.river_insert"; listen "public.river_control"`); err != nil {
			t.Fatal(err)
		}
		own, err := hostqueue.NewWorker(t.Context(), hostqueue.WorkerConfig{Pool: attacker, ClientID: "unused", Capacity: 1})
		if err != nil {
			t.Fatal(err)
		}
		const other = 1 << 40
		deliver(t, other, first)
		if _, err := h.queue.Cancel(t.Context(), other, first); err != nil {
			t.Fatal(err)
		}
		deliver(t, own.HostID(), first)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		n, err := conn.Conn().WaitForNotification(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(`{"queue": %q}`, hostqueue.Queue(own.HostID())); n.Payload != want {
			t.Errorf("the first it hears of is %s, want its own %s", n.Payload, want)
		}
	})
}

// jobs is the hosts' database as the hub sees it.
func (h *hub) jobs(t *testing.T) *pgxpool.Pool {
	t.Helper()
	return h.open(t, url.User(h.queue.Server().User))
}

// direct is the hosts' database as a host sees it that does not come through the
// tunnel.
func (h *hub) direct(t *testing.T, host string, config hostdoor.HostConfig) *pgxpool.Pool {
	t.Helper()
	var id int64
	if err := h.pool.QueryRow(t.Context(), "select id from hosts where name = $1", host).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return h.open(t, url.UserPassword(h.queue.Role(id), password(t, config)))
}

func (h *hub) open(t *testing.T, user *url.Userinfo) *pgxpool.Pool {
	t.Helper()
	u, err := url.Parse(h.url)
	if err != nil {
		t.Fatal(err)
	}
	u.User, u.Path = user, "/"+h.queue.Database
	pool, err := pgxpool.New(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// within fails the test if something took longer than this.
func within(t *testing.T, what string, since time.Time, limit time.Duration) {
	t.Helper()
	if took := time.Since(since); took > limit {
		t.Errorf("%s took %v, want at most %v", what, took, limit)
	}
}
