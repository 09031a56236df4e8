package queue_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

func newReaper(t *testing.T, pool *pgxpool.Pool) *queue.Reaper {
	t.Helper()
	process, err := queue.ThisProcess()
	if err != nil {
		t.Fatal(err)
	}
	return &queue.Reaper{Pool: pool, Inserter: queuetest.Inserter(t, pool), Process: process, Logger: slog.New(slog.DiscardHandler)}
}

// reap looks once and wants so many jobs to start again.
func reap(t *testing.T, reaper *queue.Reaper, want int) {
	t.Helper()
	got, err := reaper.Reap(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Fatalf("%d jobs were given to their next attempt, want %d", got, want)
	}
}

// bury makes a job run on a client that is dead: its process has ended.
func bury(t *testing.T, pool *pgxpool.Pool, job int64, client string) {
	t.Helper()
	process, err := queue.ThisProcess()
	if err != nil {
		t.Fatal(err)
	}
	ended := exec.CommandContext(t.Context(), "true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	err = db.New(pool).RegisterLease(t.Context(), db.RegisterLeaseParams{
		ClientID: client, Host: process.Host, BootID: process.BootID, PidNamespace: process.PIDNamespace,
		Pid: int32(ended.Process.Pid), PidStart: 1, Roles: []string{}, Arches: []string{},
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, pool, job, client)
}

// silence makes a host one that has not renewed its lease for too long.
func silence(t *testing.T, pool *pgxpool.Pool, host string) {
	t.Helper()
	queuetest.Exec(t, pool, "update hosts set seen_at = now() - interval '31 seconds' where name = $1", host)
}

// publish enqueues the making of a tag's repository.
func publish(t *testing.T, pool *pgxpool.Pool, tag int64) (job int64) {
	t.Helper()
	queuetest.Tx(t, pool, func(tx pgx.Tx) (err error) {
		job, err = queue.Insert(t.Context(), tx, queuetest.Inserter(t, pool), queue.PublishArgs{TagID: tag})
		return err
	})
	return job
}

// run makes a job run on a client, as River notes it.
func run(t *testing.T, pool *pgxpool.Pool, job int64, client string) {
	t.Helper()
	queuetest.Exec(t, pool, `update river_job set state = 'running', attempt = attempt + 1, attempted_at = now(),
		attempted_by = array_append(attempted_by, $2) where id = $1`, job, client)
}

func TestReaper(t *testing.T) {
	t.Parallel()

	t.Run("gives the task of a process that was killed -9 to others within seconds", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		worker := startWorker(t, pool)
		worker.working(t)
		schedule(t, pool)
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			newReaper(t, pool).Run(ctx)
		}()
		defer func() { stop(); <-stopped }()

		killed := time.Now()
		if err := worker.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		survivor := queuetest.Host(t, pool, "survivor", "x86_64")
		queuetest.WaitRow(t, pool, "another host is given the task", "select host_id = $1 and attempt = 2 and state = 'ASSIGNED' from tasks where method = 'buildSRPM'", survivor.ID)
		t.Logf("given to another host %d ms after kill -9", time.Since(killed).Milliseconds())
		attempts, err := db.New(pool).AttemptsOfTask(t.Context(), queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "").ID)
		if err != nil {
			t.Fatal(err)
		}
		if len(attempts) != 1 || attempts[0].Attempt != 1 || attempts[0].ClientID != worker.client || !strings.Contains(attempts[0].Outcome, "died") {
			t.Errorf("recorded attempts: %+v; want the first one of %s, lost", attempts, worker.client)
		}
		queuetest.WaitRow(t, pool, "its lease is gone", "select not exists (select from leases)")
	})

	t.Run("shuts out a process that only seemed dead", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		worker := startWorker(t, pool)
		worker.working(t)
		if err := worker.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		queuetest.Exec(t, pool, "update leases set seen_at = now() - interval '31 seconds'")
		reap(t, newReaper(t, pool), 0)
		second := queuetest.Begin(t, pool, queuetest.Task(t, pool, build, queue.MethodBuildSRPM, ""), "survivor")
		if err := worker.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if _, err := worker.stdin.Write([]byte("finish\n")); err != nil {
			t.Fatal(err)
		}
		if got, want := worker.line(t), "finish lost: true"; got != want {
			t.Errorf("the old process says %q, want %q", got, want)
		}
		task := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
		if task.State != queue.TaskOpen || task.Attempt != second.Attempt {
			t.Errorf("the task is %s at attempt %d, want OPEN at attempt %d", task.State, task.Attempt, second.Attempt)
		}
		if last, err := finish(t.Context(), pool, second, queue.Ending{State: queue.TaskClosed}); err != nil || !last {
			t.Errorf("the new attempt finishes with %t, %v; want true and no error", last, err)
		}
	})

	t.Run("gives up a host that was silent for 30 s, and not before", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		queuetest.Begin(t, pool, queuetest.Task(t, pool, build, queue.MethodBuildSRPM, ""), "host-1")
		reaper := newReaper(t, pool)
		queuetest.Exec(t, pool, "update hosts set seen_at = now() - interval '25 seconds'")
		reap(t, reaper, 0)
		if task := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, ""); task.State != queue.TaskOpen {
			t.Fatalf("the task is %s after 25 s, want OPEN", task.State)
		}
		silence(t, pool, "host-1")
		reap(t, reaper, 0)
		task := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
		if task.State != queue.TaskFree || task.Losses != 1 || task.Reason != "starts again: the builder died" {
			t.Errorf("the task is %s (%s) with %d losses, want FREE with one", task.State, task.Reason, task.Losses)
		}
	})

	t.Run("waits 30 s for a process it can't look at", func(t *testing.T) {
		t.Parallel()
		pool, d, _ := setup(t)
		bury(t, pool, publish(t, pool, d.DestTag), "elsewhere")
		queuetest.Exec(t, pool, "update leases set host = 'other.example.org', boot_id = 'another', seen_at = now() - interval '25 seconds'")
		reaper := newReaper(t, pool)
		reap(t, reaper, 0)
		queuetest.Exec(t, pool, "update leases set seen_at = now() - interval '31 seconds'")
		reap(t, reaper, 1)
	})

	t.Run("gives the work of clients without a lease away", func(t *testing.T) {
		t.Parallel()
		pool, d, _ := setup(t)
		job := publish(t, pool, d.DestTag)
		run(t, pool, job, "nobody")
		reaper := newReaper(t, pool)
		reap(t, reaper, 0)
		queuetest.Exec(t, pool, "update river_job set attempted_at = now() - interval '11 seconds' where id = $1", job)
		reap(t, reaper, 1)
	})

	t.Run("leaves the work of the living alone", func(t *testing.T) {
		t.Parallel()
		pool, _, _ := setup(t)
		worker := startWorker(t, pool)
		worker.working(t)
		reap(t, newReaper(t, pool), 0)
	})

	t.Run("keeps a unique job unique", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		d := queuetest.NewDistribution(t, pool, nil, "x86_64")
		first := publish(t, pool, d.DestTag)
		worker := startWorker(t, pool)
		worker.working(t)
		if err := worker.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := worker.Wait(); err == nil {
			t.Fatal("the worker was not killed")
		}
		reap(t, newReaper(t, pool), 1)
		again := publish(t, pool, d.DestTag)
		live := queuetest.Values[int64](t, pool, "select id from river_job where kind = 'repopublish.publish' and state <> 'discarded'")
		if diff := cmp.Diff([]int64{again}, live); diff != "" || again == first {
			t.Errorf("one new job (-want +got):\n%s(the lost one was %d)", diff, first)
		}
	})

	t.Run("keeps queue, priority and arguments of a job", func(t *testing.T) {
		t.Parallel()
		pool, d, _ := setup(t)
		job := publish(t, pool, d.DestTag)
		const what = "select kind || ' ' || queue || ' ' || priority || ' ' || max_attempts || ' ' || args::text from river_job where id = $1"
		before := queuetest.Value[string](t, pool, what, job)
		bury(t, pool, job, "dead")
		reap(t, newReaper(t, pool), 1)
		again := queuetest.Value[int64](t, pool, "select id from river_job where kind = 'repopublish.publish' and state = 'available'")
		if diff := cmp.Diff(before, queuetest.Value[string](t, pool, what, again)); diff != "" || again == job {
			t.Errorf("job %d, lost was %d (-lost +again):\n%s", again, job, diff)
		}
	})

	t.Run("lets several reapers share the dead", func(t *testing.T) {
		t.Parallel()
		pool, d, _ := setup(t)
		const lost = 20
		for n := range lost {
			build := d.Start(t, d.NewBuild(n+1))
			queuetest.Begin(t, pool, queuetest.Task(t, pool, build, queue.MethodBuildSRPM, ""), "dead")
		}
		bury(t, pool, publish(t, pool, d.DestTag), "dead")
		results := make(chan int, 4)
		reaper := newReaper(t, pool)
		for range cap(results) {
			go func() {
				n, err := reaper.Reap(context.Background())
				if err != nil {
					t.Error(err)
				}
				results <- n
			}()
		}
		sum := 0
		for range cap(results) {
			sum += <-results
		}
		if sum != 1 {
			t.Errorf("%d jobs start again, want 1", sum)
		}
		if n := queuetest.Value[int](t, pool, "select count(*) from tasks where method = 'buildSRPM' and state = 'FREE' and losses = 1"); n != lost {
			t.Errorf("%d tasks are lost and free, want %d", n, lost)
		}
		if n := queuetest.Value[int](t, pool, "select count(*) from task_attempts"); n != lost {
			t.Errorf("%d lost attempts are kept, want %d", n, lost)
		}
	})
}

func TestComplete(t *testing.T) {
	t.Parallel()

	// work starts a job and gives the test its Complete.
	work := func(t *testing.T, meanwhile func(pool *pgxpool.Pool, job *rivertype.JobRow)) (pool *pgxpool.Pool, jobID int64, err error) {
		t.Helper()
		pool, d, _ := setup(t)
		queuetest.Exec(t, pool, "create table results (id int)")
		done := make(chan error, 1)
		client := queuetest.Start(t, pool, "worker", func(workers *river.Workers, _ queue.Canceler) {
			river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, job *river.Job[queue.PublishArgs]) error {
				meanwhile(pool, job.JobRow)
				done <- pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
					if _, err := tx.Exec(ctx, "insert into results values (1)"); err != nil {
						return err
					}
					return queue.Complete(ctx, tx, job)
				})
				return nil
			}))
		}, queue.QueuePublish)
		queuetest.Tx(t, pool, func(tx pgx.Tx) (err error) {
			jobID, err = queue.Insert(t.Context(), tx, client, queue.PublishArgs{TagID: d.DestTag})
			return err
		})
		return pool, jobID, <-done
	}

	t.Run("ends the job with the transaction of its result", func(t *testing.T) {
		t.Parallel()
		pool, job, err := work(t, func(*pgxpool.Pool, *rivertype.JobRow) {})
		if err != nil {
			t.Fatal(err)
		}
		if state := queuetest.Value[string](t, pool, "select state::text from river_job where id = $1", job); state != "completed" {
			t.Errorf("the job is %s, want completed", state)
		}
	})

	t.Run("of a job that was retired is refused with its transaction", func(t *testing.T) {
		t.Parallel()
		pool, job, err := work(t, func(pool *pgxpool.Pool, job *rivertype.JobRow) {
			if _, err := db.New(pool).RetireJob(context.Background(), db.RetireJobParams{ID: job.ID, Reason: "lost"}); err != nil {
				t.Error(err)
			}
		})
		if !errors.Is(err, queue.ErrLostAttempt) {
			t.Fatalf("got error %v, want ErrLostAttempt", err)
		}
		if n := queuetest.Value[int](t, pool, "select count(*) from results"); n != 0 {
			t.Errorf("%d results were written, want none", n)
		}
		if state := queuetest.Value[string](t, pool, "select state::text from river_job where id = $1", job); state != "discarded" {
			t.Errorf("the job is %s, want discarded", state)
		}
	})

	t.Run("of a job that was cleaned away is refused", func(t *testing.T) {
		t.Parallel()
		_, _, err := work(t, func(pool *pgxpool.Pool, job *rivertype.JobRow) {
			queuetest.Exec(t, pool, "delete from river_job where id = $1", job.ID)
		})
		if !errors.Is(err, queue.ErrLostAttempt) {
			t.Errorf("got error %v, want ErrLostAttempt", err)
		}
	})

	t.Run("of a retired job leaves an error that River can read", func(t *testing.T) {
		t.Parallel()
		pool, job, _ := work(t, func(pool *pgxpool.Pool, job *rivertype.JobRow) {
			if _, err := db.New(pool).RetireJob(context.Background(), db.RetireJobParams{ID: job.ID, Reason: "its process died"}); err != nil {
				t.Error(err)
			}
		})
		var got rivertype.AttemptError
		if err := json.Unmarshal(queuetest.Value[[]byte](t, pool, "select errors[1] from river_job where id = $1", job), &got); err != nil {
			t.Fatal(err)
		}
		if got.Error != "its process died" || got.Attempt != 1 || time.Since(got.At) > time.Minute {
			t.Errorf("the job's error is %+v", got)
		}
	})
}
