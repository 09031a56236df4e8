package queue_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestStartBuild(t *testing.T) {
	t.Parallel()

	t.Run("makes task tree and pending statuses at once", func(t *testing.T) {
		t.Parallel()
		pool, d, build := setup(t)
		root := queuetest.Task(t, pool, build, queue.MethodBuild, "")
		srpm := queuetest.Task(t, pool, build, queue.MethodBuildSRPM, "")
		if root.State != queue.TaskOpen || root.Weight != 0 || srpm.State != queue.TaskFree || *srpm.ParentID != root.ID {
			t.Errorf("root %+v, source task %+v; want an open root that weighs nothing and its free child", root, srpm)
		}
		if srpm.Priority != 19 || srpm.Channel != "default" || srpm.Bin != "noarch" || !slices.Equal(srpm.RootArches, []string{"x86_64", "riscv64"}) {
			t.Errorf("the source task waits with priority %d in %s:%s for %s", srpm.Priority, srpm.Channel, srpm.Bin, srpm.RootArches)
		}
		if diff := cmp.Diff("f37 pending\nf37/srpm pending", d.Statuses(t, 0)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		if n := queuetest.Value[int](t, pool, "select count(*) from river_job where kind = 'report.send'"); n != 1 {
			t.Errorf("%d reports are enqueued, want one for the commit", n)
		}
	})

	t.Run("leaves nothing behind when its transaction is rolled back", func(t *testing.T) {
		t.Parallel()
		pool, d, _ := setup(t)
		count := "select (select count(*) from builds) + (select count(*) from tasks) + (select count(*) from river_job) + (select count(*) from reports)"
		before := queuetest.Value[int](t, pool, count)
		sentinel := errors.New("planning went wrong")
		err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			if _, err := queue.StartBuild(t.Context(), tx, queuetest.Inserter(t, pool), queuetest.ExternalURL, d.NewBuild(1)); err != nil {
				return err
			}
			return sentinel
		})
		if !errors.Is(err, sentinel) {
			t.Fatal(err)
		}
		if after := queuetest.Value[int](t, pool, count); after != before {
			t.Errorf("%d rows, want %d", after, before)
		}
	})

	t.Run("of two builds of one commit at once never waits in a circle", func(t *testing.T) {
		t.Parallel()
		pool, d, build := setup(t)
		jobs := queuetest.Inserter(t, pool)
		queuetest.Tx(t, pool, func(tx pgx.Tx) error { return want(t.Context(), tx, jobs, d, 0, build, "x86_64", "pending") })
		scratch := d.NewBuild(0)
		scratch.Scratch = true // there may be many of these
		var group errgroup.Group
		for n := range 40 {
			group.Go(func() error {
				if n%2 == 0 {
					return pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
						_, err := queue.StartBuild(t.Context(), tx, jobs, queuetest.ExternalURL, scratch)
						return err
					})
				}
				// What a stage does that asks for several statuses, the other way round.
				return pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
					if err := queue.LockStatuses(t.Context(), tx, d.Repository, queuetest.Commit(0)); err != nil {
						return err
					}
					for _, part := range []string{"x86_64", "srpm", ""} {
						if err := want(t.Context(), tx, jobs, d, 0, build, part, "pending"); err != nil {
							return err
						}
					}
					return nil
				})
			})
		}
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// want asks for a status of hello's nth commit.
func want(ctx context.Context, tx pgx.Tx, jobs queue.Inserter, d *queuetest.Distribution, n int, build int64, part, state string) error {
	return queue.WantStatus(ctx, tx, jobs, status(d, n, build, part, state))
}

// status is a status of hello's nth commit.
func status(d *queuetest.Distribution, n int, build int64, part, state string) queue.Status {
	return queue.Status{
		RepositoryID: d.Repository, Commit: queuetest.Commit(n), Context: queue.ContextOf(d.Target, part), State: state,
		Description: state, TargetURL: queue.BuildURL(queuetest.ExternalURL, build), BuildID: build,
	}
}

// addArches gives a build its arch tasks, as the end of its source task does.
func addArches(t *testing.T, pool *pgxpool.Pool, d *queuetest.Distribution, build int64) {
	t.Helper()
	jobs := queuetest.Inserter(t, pool)
	root := queuetest.Task(t, pool, build, queue.MethodBuild, "")
	srpm := queuetest.Begin(t, pool, queuetest.Task(t, pool, build, queue.MethodBuildSRPM, ""), "host-1")
	queuetest.Tx(t, pool, func(tx pgx.Tx) error {
		if _, err := queue.Finish(t.Context(), tx, srpm, queue.Ending{State: queue.TaskClosed}); err != nil {
			return err
		}
		return queue.AddArches(t.Context(), tx, jobs, build, root.ID, []queue.NewArch{
			{Arch: "x86_64", RootArches: []string{"x86_64"}, Label: "hello-1-1.x86_64"},
			{Arch: "riscv64", RootArches: []string{"riscv64"}, Label: "hello-1-1.riscv64"},
		}, []queue.Status{status(d, 0, build, "srpm", "success"), status(d, 0, build, "x86_64", "pending"), status(d, 0, build, "riscv64", "pending")})
	})
}

func TestAddArches(t *testing.T) {
	t.Parallel()
	pool, d, build := setup(t)
	addArches(t, pool, d, build)
	got := queuetest.Values[string](t, pool, `select t.arch || ' in ' || t.channel || ':' || t.bin || ' ' || t.state || ' ' || t.label || ' ' || t.priority || ' ' || t.weight
		from tasks t where t.build_id = $1 and t.method = 'buildArch' order by t.arch`, build)
	want := []string{
		"riscv64 in default:riscv64 FREE hello-1-1.riscv64 19 1.5",
		"x86_64 in default:x86_64 FREE hello-1-1.x86_64 19 1.5",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("f37 pending\nf37/riscv64 pending\nf37/srpm success\nf37/x86_64 pending", d.Statuses(t, 0)); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}

func TestCancelBuild(t *testing.T) {
	t.Parallel()

	t.Run("stops the running job and ends every status as error", func(t *testing.T) {
		t.Parallel()
		pool, d, build := setup(t)
		addArches(t, pool, d, build)
		running, stopped := make(chan struct{}), make(chan error, 1)
		host := queuetest.Host(t, pool, "builder", "x86_64")
		queuetest.Exec(t, pool, "update hosts set enabled = false where name = 'host-1'")
		client := queuetest.Start(t, pool, "builder", func(workers *river.Workers, _ queue.Canceler) {
			river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, job *river.Job[queue.TaskArgs]) error {
				if _, err := queue.Begin(ctx, pool, host, job.Args.Claim, nil); err != nil {
					return err
				}
				close(running)
				<-ctx.Done()
				stopped <- context.Cause(ctx)
				return context.Cause(ctx)
			}))
		}, queue.HostQueue(host.ID))
		schedule(t, pool)
		<-running

		canceled := time.Now()
		if err := queue.CancelBuild(t.Context(), pool, client, queuetest.ExternalURL, build, "superseded by 0badcafe"); err != nil {
			t.Fatal(err)
		}
		select {
		case cause := <-stopped:
			t.Logf("the job was told %s after the cancel", time.Since(canceled))
			if !errors.Is(cause, river.ErrJobCancelledRemotely) {
				t.Errorf("the job ends with %v, want ErrJobCancelledRemotely", cause)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("the job was not told within 20 s")
		}
		if diff := cmp.Diff("f37 error\nf37/riscv64 error\nf37/srpm success\nf37/x86_64 error", d.Statuses(t, 0)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		states := queuetest.Values[string](t, pool, "select method || ' ' || arch || ' ' || state from tasks order by id")
		if diff := cmp.Diff([]string{"build  CANCELED", "buildSRPM  CLOSED", "buildArch x86_64 CANCELED", "buildArch riscv64 CANCELED"}, states); diff != "" {
			t.Errorf("tasks (-want +got):\n%s", diff)
		}
		row, err := db.New(pool).GetBuild(t.Context(), build)
		if err != nil || row.State != queue.BuildCanceled || row.Reason != "superseded by 0badcafe" {
			t.Errorf("the build is %s (%s), %v", row.State, row.Reason, err)
		}
		queuetest.WaitRow(t, pool, "no job of the build is left",
			"select not exists (select from river_job where kind = 'builders.task' and state not in ('cancelled'))")
	})

	t.Run("of a build that is over is refused", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		jobs := queuetest.Inserter(t, pool)
		if err := queue.CancelBuild(t.Context(), pool, jobs, queuetest.ExternalURL, build, "first"); err != nil {
			t.Fatal(err)
		}
		err := queue.CancelBuild(t.Context(), pool, jobs, queuetest.ExternalURL, build, "second")
		var over *queue.NotBuildingError
		if !errors.As(err, &over) || over.State != queue.BuildCanceled {
			t.Errorf("got error %v, want *NotBuildingError", err)
		}
	})

	t.Run("of no build is refused", func(t *testing.T) {
		t.Parallel()
		pool, _, _ := setup(t)
		if err := queue.CancelBuild(t.Context(), pool, queuetest.Inserter(t, pool), queuetest.ExternalURL, 4711, "why"); !errors.Is(err, queue.ErrNoBuild) {
			t.Errorf("got error %v, want ErrNoBuild", err)
		}
	})

	t.Run("does not mind a job that was cleaned away", func(t *testing.T) {
		t.Parallel()
		pool, d, build := setup(t)
		queuetest.Host(t, pool, "host-1", "x86_64")
		round(t, pool, 1)
		if n := queuetest.Value[int](t, pool, "with gone as (delete from river_job where kind = 'builders.task' returning id) select count(*) from gone"); n != 1 {
			t.Fatalf("%d jobs of the task were there, want one", n)
		}
		if err := queue.CancelBuild(t.Context(), pool, queuetest.Inserter(t, pool), queuetest.ExternalURL, build, "why"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff("f37 error\nf37/srpm error", d.Statuses(t, 0)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})

	t.Run("and the end of a task at once leave one of the two outcomes", func(t *testing.T) {
		t.Parallel()
		pool, d, _ := setup(t)
		jobs := queuetest.Inserter(t, pool)
		for n := 1; n <= 30; n++ {
			build := d.Start(t, d.NewBuild(n))
			task := queuetest.Begin(t, pool, queuetest.Task(t, pool, build, queue.MethodBuildSRPM, ""), "host-1")
			var group errgroup.Group
			var finished, canceled error
			group.Go(func() error {
				finished = pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
					if _, err := db.New(tx).LockBuild(t.Context(), build); err != nil {
						return err
					}
					if _, err := queue.Finish(t.Context(), tx, task, queue.Ending{State: queue.TaskClosed}); err != nil {
						return err
					}
					return want(t.Context(), tx, jobs, d, n, build, "srpm", "success")
				})
				return nil
			})
			group.Go(func() error {
				canceled = queue.CancelBuild(t.Context(), pool, jobs, queuetest.ExternalURL, build, "why")
				return nil
			})
			_ = group.Wait()
			if canceled != nil || finished != nil && !errors.Is(finished, queue.ErrLostAttempt) {
				t.Fatalf("cancel: %v, finish: %v", canceled, finished)
			}
			srpm := "success"
			if finished != nil {
				srpm = "error"
			}
			if diff := cmp.Diff("f37 error\nf37/srpm "+srpm, d.Statuses(t, n)); diff != "" {
				t.Fatalf("statuses (-want +got):\n%s", diff)
			}
		}
	})
}

func TestEndBuild(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		end  queue.BuildEnd
		want string
	}{
		{
			"blames the package",
			queue.BuildEnd{State: queue.BuildFailed, Reason: "x86_64: no %files"},
			"f37 failure\nf37/riscv64 failure\nf37/srpm success\nf37/x86_64 failure",
		},
		{
			"does not blame the package for the infrastructure",
			queue.BuildEnd{State: queue.BuildFailed, Reason: "no space", Infrastructure: true},
			"f37 error\nf37/riscv64 error\nf37/srpm success\nf37/x86_64 error",
		},
	} {
		t.Run(test.name+" and leaves no pending status", func(t *testing.T) {
			t.Parallel()
			pool, d, build := setup(t)
			addArches(t, pool, d, build)
			queuetest.Tx(t, pool, func(tx pgx.Tx) error {
				return queue.EndBuild(t.Context(), tx, queuetest.Inserter(t, pool), queuetest.ExternalURL, build, test.end)
			})
			if diff := cmp.Diff(test.want, d.Statuses(t, 0)); diff != "" {
				t.Errorf("statuses (-want +got):\n%s", diff)
			}
			if root := queuetest.Task(t, pool, build, queue.MethodBuild, ""); root.State != queue.TaskFailed || root.Reason != test.end.Reason {
				t.Errorf("the root task is %s: %s", root.State, root.Reason)
			}
		})
	}

	t.Run("changes nothing of a build that is over", func(t *testing.T) {
		t.Parallel()
		pool, d, build := setup(t)
		jobs := queuetest.Inserter(t, pool)
		for _, end := range []queue.BuildEnd{{State: queue.BuildFailed, Reason: "first"}, {State: queue.BuildCanceled, Reason: "second"}} {
			queuetest.Tx(t, pool, func(tx pgx.Tx) error {
				return queue.EndBuild(t.Context(), tx, jobs, queuetest.ExternalURL, build, end)
			})
		}
		row, err := db.New(pool).GetBuild(t.Context(), build)
		if err != nil || row.State != queue.BuildFailed || row.Reason != "first" {
			t.Errorf("the build is %s (%s), %v; want FAILED (first)", row.State, row.Reason, err)
		}
		if diff := cmp.Diff("f37 failure\nf37/srpm failure", d.Statuses(t, 0)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})
}

func TestRetryBuild(t *testing.T) {
	t.Parallel()

	t.Run("builds the same commit anew and says so in its statuses", func(t *testing.T) {
		t.Parallel()
		pool, d, build := setup(t)
		jobs := queuetest.Inserter(t, pool)
		if err := queue.CancelBuild(t.Context(), pool, jobs, queuetest.ExternalURL, build, "why"); err != nil {
			t.Fatal(err)
		}
		again, err := queue.RetryBuild(t.Context(), pool, jobs, queuetest.ExternalURL, build)
		if err != nil {
			t.Fatal(err)
		}
		old, err := db.New(pool).GetBuild(t.Context(), build)
		if err != nil {
			t.Fatal(err)
		}
		row, err := db.New(pool).GetBuild(t.Context(), again)
		if err != nil {
			t.Fatal(err)
		}
		if row.State != queue.BuildBuilding || *row.RetryOf != build || row.CommitID != old.CommitID || row.Ref != old.Ref || row.Spec != old.Spec || row.Target != old.Target {
			t.Errorf("the new build is %+v, want one like %+v", row, old)
		}
		if old.State != queue.BuildCanceled {
			t.Errorf("the old build is %s now", old.State)
		}
		if diff := cmp.Diff("f37 pending\nf37/srpm pending", d.Statuses(t, 0)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})

	t.Run("keeps the priority and the channel", func(t *testing.T) {
		t.Parallel()
		pool, d, _ := setup(t)
		jobs := queuetest.Inserter(t, pool)
		urgent := d.NewBuild(1)
		urgent.Priority, urgent.Channel, urgent.Scratch, urgent.ArchOverride = 5, "bootstrap", true, []string{"riscv64"}
		build := d.Start(t, urgent)
		if err := queue.CancelBuild(t.Context(), pool, jobs, queuetest.ExternalURL, build, "why"); err != nil {
			t.Fatal(err)
		}
		again, err := queue.RetryBuild(t.Context(), pool, jobs, queuetest.ExternalURL, build)
		if err != nil {
			t.Fatal(err)
		}
		like := func(build int64) []string {
			return queuetest.Values[string](t, pool, `select t.method || ' ' || t.priority || ' ' || t.channel || ' ' || b.scratch || ' ' || b.arch_override::text
				from tasks t join builds b on b.id = t.build_id where b.id = $1 order by t.id`, build)
		}
		want := []string{"build 5 bootstrap true {riscv64}", "buildSRPM 4 bootstrap true {riscv64}"}
		if diff := cmp.Diff([][]string{want, want}, [][]string{like(build), like(again)}); diff != "" {
			t.Errorf("tasks of the build and of its retry (-want +got):\n%s", diff)
		}
	})

	t.Run("of a running build is refused", func(t *testing.T) {
		t.Parallel()
		pool, _, build := setup(t)
		_, err := queue.RetryBuild(t.Context(), pool, queuetest.Inserter(t, pool), queuetest.ExternalURL, build)
		var over *queue.NotBuildingError
		if !errors.As(err, &over) || over.State != queue.BuildBuilding {
			t.Errorf("got error %v, want *NotBuildingError", err)
		}
	})

	t.Run("of no build is refused", func(t *testing.T) {
		t.Parallel()
		pool, _, _ := setup(t)
		if _, err := queue.RetryBuild(t.Context(), pool, queuetest.Inserter(t, pool), queuetest.ExternalURL, 4711); !errors.Is(err, queue.ErrNoBuild) {
			t.Errorf("got error %v, want ErrNoBuild", err)
		}
	})
}
