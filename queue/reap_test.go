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

// run makes a job run on a client, as River notes it.
func run(t *testing.T, pool *pgxpool.Pool, job int64, client string) {
	t.Helper()
	queuetest.Exec(t, pool, `update river_job set state = 'running', attempt = attempt + 1, attempted_at = now(),
		attempted_by = array_append(attempted_by, $2) where id = $1`, job, client)
}

func TestReaper(t *testing.T) {
	t.Parallel()

	t.Run("starts the job of a process that was killed -9 again within seconds", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		worker := startWorker(t, pool)
		worker.working(t)

		claimed := make(chan db.Task, 1)
		queuetest.Start(t, pool, "survivor", func(workers *river.Workers, _ queue.Canceler) {
			river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, job *river.Job[queue.SRPMArgs]) error {
				task, err := queue.Claim(ctx, pool, job.Args.TaskID, job.JobRow, "survivor")
				if err == nil {
					claimed <- task
				}
				return err
			}))
		}, queue.QueueSRPM)
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
		select {
		case task := <-claimed:
			t.Logf("started again %d ms after kill -9", time.Since(killed).Milliseconds())
			if task.Attempt != 2 {
				t.Errorf("it is attempt %d, want 2", task.Attempt)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("the job was not started again within 20 s")
		}
		attempts, err := db.New(pool).AttemptsOfTask(t.Context(), queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "").ID)
		if err != nil {
			t.Fatal(err)
		}
		if len(attempts) != 1 || attempts[0].Attempt != 1 || attempts[0].ClientID != worker.client || !strings.Contains(attempts[0].Outcome, "died") {
			t.Errorf("recorded attempts: %+v; want the first one of %s, lost", attempts, worker.client)
		}
		if n := queuetest.Value[int](t, pool, "select count(*) from leases"); n != 0 {
			t.Errorf("%d leases are left, want none", n)
		}
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
		reap(t, newReaper(t, pool), 1)
		task := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
		run(t, pool, *task.RiverJobID, "survivor")
		second := claim(t, pool, task, "survivor")
		if err := worker.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if _, err := worker.stdin.Write([]byte("finish\n")); err != nil {
			t.Fatal(err)
		}
		if got, want := worker.line(t), "finish lost: true complete lost: true"; got != want {
			t.Errorf("the old process says %q, want %q", got, want)
		}
		task = queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
		if task.State != queue.TaskOpen || task.Attempt != second.Attempt {
			t.Errorf("the task is %s at attempt %d, want OPEN at attempt %d", task.State, task.Attempt, second.Attempt)
		}
		if last, err := finish(t.Context(), pool, second, queue.Ending{State: queue.TaskClosed}); err != nil || !last {
			t.Errorf("the new attempt finishes with %t, %v; want true and no error", last, err)
		}
	})

	t.Run("waits 30 s for a process it can't look at", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		task := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
		bury(t, pool, *task.RiverJobID, "elsewhere")
		queuetest.Exec(t, pool, "update leases set host = 'other.example.org', boot_id = 'another', seen_at = now() - interval '25 seconds'")
		reaper := newReaper(t, pool)
		reap(t, reaper, 0)
		queuetest.Exec(t, pool, "update leases set seen_at = now() - interval '31 seconds'")
		reap(t, reaper, 1)
	})

	t.Run("gives the work of clients without a lease away", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		task := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
		run(t, pool, *task.RiverJobID, "nobody")
		reaper := newReaper(t, pool)
		reap(t, reaper, 0)
		queuetest.Exec(t, pool, "update river_job set attempted_at = now() - interval '11 seconds' where id = $1", task.RiverJobID)
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
		var first int64
		queuetest.Tx(t, pool, func(tx pgx.Tx) (err error) {
			first, err = queue.Insert(t.Context(), tx, queuetest.Inserter(t, pool), queue.PublishArgs{TagID: d.DestTag})
			return err
		})
		worker := startWorker(t, pool)
		worker.working(t)
		if err := worker.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = worker.Wait() // says that it was killed
		reap(t, newReaper(t, pool), 1)
		var again int64
		queuetest.Tx(t, pool, func(tx pgx.Tx) (err error) {
			again, err = queue.Insert(t.Context(), tx, queuetest.Inserter(t, pool), queue.PublishArgs{TagID: d.DestTag})
			return err
		})
		live := queuetest.Values[int64](t, pool, "select id from river_job where kind = 'repopublish.publish' and state <> 'discarded'")
		if diff := cmp.Diff([]int64{again}, live); diff != "" || again == first {
			t.Errorf("one new job (-want +got):\n%s(the lost one was %d)", diff, first)
		}
	})

	t.Run("keeps queue, priority and arguments of a job", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		job := *queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "").RiverJobID
		const what = "select kind || ' ' || queue || ' ' || priority || ' ' || max_attempts || ' ' || args::text from river_job where id = $1"
		before := queuetest.Value[string](t, pool, what, job)
		bury(t, pool, job, "dead")
		reap(t, newReaper(t, pool), 1)
		again := *queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "").RiverJobID
		if again == job {
			t.Fatalf("the task is still tied to the lost job %d", job)
		}
		if diff := cmp.Diff(before, queuetest.Value[string](t, pool, what, again)); diff != "" {
			t.Errorf("job (-lost +again):\n%s", diff)
		}
	})

	t.Run("moves a task that nobody had claimed yet to the new job", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		task := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
		old := jobOf(t, pool, task)
		bury(t, pool, old.ID, "dead")
		reap(t, newReaper(t, pool), 1)
		claim(t, pool, queuetest.Task(t, pool, build, queue.MethodBuildSRPM, ""), "survivor")
		// The lost worker wakes up before its first step.
		if _, err := queue.Claim(t.Context(), pool, task.ID, old, "dead"); !errors.Is(err, queue.ErrTaskOver) {
			t.Errorf("the lost job claims its task with error %v, want ErrTaskOver", err)
		}
	})

	t.Run("gives a job up that has cost five processes their lives", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		reaper := newReaper(t, pool)
		for range 5 {
			task := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
			claim(t, pool, task, "dead")
			bury(t, pool, *task.RiverJobID, "dead")
			reap(t, reaper, 1)
		}
		task := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
		task, err := queue.Claim(t.Context(), pool, task.ID, jobOf(t, pool, task), "survivor")
		var losses *queue.TooManyLossesError
		if !errors.As(err, &losses) || losses.Losses != 5 {
			t.Fatalf("got error %v, want five losses", err)
		}
		if task.Attempt != 6 {
			t.Errorf("it is attempt %d, want 6", task.Attempt)
		}
		attempts, err := db.New(pool).AttemptsOfTask(t.Context(), task.ID)
		if err != nil || len(attempts) != 5 {
			t.Errorf("%d attempts are recorded, %v; want 5", len(attempts), err)
		}
	})

	t.Run("lets two reapers share the dead", func(t *testing.T) {
		t.Parallel()
		pool, d, _ := setup(t)
		const lost = 20
		for n := range lost {
			build := d.Start(t, d.NewBuild(n+1))
			task := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
			claim(t, pool, task, "dead")
			run(t, pool, *task.RiverJobID, "dead")
		}
		task := queuetest.Task(t, pool, d.Start(t, d.NewBuild(lost+1)), queue.MethodBuildSRPM, "")
		bury(t, pool, *task.RiverJobID, "dead")
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
		if sum != lost+1 {
			t.Errorf("%d jobs start again, want %d", sum, lost+1)
		}
		if n := queuetest.Value[int](t, pool, "select count(*) from river_job where kind = 'builders.srpm' and state = 'available'"); n != lost+2 {
			t.Errorf("%d jobs are available, want %d", n, lost+2)
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
