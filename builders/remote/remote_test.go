package remote

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestBuild(t *testing.T) {
	t.Parallel()
	t.Run("A build at a remote host is complete", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		b.schedule(t)
		h := b.start(t, b.newBuilder(t, "far-1", b.driver(t, nil)))
		build := b.Start(t, b.NewBuild(1))
		if state, reason := b.state(t, build); state != queue.BuildComplete {
			t.Fatalf("the build is %s: %s", state, reason)
		}
		srpm, arch := queuetest.Task(t, b.Pool, build, queue.MethodBuildSRPM, ""), queuetest.Task(t, b.Pool, build, queue.MethodBuildArch, "x86_64")
		got := map[string]string{
			"checkout":  b.logOf(t, queue.Claim{TaskID: srpm.ID, Attempt: 1}, "checkout.log"),
			"srpm root": b.logOf(t, queue.Claim{TaskID: srpm.ID, Attempt: 1}, "root.log"),
			"build":     b.logOf(t, queue.Claim{TaskID: arch.ID, Attempt: 1}, "build.log"),
			"rpms": strings.Join(queuetest.Values[string](t, b.Pool,
				"select name || '.' || case when source then 'src' else arch end from rpms where build_id = $1 order by 1", build), " "),
			"buildroot": queuetest.Value[string](t, b.Pool, `select b.driver || ' ' || b.repo_key || ' ' || r.nevra
				from buildroots b join buildroot_rpms r on r.buildroot_id = b.id where b.task_id = $1`, arch.ID),
			"host": queuetest.Value[string](t, b.Pool, "select name || ' ' || driver || ' ' || version from hosts where id = $1", h.id),
		}
		want := map[string]string{
			"checkout":  "checked out " + queuetest.Commit(1) + "\n",
			"srpm root": "root of hello-1-1.src.rpm\n",
			"build":     "built hello-1-1.x86_64.rpm\n",
			"rpms":      "hello.src hello.x86_64",
			"buildroot": "scripted key bash-5.2-1.x86_64",
			"host":      "far-1 scripted test",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		h.stop()
		if !errors.Is(h.cause, context.Canceled) {
			t.Errorf("the host ended with %v", h.cause)
		}
		for _, dir := range []string{"work", "logs"} {
			if left, err := os.ReadDir(filepath.Join(h.dir, dir)); err != nil || len(left) > 0 {
				t.Errorf("left in %s: %v, %v", dir, left, err)
			}
		}
		if left := queuetest.Value[bool](t, b.Pool, "select client_id is null from hosts where id = $1", h.id); !left {
			t.Error("the host that stopped is still connected")
		}
	})
	t.Run("A failure is told with its phase and reason", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		b.schedule(t)
		b.start(t, b.newBuilder(t, "far-1", b.driver(t, func(context.Context, builders.Order) (builders.Outcome, error) {
			return builders.Outcome{}, &builders.Failure{Phase: builders.PhaseCheck, Reason: "2 tests failed", Err: errors.New("exit status 1")}
		})))
		build := b.Start(t, b.NewBuild(1))
		state, reason := b.state(t, build)
		if state != queue.BuildFailed || reason != "x86_64: 2 tests failed" {
			t.Errorf("the build is %s: %s", state, reason)
		}
		task := queuetest.Task(t, b.Pool, build, queue.MethodBuildArch, "x86_64")
		if task.Phase != "check" || task.Failure != queue.FailurePackage {
			t.Errorf("the task failed in %q, of kind %q", task.Phase, task.Failure)
		}
	})
	t.Run("A checkout that fails is the package's failure, not the host's", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		b.onSources = func(context.Context) error { return errors.New("sources: hello.tar.gz is not in the lookaside") }
		b.schedule(t)
		b.start(t, b.newBuilder(t, "far-1", b.driver(t, nil)))
		build := b.Start(t, b.NewBuild(1))
		if state, reason := b.state(t, build); state != queue.BuildFailed || !strings.Contains(reason, "is not in the lookaside") {
			t.Errorf("the build is %s: %s", state, reason)
		}
		if task := queuetest.Task(t, b.Pool, build, queue.MethodBuildSRPM, ""); task.Phase != "sources" || task.Attempt != 1 {
			t.Errorf("the task failed in %q at attempt %d", task.Phase, task.Attempt)
		}
	})
	t.Run("What is no package fails the build", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		b.schedule(t)
		b.start(t, b.newBuilder(t, "far-1", b.driver(t, leave("core", []byte("dumped")))))
		build := b.Start(t, b.NewBuild(1))
		if state, reason := b.state(t, build); state != queue.BuildFailed || !strings.Contains(reason, `the build left "core", which is no package`) {
			t.Errorf("the build is %s: %s", state, reason)
		}
	})
	t.Run("A package that lies about itself fails the build", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		b.schedule(t)
		b.start(t, b.newBuilder(t, "far-1", b.driver(t, leave("bash-1-1.x86_64.rpm", binaryPackage(t)))))
		build := b.Start(t, b.NewBuild(1))
		if state, reason := b.state(t, build); state != queue.BuildFailed || !strings.Contains(reason, "bash-1-1.x86_64.rpm says it is hello-1-1.x86_64") {
			t.Errorf("the build is %s: %s", state, reason)
		}
	})
}

func TestLogsAreFollowedWhileTheyGrow(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.schedule(t)
	g := newGate()
	b.start(t, b.newBuilder(t, "far-1", b.driver(t, func(ctx context.Context, order builders.Order) (builders.Outcome, error) {
		if err := os.WriteFile(filepath.Join(order.LogDir, "build.log"), []byte("compiling\n"), 0o644); err != nil {
			return builders.Outcome{}, err
		}
		order.Phase(builders.PhaseCheck)
		return g.then(leave("hello-1-1.x86_64.rpm", binaryPackage(t)))(ctx, order)
	})))
	build := b.Start(t, b.NewBuild(1))
	order := receive(t, "the build begins", g.began)
	queuetest.Wait(t, "the log is at the hub", func() (bool, string) {
		text := b.logOf(t, claimOf(order), "build.log")
		return text == "compiling\n", text
	})
	queuetest.WaitRow(t, b.Pool, "the phase is at the hub", "select phase = 'check' from tasks where id = $1", order.TaskID)
	close(g.open)
	if state, reason := b.state(t, build); state != queue.BuildComplete {
		t.Errorf("the build is %s: %s", state, reason)
	}
}

func TestCanceledBuildEndsAtTheHost(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.schedule(t)
	g, ended := newGate(), make(chan error, 1)
	b.start(t, b.newBuilder(t, "far-1", b.driver(t, func(ctx context.Context, order builders.Order) (builders.Outcome, error) {
		outcome, err := g.then(nil)(ctx, order)
		ended <- err
		return outcome, err
	})))
	build := b.Start(t, b.NewBuild(1))
	receive(t, "the build begins", g.began)
	if err := queue.CancelBuild(t.Context(), b.Pool, b.stages.Jobs, queuetest.ExternalURL, build, "nobody wants it"); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, "the build ends", ended); err == nil || !strings.Contains(err.Error(), "given up") {
		t.Errorf("the build ended with %v", err)
	}
}

func TestStoppedHostGivesItsWorkBack(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.schedule(t)
	g := newGate()
	first := b.start(t, b.newBuilder(t, "far-1", b.driver(t, g.then(nil))))
	build := b.Start(t, b.NewBuild(1))
	order := receive(t, "the build begins", g.began)
	b.start(t, b.newBuilder(t, "far-2", b.driver(t, nil)))
	first.stop()
	if state, reason := b.state(t, build); state != queue.BuildComplete {
		t.Errorf("the build is %s: %s", state, reason)
	}
	want := []string{"1 build: the builder was stopped"}
	if diff := cmp.Diff(want, attempts(t, b.Pool, order.TaskID)); diff != "" {
		t.Errorf("attempts (-want +got)\n%s", diff)
	}
}

func TestUnfitHostRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.schedule(t)
	first := b.newBuilder(t, "far-1", b.driver(t, nil))
	asked := 0
	first.Check = func() queue.HostStatus {
		// Fit when it connects and at the first heartbeat, and not when work comes.
		if asked++; asked > 2 {
			return queue.HostStatus{Unready: "the disk is full"}
		}
		return queue.HostStatus{}
	}
	b.start(t, first)
	build := b.Start(t, b.NewBuild(1))
	queuetest.WaitRow(t, b.Pool, "the task is refused", "select exists (select from task_refusals where reason = 'the disk is full')")
	b.start(t, b.newBuilder(t, "far-2", b.driver(t, nil)))
	if state, reason := b.state(t, build); state != queue.BuildComplete {
		t.Errorf("the build is %s: %s", state, reason)
	}
}
