package builders_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// bury makes the running job of a task that of a host that died, and has it
// given to its next attempt.
func (in *installation) bury(ctx context.Context, task int64) error {
	process, err := queue.ThisProcess()
	if err != nil {
		return err
	}
	ended := exec.CommandContext(ctx, "true")
	if err := ended.Run(); err != nil {
		return err
	}
	host := queue.NewClientID(process)
	err = db.New(in.Pool).RegisterLease(ctx, db.RegisterLeaseParams{
		ClientID: host, Host: process.Host, BootID: process.BootID, PidNamespace: process.PIDNamespace,
		Pid: int32(ended.Process.Pid), PidStart: 1, Roles: []string{}, Arches: []string{},
	})
	if err != nil {
		return err
	}
	_, err = in.Pool.Exec(ctx, `update river_job set attempted_by = array_append(attempted_by, $2)
		where id = (select river_job_id from tasks where id = $1) and state = 'running'`, task, host)
	if err != nil {
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
				if !errors.Is(cause, rivertype.ErrJobCancelledRemotely) {
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
				zombie, successor := newGate(ending), newGate(good)
				build := in.build(t, 1, script{build: func(ctx context.Context, order builders.Order, arch string) (builders.Outcome, error) {
					if order.Attempt > 1 {
						return successor.pass(ctx, order, arch)
					}
					return zombie.pass(ctx, order, arch)
				}})
				order := <-zombie.began
				first := *queuetest.Task(t, in.Pool, build, queue.MethodBuildArch, "x86_64").RiverJobID
				if err := in.bury(t.Context(), order.TaskID); err != nil {
					t.Fatal(err)
				}
				<-successor.began
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
				if state := queuetest.Value[string](t, in.Pool, "select state::text from river_job where id = $1", first); state != "discarded" {
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
		queuetest.Exec(t, in.Pool, `update river_job set metadata = '{"distbot_losses": 5}' where kind = 'builders.srpm'`)
		in.work(t)
		in.failed(t, build, "source package: queue: 5 workers died while they ran this task")
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
			workers := river.NewWorkers()
			var late struct{ *queue.Client }
			in.register("host-1")(workers, &late)
			config := queue.Config{ID: "host-1", Queues: map[string]int{}, Workers: workers, Hub: true, SoftStop: time.Millisecond, Logger: slog.New(slog.DiscardHandler)}
			for _, name := range in.queues() {
				config.Queues[name] = 5
			}
			var err error
			if late.Client, err = queue.NewClient(in.Pool, config); err != nil {
				t.Fatal(err)
			}
			if err := late.Start(context.WithoutCancel(t.Context())); err != nil {
				t.Fatal(err)
			}
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
			if err := late.Stop(context.WithoutCancel(t.Context())); err != nil {
				t.Fatal(err)
			}
			task := queuetest.Task(t, in.Pool, build, queue.MethodBuildArch, "x86_64")
			if task.State != queue.TaskFree || task.Attempt != 1 {
				t.Errorf("the task is %s at attempt %d, want FREE at 1", task.State, task.Attempt)
			}
			job := queuetest.Value[string](t, in.Pool, "select state || ' ' || attempt || ' ' || coalesce(array_length(errors, 1), 0) from river_job where id = $1", task.RiverJobID)
			if job != "available 0 0" {
				t.Errorf("state, tries and errors of the job are %q, want an available one with none", job)
			}
			if got := in.description(t, 1, "x86_64"); got != "trying again: the builder was stopped" {
				t.Errorf("the status says %q", got)
			}
			if got := queuetest.Value[string](t, in.Pool, "select outcome from task_attempts"); got != "build: the builder was stopped" {
				t.Errorf("the attempt ended with %q", got)
			}
			in.noWorkLeft(t)
			queuetest.Start(t, in.Pool, "host-2", in.register("host-2"), in.queues()...)
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
			in.work(t)
			if strings.HasSuffix(name, "denied") {
				in.complete(t, in.build(t, 9, script{}))
			}
			build := in.build(t, 1, how)
			in.ended(t, build)
			in.idle(t)
			queuetest.WaitRow(t, in.Pool, "tagging is over", "select not exists (select from river_job where kind = 'tags.apply' and state <> 'completed')")
			before := queuetest.Values[string](t, in.Pool, facts)

			stages := in.stages
			stages.Jobs, stages.ClientID = queuetest.Inserter(t, in.Pool), "host-3"
			for _, task := range queuetest.Values[int64](t, in.Pool, "select id from tasks where river_job_id is not null and method <> 'tagBuild'") {
				row := &rivertype.JobRow{ID: queuetest.Value[int64](t, in.Pool, "select river_job_id from tasks where id = $1", task), State: rivertype.JobStateRunning, Attempt: 1}
				if err := (&builders.SRPMWorker{Stages: &stages}).Work(t.Context(), &river.Job[queue.SRPMArgs]{JobRow: row, Args: queue.SRPMArgs{TaskID: task}}); err != nil {
					t.Errorf("source task %d: %v", task, err)
				}
				if err := (&builders.ArchWorker{Stages: &stages}).Work(t.Context(), &river.Job[queue.ArchArgs]{JobRow: row, Args: queue.ArchArgs{TaskID: task}}); err != nil {
					t.Errorf("arch task %d: %v", task, err)
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

	t.Run("by the job that replaces one whose process died just after its end changes nothing", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.work(t)
		build := in.build(t, 1, script{build: fail(&builders.Failure{Reason: "it does not compile"})})
		in.failed(t, build, "it does not compile")
		in.idle(t)
		task := queuetest.Task(t, in.Pool, build, queue.MethodBuildArch, "x86_64")
		history := queuetest.Values[string](t, in.Pool, "select context || ' ' || state from history")
		// The failure is recorded, the end of the job is not.
		queuetest.Exec(t, in.Pool, "update river_job set state = 'running', finalized_at = null where id = $1", task.RiverJobID)
		if err := in.bury(t.Context(), task.ID); err != nil {
			t.Fatal(err)
		}
		in.idle(t)
		if n := queuetest.Value[int](t, in.Pool, "select count(*) from river_job where kind = 'builders.arch' and state = 'completed'"); n != 1 {
			t.Errorf("%d jobs of the task are completed, want that of the replacement", n)
		}
		if got := queuetest.Task(t, in.Pool, build, queue.MethodBuildArch, "x86_64"); got.Attempt != task.Attempt || got.State != queue.TaskFailed {
			t.Errorf("the task is %s at attempt %d, want FAILED at %d", got.State, got.Attempt, task.Attempt)
		}
		if diff := cmp.Diff(history, queuetest.Values[string](t, in.Pool, "select context || ' ' || state from history")); diff != "" {
			t.Errorf("statuses that were asked for (-before +after):\n%s", diff)
		}
	})
}
