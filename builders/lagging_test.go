package builders_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// late starts a build of commit 1 whose riscv64 waits at the gate that is
// returned, and waits until the build is complete without it.
func (in *installation) late(tb testing.TB, then stage) (build int64, riscv *gate) {
	tb.Helper()
	all := leaveByArch(in.packagesOf(tb, 1))
	if then == nil {
		then = all
	}
	riscv = newGate(then)
	build = in.build(tb, 1, script{build: all.on("riscv64", riscv.pass)})
	in.complete(tb, build)
	<-riscv.began
	return build, riscv
}

func TestALaggingArchitecture(t *testing.T) {
	t.Parallel()

	t.Run("joins the build that was complete without it", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64", "riscv64")
		in.target(t, policies{lagging: []string{"riscv64"}})
		in.work(t)
		build, riscv := in.late(t, nil)
		if diff := cmp.Diff("hello-1-1.src.rpm\nhello-1-1.x86_64.rpm", in.packages(t, build)); diff != "" {
			t.Errorf("packages before (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff("build OPEN\nbuildSRPM CLOSED\nbuildArch x86_64 CLOSED\nbuildArch riscv64 OPEN\ntagBuild FREE", in.tasks(t, build)); diff != "" {
			t.Errorf("tasks before (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff("pending: lagging: building on host-1", in.status(t, 1, "riscv64")); diff != "" {
			t.Errorf("status before (-want +got):\n%s", diff)
		}
		if n := in.jobs(t, "tags.joined"); n != 0 {
			t.Errorf("%d joins were told to tags before there was one", n)
		}
		close(riscv.open)
		in.idle(t)
		if diff := cmp.Diff("hello-1-1.riscv64.rpm\nhello-1-1.src.rpm\nhello-1-1.x86_64.rpm", in.packages(t, build)); diff != "" {
			t.Errorf("packages after (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff("success: lagging: 1 package, part of hello-1-1", in.status(t, 1, "riscv64")); diff != "" {
			t.Errorf("status after (-want +got):\n%s", diff)
		}
		if n := in.jobs(t, "tags.joined"); n != 1 {
			t.Errorf("tags were told %d times of the join, want once", n)
		}
		if n := in.jobs(t, "tags.apply"); n != 1 {
			t.Errorf("%d taggings were enqueued, want 1", n)
		}
		if _, err := os.Stat(in.storePath("packages/hello/1/1/riscv64/hello-1-1.riscv64.rpm")); err != nil {
			t.Error(err)
		}
	})

	t.Run("that is ready first is part of the build from the beginning", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64", "riscv64")
		in.target(t, policies{lagging: []string{"riscv64"}})
		in.work(t)
		all := leaveByArch(in.packagesOf(t, 1))
		x86 := newGate(all)
		build := in.build(t, 1, script{build: all.on("x86_64", x86.pass)})
		queuetest.WaitRow(t, in.Pool, "riscv64 is done", "select exists (select from tasks where arch = 'riscv64' and state = 'CLOSED')")
		if diff := cmp.Diff("pending: lagging: built 1 package, to be joined with the build", in.status(t, 1, "riscv64")); diff != "" {
			t.Errorf("status before (-want +got):\n%s", diff)
		}
		close(x86.open)
		in.complete(t, build)
		if diff := cmp.Diff("hello-1-1.riscv64.rpm\nhello-1-1.src.rpm\nhello-1-1.x86_64.rpm", in.packages(t, build)); diff != "" {
			t.Errorf("packages (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff("success: lagging: 1 package, part of hello-1-1", in.status(t, 1, "riscv64")); diff != "" {
			t.Errorf("status after (-want +got):\n%s", diff)
		}
		if n := in.jobs(t, "builders.import"); n != 1 {
			t.Errorf("%d imports were enqueued, want 1", n)
		}
	})

	t.Run("that fails leaves the build alone, before and after it is complete", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64", "riscv64")
		in.target(t, policies{lagging: []string{"riscv64"}})
		in.work(t)
		late, riscv := in.late(t, broken("no such register"))
		close(riscv.open)
		all := leaveByArch(in.packagesOf(t, 2))
		x86 := newGate(all)
		early := in.build(t, 2, script{build: all.on("x86_64", x86.pass).on("riscv64", broken("no such register"))})
		queuetest.WaitRow(t, in.Pool, "riscv64 failed twice", "select count(*) = 2 from tasks where arch = 'riscv64' and state = 'FAILED'")
		close(x86.open)
		in.complete(t, early)
		for n, build := range map[int]int64{1: late, 2: early} {
			if row := in.complete(t, build); row.Reason != "" {
				t.Errorf("build %d is complete with the reason %q", build, row.Reason)
			}
			if diff := cmp.Diff("failure: lagging: no such register", in.status(t, n, "riscv64")); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		}
		in.idle(t)
	})

	t.Run("is canceled with a build that fails", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64", "riscv64")
		in.target(t, policies{lagging: []string{"riscv64"}})
		in.work(t)
		all := leaveByArch(in.packagesOf(t, 1))
		riscv := newGate(all)
		x86 := newGate(broken("no such header"))
		build := in.build(t, 1, script{build: all.on("riscv64", riscv.pass).on("x86_64", x86.pass)})
		<-riscv.began
		close(x86.open)
		in.failed(t, build, "x86_64: no such header")
		in.idle(t)
		if diff := cmp.Diff("build FAILED\nbuildSRPM CLOSED\nbuildArch x86_64 FAILED\nbuildArch riscv64 CANCELED", in.tasks(t, build)); diff != "" {
			t.Errorf("tasks (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff("failure: lagging: x86_64: no such header", in.status(t, 1, "riscv64")); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
	})

	t.Run("is canceled in a complete build, which stays as it is", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64", "riscv64")
		in.target(t, policies{lagging: []string{"riscv64"}})
		client := in.work(t)
		build, _ := in.late(t, nil)
		if err := queue.CancelBuild(t.Context(), in.Pool, client, queuetest.ExternalURL, build, "superseded"); err != nil {
			t.Fatal(err)
		}
		in.idle(t)
		if diff := cmp.Diff("build OPEN\nbuildSRPM CLOSED\nbuildArch x86_64 CLOSED\nbuildArch riscv64 CANCELED\ntagBuild FREE", in.tasks(t, build)); diff != "" {
			t.Errorf("tasks (-want +got):\n%s", diff)
		}
		in.complete(t, build)
		if diff := cmp.Diff("error: lagging: superseded", in.status(t, 1, "riscv64")); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
		var over *queue.NotBuildingError
		if err := queue.CancelBuild(t.Context(), in.Pool, client, queuetest.ExternalURL, build, "again"); !errors.As(err, &over) {
			t.Errorf("the second cancel returned %v, want that the build is over", err)
		}
	})

	t.Run("is built again by itself, with its history", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64", "riscv64")
		in.target(t, policies{lagging: []string{"riscv64"}})
		client := in.work(t)
		build, riscv := in.late(t, broken("no such register"))
		close(riscv.open)
		queuetest.WaitRow(t, in.Pool, "riscv64 failed", "select exists (select from tasks where arch = 'riscv64' and state = 'FAILED')")
		in.set(t, 1, script{})
		for arch, want := range map[string]string{"x86_64": "blocking", "s390x": "no task"} {
			var refused *queue.NotRebuildableError
			if _, err := queue.RebuildArches(t.Context(), in.Pool, client, build, []string{"riscv64", arch}); !errors.As(err, &refused) || !strings.Contains(refused.Reason, want) {
				t.Errorf("to build %s again returned %v, want a refusal with %q", arch, err, want)
			}
		}
		got, err := queue.RebuildArches(t.Context(), in.Pool, client, build, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"riscv64"}, got); diff != "" {
			t.Errorf("built again (-want +got):\n%s", diff)
		}
		in.idle(t)
		if diff := cmp.Diff("hello-1-1.riscv64.rpm\nhello-1-1.src.rpm\nhello-1-1.x86_64.rpm", in.packages(t, build)); diff != "" {
			t.Errorf("packages (-want +got):\n%s", diff)
		}
		task := queuetest.Task(t, in.Pool, build, queue.MethodBuildArch, "riscv64")
		if task.State != queue.TaskClosed || task.Attempt != 2 {
			t.Errorf("the task is %s at attempt %d, want CLOSED at 2", task.State, task.Attempt)
		}
		outcomes := queuetest.Values[string](t, in.Pool, "select attempt || ' ' || outcome from task_attempts where task_id = $1", task.ID)
		if diff := cmp.Diff([]string{"1 build: no such register"}, outcomes); diff != "" {
			t.Errorf("earlier attempts (-want +got):\n%s", diff)
		}
		history := queuetest.Values[string](t, in.Pool, "select state || ': ' || description from history where context = 'distbot/f37/riscv64'")
		if diff := cmp.Diff([]string{
			"pending: lagging: waiting for a builder", "pending: lagging: building on host-1", "failure: lagging: no such register",
			"pending: lagging: waiting for a builder, again", "pending: lagging: building on host-1, attempt 2; before: build: no such register", "pending: lagging: built 1 package, to be joined with the build",
			"success: lagging: 1 package, part of hello-1-1",
		}, history); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		if _, err := queue.RebuildArches(t.Context(), in.Pool, client, build, nil); err == nil {
			t.Error("a build that lacks nothing was built again")
		}
	})
}

func TestAnImportThatFailsCancelsWhatLags(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "x86_64", "riscv64")
	in.target(t, policies{lagging: []string{"riscv64"}})
	queuetest.Exec(t, in.Pool, `insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, spec, need_rev, nvr, state)
		select $1, $2, 'f37', $3, $4, false, 'x', 'x', now(), 'x', 0, 'other-1-1', 'COMPLETE'`, in.Package, in.Repository, in.BuildTag, in.DestTag)
	queuetest.Exec(t, in.Pool, `insert into rpms (build_id, name, epoch, version, release, arch, source, sha256, size, build_time, path)
		values (1, 'hello', 0, '1', '1', 'x86_64', false, 'x', 1, 1, 'x')`)
	in.work(t)
	all := leaveByArch(in.packagesOf(t, 1))
	riscv := newGate(all)
	build := in.build(t, 1, script{build: all.on("riscv64", riscv.pass)})
	in.failed(t, build, "belongs to other-1-1 already")
	in.idle(t)
	if diff := cmp.Diff("build FAILED\nbuildSRPM CLOSED\nbuildArch x86_64 CLOSED\nbuildArch riscv64 CANCELED", in.tasks(t, build)); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
}
