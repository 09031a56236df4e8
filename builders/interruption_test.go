package builders_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildhost"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// lose makes a host one that has not been heard of for too long, and has its
// work given to others.
func (in *installation) lose(ctx context.Context, host string) error {
	process, err := queue.ThisProcess()
	if err != nil {
		return err
	}
	if _, err := in.Pool.Exec(ctx, "update hosts set seen_at = now() - interval '31 seconds' where name = $1", host); err != nil {
		return err
	}
	inserter, err := queue.NewClient(in.Pool, queue.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	reaper := &queue.Reaper{Pool: in.Pool, Inserter: inserter, Process: process, Logger: slog.New(slog.DiscardHandler)}
	_, err = reaper.Reap(ctx)
	return err
}

// noWorkLeft waits until no attempt has a work directory.
func (in *installation) noWorkLeft(tb testing.TB) {
	tb.Helper()
	queuetest.Wait(tb, "work directories are removed", func() (bool, string) {
		left, err := os.ReadDir(in.workDir)
		return err == nil && len(left) == 0, fmt.Sprint(left, err)
	})
}

func TestACancel(t *testing.T) {
	t.Parallel()

	t.Run("reaches the driver at once and nothing is recorded", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64", "aarch64")
		client := in.work(t)
		began, stopped := make(chan struct{}, 2), make(chan error, 2)
		build := in.build(t, 1, script{build: func(ctx context.Context, order builders.Order, _ string) (builders.Outcome, error) {
			// What it wrote by now is of no use any more.
			if err := os.WriteFile(filepath.Join(order.ResultDir, "partial.rpm"), nil, 0o644); err != nil {
				return builders.Outcome{}, err
			}
			began <- struct{}{}
			<-ctx.Done()
			stopped <- context.Cause(ctx)
			return builders.Outcome{}, &builders.Failure{Reason: "rpmbuild was killed by signal 9"}
		}})
		<-began
		<-began
		asked := time.Now()
		if err := queue.CancelBuild(t.Context(), in.Pool, client, queuetest.ExternalURL, build, "superseded"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			select {
			case cause := <-stopped:
				if !errors.Is(cause, buildhost.ErrDropped) {
					t.Errorf("the driver's context ended with %v", cause)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("the driver was not told within 10 s")
			}
		}
		t.Logf("both drivers were told %s after the cancel", time.Since(asked))
		in.idle(t)
		in.noWorkLeft(t)
		row := in.ended(t, build)
		if row.State != queue.BuildCanceled || row.Reason != "superseded" {
			t.Errorf("the build is %s (%s), want CANCELED", row.State, row.Reason)
		}
		if diff := cmp.Diff("build CANCELED\nbuildSRPM CLOSED\nbuildArch x86_64 CANCELED\nbuildArch aarch64 CANCELED", in.tasks(t, build)); diff != "" {
			t.Errorf("tasks (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff("f37 error\nf37/aarch64 error\nf37/srpm success\nf37/x86_64 error", in.Statuses(t, 1)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		if got := queuetest.Values[string](t, in.Pool, "select name from task_artifacts"); !cmp.Equal(got, []string{"hello-1-1.src.rpm"}) {
			t.Errorf("recorded %v, want the source package only", got)
		}
	})

	t.Run("wins over a driver that does not listen", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		client := in.work(t)
		began, open := make(chan struct{}), make(chan struct{})
		good := leaveByArch(in.packagesOf(t, 1))
		build := in.build(t, 1, script{build: func(ctx context.Context, order builders.Order, arch string) (builders.Outcome, error) {
			close(began)
			<-open
			return good(ctx, order, arch)
		}})
		<-began
		if err := queue.CancelBuild(t.Context(), in.Pool, client, queuetest.ExternalURL, build, "no more"); err != nil {
			t.Fatal(err)
		}
		close(open)
		in.idle(t)
		if n := queuetest.Value[int](t, in.Pool, "select count(*) from task_artifacts where kind = 'rpm'"); n != 0 || in.jobs(t, "builders.import") != 0 {
			t.Errorf("%d packages and %d imports came of a canceled build", n, in.jobs(t, "builders.import"))
		}
		if diff := cmp.Diff("f37 error\nf37/srpm success\nf37/x86_64 error", in.Statuses(t, 1)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})
}

func TestAWorkerThatIsLost(t *testing.T) {
	t.Parallel()

	// The worker was given up while it ran, lives on and ends before or after
	// its successor.
	for _, zombieFirst := range []bool{true, false} {
		for name, ending := range map[string]stage{
			"success":                nil,
			"package failure":        fail(&builders.Failure{Reason: "it does not compile"}),
			"infrastructure failure": fail(errors.New("the network is gone")),
		} {
			when := "after its successor"
			if zombieFirst {
				when = "before its successor"
			}
			t.Run("can't record its "+name+" "+when, func(t *testing.T) {
				t.Parallel()
				in := newInstallation(t, "x86_64")
				good := leaveByArch(in.packagesOf(t, 1))
				if ending == nil {
					ending = good
				}
				in.work(t)
				zombie, successor := newGate(ending).deaf(), newGate(good)
				build := in.build(t, 1, script{build: func(ctx context.Context, order builders.Order, arch string) (builders.Outcome, error) {
					if order.Attempt > 1 {
						return successor.pass(ctx, order, arch)
					}
					return zombie.pass(ctx, order, arch)
				}})
				order := <-zombie.began
				first := queuetest.Task(t, in.Pool, build, queue.MethodBuildArch, "x86_64")
				if first.ID != order.TaskID {
					t.Fatalf("task %d was begun, want %d", order.TaskID, first.ID)
				}
				if err := in.lose(t.Context(), "host-1"); err != nil {
					t.Fatal(err)
				}
				in.host(t, "host-2")
				if order := <-successor.began; order.TaskID != first.ID {
					t.Fatalf("task %d was begun by the other host, want %d", order.TaskID, first.ID)
				}
				workDirs := func() (n int) {
					left, err := os.ReadDir(in.workDir)
					if err != nil {
						t.Fatal(err)
					}
					return len(left)
				}
				if zombieFirst {
					close(zombie.open)
					queuetest.Wait(t, "the lost worker ends", func() (bool, string) { return workDirs() == 1, "it works on" })
					if task := queuetest.Task(t, in.Pool, build, queue.MethodBuildArch, "x86_64"); task.State != queue.TaskOpen || task.Attempt != 2 {
						t.Fatalf("the task is %s at attempt %d, want OPEN at 2", task.State, task.Attempt)
					}
					close(successor.open)
					in.complete(t, build)
				} else {
					close(successor.open)
					in.complete(t, build)
					close(zombie.open)
				}
				in.noWorkLeft(t)
				in.idle(t)
				if got := queuetest.Values[int32](t, in.Pool, "select attempt from task_artifacts where kind = 'rpm'"); !cmp.Equal(got, []int32{2}) {
					t.Errorf("packages of the attempts %v are recorded, want 2", got)
				}
				if state := queuetest.Value[string](t, in.Pool, "select state::text from river_job where id = $1", first.RiverJobID); state != "discarded" {
					t.Errorf("the lost job is %s, want discarded", state)
				}
				if n := in.jobs(t, "builders.import"); n != 1 {
					t.Errorf("%d imports were enqueued, want 1", n)
				}
				if diff := cmp.Diff("f37 pending\nf37/srpm success\nf37/x86_64 success", in.Statuses(t, 1)); diff != "" {
					t.Errorf("statuses (-want +got):\n%s", diff)
				}
			})
		}
	}

	t.Run("for the fifth time ends the build as error", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		build := in.build(t, 1, script{srpm: fail(errors.New("must not be asked"))})
		queuetest.Exec(t, in.Pool, "update tasks set losses = 5 where method = 'buildSRPM'")
		in.work(t)
		in.failed(t, build, "source package: queue: 5 hosts died while they worked on this task")
		if diff := cmp.Diff("f37 error\nf37/srpm error", in.Statuses(t, 1)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})
}

// TestAStop stops a host in the middle of a build.
func TestAStop(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(ctx context.Context) error{
		"whose driver returns the context's error": context.Cause,
		"whose driver blames the package": func(context.Context) error {
			return &builders.Failure{Reason: "rpmbuild was killed by signal 9"}
		},
		"whose driver blames the host": func(context.Context) error {
			return &builders.Failure{Infrastructure: true, Reason: "the sandbox is gone"}
		},
	} {
		t.Run(name+" gives the task back uncounted", func(t *testing.T) {
			t.Parallel()
			in := newInstallation(t, "x86_64")
			host := in.work(t)
			began := make(chan struct{})
			good := leaveByArch(in.packagesOf(t, 1))
			build := in.build(t, 1, script{build: func(ctx context.Context, order builders.Order, arch string) (builders.Outcome, error) {
				if order.Attempt > 1 {
					return good(ctx, order, arch)
				}
				close(began)
				<-ctx.Done()
				return builders.Outcome{}, answer(ctx)
			}})
			<-began
			host.Stop()
			task := queuetest.Task(t, in.Pool, build, queue.MethodBuildArch, "x86_64")
			if task.State != queue.TaskFree || task.Attempt != 1 {
				t.Errorf("the task is %s at attempt %d, want FREE at 1", task.State, task.Attempt)
			}
			if got := in.description(t, 1, "x86_64"); got != "trying again: the builder was stopped" {
				t.Errorf("the status says %q", got)
			}
			if got := queuetest.Value[string](t, in.Pool, "select outcome from task_attempts"); got != "build: the builder was stopped" {
				t.Errorf("the attempt ended with %q", got)
			}
			in.noWorkLeft(t)
			in.host(t, "host-2", queue.QueueControl)
			in.complete(t, build)
			if task := queuetest.Task(t, in.Pool, build, queue.MethodBuildArch, "x86_64"); task.Attempt != 2 || *task.ClientID != "host-2" {
				t.Errorf("attempt %d of %s ended the task, want 2 of host-2", task.Attempt, *task.ClientID)
			}
		})
	}
}

// TestWorkDoneTwice runs each worker again with the job it has finished: the
// process may have died before River noted the end.
func TestWorkDoneTwice(t *testing.T) {
	t.Parallel()
	// facts is everything that a second run could change.
	const facts = `select 'task ' || id || ' ' || state || ' ' || attempt from tasks union all select 'build ' || id || ' ' || state || ' ' || coalesce(nvr, '') from builds
		union all select 'job ' || id || ' ' || kind from river_job union all select 'rpm ' || path from rpms
		union all select 'result ' || name || ' ' || attempt from task_artifacts union all select 'root ' || id from buildroots
		union all select 'attempt ' || task_id from task_attempts
		union all select 'status ' || context || ' ' || state || ' ' || description from history order by 1`
	for name, how := range map[string]script{
		"after success":           {},
		"after a failure":         {build: fail(&builders.Failure{Reason: "it does not compile"})},
		"after a source's":        {srpm: fail(&builders.Failure{Reason: "the spec does not parse"})},
		"after an NVR was denied": {srpm: leave(files{"hello-9-1.src.rpm": source(t, "hello", "9", 0)})},
	} {
		t.Run(name+" changes nothing", func(t *testing.T) {
			t.Parallel()
			in := newInstallation(t, "x86_64")
			host := in.work(t)
			if strings.HasSuffix(name, "denied") {
				in.complete(t, in.build(t, 9, script{}))
			}
			build := in.build(t, 1, how)
			in.ended(t, build)
			in.idle(t)
			queuetest.WaitRow(t, in.Pool, "tagging is over", "select not exists (select from river_job where kind = 'tags.apply' and state <> 'completed')")
			before := queuetest.Values[string](t, in.Pool, facts)

			stages := in.stages
			stages.Jobs = queuetest.Inserter(t, in.Pool)
			for _, claim := range in.claims(t) {
				if err := host.CarryOut(t.Context(), claim); err != nil {
					t.Errorf("%s: %v", claim, err)
				}
			}
			row := &rivertype.JobRow{ID: 1, State: rivertype.JobStateRunning, Attempt: 1}
			if err := (&builders.ImportWorker{Stages: &stages}).Work(t.Context(), &river.Job[queue.ImportArgs]{JobRow: row, Args: queue.ImportArgs{BuildID: build}}); err != nil {
				t.Errorf("import: %v", err)
			}
			if diff := cmp.Diff(before, queuetest.Values[string](t, in.Pool, facts)); diff != "" {
				t.Errorf("what changed (-before +after):\n%s", diff)
			}
		})
	}
}

// claims are the newest attempts of all tasks that hosts work on.
func (in *installation) claims(tb testing.TB) (claims []queue.Claim) {
	tb.Helper()
	for _, task := range queuetest.Values[int64](tb, in.Pool, "select id from tasks where method in ('buildSRPM', 'buildArch')") {
		claims = append(claims, queue.Claim{TaskID: task, Attempt: queuetest.Value[int32](tb, in.Pool, "select attempt from tasks where id = $1", task)})
	}
	return claims
}
