package builders_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// policies are what the target of an installation says of arches.
type policies struct {
	lagging, bestEffort []string
	noarchContent       string
}

// target gives the installation's target, with policies.
func (in *installation) target(tb testing.TB, p policies) {
	tb.Helper()
	if p.noarchContent == "" {
		p.noarchContent = "warn"
	}
	queuetest.Exec(tb, in.Pool, `insert into build_targets (name, build_tag, dest_tag, branches, lagging, best_effort, noarch_content, create_event)
		select $1, $2, $3, '{f37}', coalesce($4::text[], '{}'), coalesce($5::text[], '{}'), $6, max(id) from events`,
		in.Target, in.BuildTag, in.DestTag, p.lagging, p.bestEffort, p.noarchContent)
}

// status is the state and the text of the status of a part of commit n.
func (in *installation) status(tb testing.TB, n int, part string) string {
	tb.Helper()
	return queuetest.Value[string](tb, in.Pool, "select state || ': ' || description from reports where commit_id = $1 and context = $2",
		queuetest.Commit(n), queue.ContextOf(in.Target, part))
}

// packages are the files of a build, in order.
func (in *installation) packages(tb testing.TB, build int64) string {
	tb.Helper()
	return strings.Join(queuetest.Values[string](tb, in.Pool, "select regexp_replace(path, '.*/', '') from rpms where build_id = $1 order by path", build), "\n")
}

// broken is a build that fails, for a package's own reason.
func broken(reason string) stage {
	return fail(&builders.Failure{Phase: builders.PhaseBuild, Reason: reason})
}

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

func TestABestEffortArchitecture(t *testing.T) {
	t.Parallel()

	t.Run("that fails is never red", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64", "s390x")
		in.target(t, policies{bestEffort: []string{"s390x"}})
		in.work(t)
		all := leaveByArch(in.packagesOf(t, 1))
		build := in.build(t, 1, script{build: all.on("s390x", broken("big endian"))})
		in.complete(t, build)
		in.idle(t)
		if diff := cmp.Diff("success: best-effort: failed: big endian", in.status(t, 1, "s390x")); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
		if task := queuetest.Task(t, in.Pool, build, queue.MethodBuildArch, "s390x"); task.State != queue.TaskFailed || task.Failure != queue.FailurePackage {
			t.Errorf("the task is %s (%s), want FAILED (package)", task.State, task.Failure)
		}
		red := queuetest.Values[string](t, in.Pool, "select context || state from history where state in ('failure', 'error')")
		if len(red) > 0 {
			t.Errorf("red statuses were asked for: %q", red)
		}
	})

	t.Run("is not red in a build that fails", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64", "s390x")
		in.target(t, policies{bestEffort: []string{"s390x"}})
		in.work(t)
		all := leaveByArch(in.packagesOf(t, 1))
		s390x, x86 := newGate(all), newGate(broken("no such header"))
		build := in.build(t, 1, script{build: all.on("s390x", s390x.pass).on("x86_64", x86.pass)})
		<-s390x.began
		close(x86.open)
		in.failed(t, build, "x86_64: no such header")
		if diff := cmp.Diff("success: best-effort: failed: x86_64: no such header", in.status(t, 1, "s390x")); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
	})
}

func TestABuildWithoutBlockingArchitectures(t *testing.T) {
	t.Parallel()
	both := policies{lagging: []string{"riscv64"}, bestEffort: []string{"s390x"}}

	t.Run("is complete with the first that succeeds", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "riscv64", "s390x")
		in.target(t, both)
		in.work(t)
		all := leaveByArch(in.packagesOf(t, 1))
		s390x := newGate(all)
		build := in.build(t, 1, script{build: all.on("s390x", s390x.pass)})
		in.complete(t, build)
		if diff := cmp.Diff("hello-1-1.riscv64.rpm\nhello-1-1.src.rpm", in.packages(t, build)); diff != "" {
			t.Errorf("packages before (-want +got):\n%s", diff)
		}
		close(s390x.open)
		in.idle(t)
		if diff := cmp.Diff("hello-1-1.riscv64.rpm\nhello-1-1.s390x.rpm\nhello-1-1.src.rpm", in.packages(t, build)); diff != "" {
			t.Errorf("packages after (-want +got):\n%s", diff)
		}
	})

	t.Run("is complete with the last when the others failed", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "riscv64", "s390x")
		in.target(t, both)
		in.work(t)
		all := leaveByArch(in.packagesOf(t, 1))
		s390x := newGate(all)
		build := in.build(t, 1, script{build: all.on("s390x", s390x.pass).on("riscv64", broken("no such register"))})
		queuetest.WaitRow(t, in.Pool, "riscv64 failed", "select exists (select from tasks where arch = 'riscv64' and state = 'FAILED')")
		close(s390x.open)
		in.complete(t, build)
	})

	t.Run("fails when all fail", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "riscv64", "s390x")
		in.target(t, both)
		in.work(t)
		build := in.build(t, 1, script{build: broken("everything is wrong")})
		in.failed(t, build, "everything is wrong")
		in.idle(t)
		if diff := cmp.Diff("failure: lagging: everything is wrong", in.status(t, 1, "riscv64")); diff != "" {
			t.Errorf("status of riscv64 (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff("success: best-effort: failed: everything is wrong", in.status(t, 1, "s390x")); diff != "" {
			t.Errorf("status of s390x (-want +got):\n%s", diff)
		}
	})
}

// Whoever ends last, no architecture's packages are lost: they are part of the
// build from the beginning or join it.
func TestArchitecturesOfEachPolicyThatEndAtOnce(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "x86_64", "riscv64", "s390x")
	in.target(t, policies{lagging: []string{"riscv64"}, bestEffort: []string{"s390x"}})
	in.work(t)
	const count = 12
	builds := make([]int64, count)
	for n := range builds {
		var all sync.WaitGroup
		all.Add(len(in.arches))
		ready, packages := make(chan struct{}), in.packagesOf(t, n+1)
		go func() { all.Wait(); close(ready) }()
		builds[n] = in.build(t, n+1, script{build: func(ctx context.Context, order builders.Order, arch string) (builders.Outcome, error) {
			all.Done()
			select {
			case <-ready:
				return packages[arch].write(order)
			case <-ctx.Done():
				return builders.Outcome{}, ctx.Err()
			}
		}})
	}
	for _, build := range builds {
		in.complete(t, build)
		queuetest.WaitRow(t, in.Pool, "all packages are there", "select count(*) = 4 from rpms where build_id = $1", build)
		queuetest.WaitRow(t, in.Pool, "every arch is green", "select count(*) = 3 from reports where build_id = $1 and state = 'success' and context ~ '/(x86_64|riscv64|s390x)$'", build)
		if n := queuetest.Value[int](t, in.Pool, "select count(*) from tasks where build_id = $1 and method = 'buildArch' and imported_at is null", build); n != 0 {
			t.Errorf("%d arch tasks of build %d are not imported", n, build)
		}
	}
	in.idle(t)
	if n := in.jobs(t, "tags.apply"); n != count {
		t.Errorf("%d taggings were enqueued for %d builds", n, count)
	}
}

func TestNoarchTasksAreBlocking(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "riscv64")
	in.target(t, policies{lagging: []string{"riscv64"}})
	in.work(t)
	build := in.build(t, 1, script{
		srpm:  leave(files{"hello-1-1.src.rpm": source(t, "hello", "1", tagBuildArchs, "noarch")}),
		build: broken("no such page"),
	})
	in.failed(t, build, "noarch: no such page")
	if diff := cmp.Diff("failure: no such page", in.status(t, 1, "noarch")); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("success: skipped: BuildArch noarch", in.status(t, 1, "riscv64")); diff != "" {
		t.Errorf("status of riscv64 (-want +got):\n%s", diff)
	}
}

func TestExtraArchesAndNoarchArches(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "i386", "x86_64")
	in.target(t, policies{lagging: []string{"i386"}})
	queuetest.Exec(t, in.Pool, "update tag_packages set extra_arches = 'i686 s390x'")
	queuetest.Exec(t, in.Pool, `update tags set extra = '{"noarch_arches": "x86_64"}' where id = $1`, in.BuildTag)
	in.work(t)
	build := in.build(t, 1, script{
		srpm: leave(files{"hello-1-1.src.rpm": source(t, "hello", "1", tagExclusiveArch, "i686", "x86_64", "noarch")}),
		build: func(ctx context.Context, order builders.Order, arch string) (builders.Outcome, error) {
			return files{"hello-1-1." + arch + ".rpm": hello(t, 1, arch, nil)}.write(order)
		},
	})
	in.complete(t, build)
	in.idle(t)
	roots := queuetest.Values[string](t, in.Pool, "select arch || ' on ' || root_arch || ', ' || policy from tasks where method = 'buildArch' order by id")
	if diff := cmp.Diff([]string{"i686 on i386, lagging", "x86_64 on x86_64, blocking", "noarch on x86_64, blocking"}, roots); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
	skipped := queuetest.Values[string](t, in.Pool, "select arch || ': ' || reason from build_skipped_arches order by arch")
	want := []string{"i386: ExclusiveArch i686 x86_64 noarch", "s390x: ExclusiveArch i686 x86_64 noarch"}
	if diff := cmp.Diff(want, skipped); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
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

func TestAJoin(t *testing.T) {
	t.Parallel()

	// joinable is a build whose riscv64 is done and not joined: nothing imports.
	joinable := func(t *testing.T, riscv files) (*installation, int64) {
		t.Helper()
		in := newInstallation(t, "x86_64", "riscv64")
		in.target(t, policies{lagging: []string{"riscv64"}})
		all := in.packagesOf(t, 1)
		if riscv != nil {
			all["riscv64"] = riscv
		}
		gate := newGate(leaveByArch(all))
		build := in.built(t, script{build: leaveByArch(all).on("riscv64", gate.pass)})
		hub := in.hub(t, "hub-0")
		in.complete(t, build)
		if err := hub.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		close(gate.open)
		queuetest.WaitRow(t, in.Pool, "riscv64 is done", "select exists (select from tasks where arch = 'riscv64' and state = 'CLOSED')")
		return in, build
	}

	t.Run("by many jobs at once happens once", func(t *testing.T) {
		t.Parallel()
		in, build := joinable(t, nil)
		queuetest.Tx(t, in.Pool, func(tx pgx.Tx) error {
			for range 9 {
				if _, err := queue.Insert(t.Context(), tx, queuetest.Inserter(t, in.Pool), queue.ImportArgs{BuildID: build}); err != nil {
					return err
				}
			}
			return nil
		})
		in.hub(t, "hub-1")
		in.idle(t)
		if n := in.jobs(t, "tags.joined"); n != 1 {
			t.Errorf("tags were told %d times, want once", n)
		}
		if diff := cmp.Diff("hello-1-1.riscv64.rpm\nhello-1-1.src.rpm\nhello-1-1.x86_64.rpm", in.packages(t, build)); diff != "" {
			t.Errorf("packages (-want +got):\n%s", diff)
		}
	})

	t.Run("that breaks off after its files are placed leaves no packages, and is done again", func(t *testing.T) {
		t.Parallel()
		in, build := joinable(t, nil)
		queuetest.Exec(t, in.Pool, `create function broken() returns trigger language plpgsql as $$ begin raise exception 'out of power'; end $$`)
		queuetest.Exec(t, in.Pool, `create trigger broken before update of imported_at on tasks for each row execute function broken()`)
		in.hub(t, "hub-1")
		queuetest.WaitRow(t, in.Pool, "the join broke off", "select exists (select from river_job where kind = 'builders.import' and errors::text like '%out of power%')")
		if _, err := os.Stat(in.storePath("packages/hello/1/1/riscv64/hello-1-1.riscv64.rpm")); err != nil {
			t.Errorf("the break came before the files were placed: %v", err)
		}
		if diff := cmp.Diff("hello-1-1.src.rpm\nhello-1-1.x86_64.rpm", in.packages(t, build)); diff != "" {
			t.Errorf("packages (-want +got):\n%s", diff)
		}
		if n := in.jobs(t, "tags.joined"); n != 0 {
			t.Errorf("tags were told %d times of what did not happen", n)
		}
		queuetest.Exec(t, in.Pool, "drop trigger broken on tasks")
		in.idle(t)
		if diff := cmp.Diff("hello-1-1.riscv64.rpm\nhello-1-1.src.rpm\nhello-1-1.x86_64.rpm", in.packages(t, build)); diff != "" {
			t.Errorf("packages after (-want +got):\n%s", diff)
		}
	})

	t.Run("into a store that never takes anything fails the architecture alone", func(t *testing.T) {
		t.Parallel()
		in, build := joinable(t, nil)
		if err := os.WriteFile(in.storePath("packages/hello/1/1/riscv64"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		queuetest.Exec(t, in.Pool, "update river_job set attempt = 6 where kind = 'builders.import' and state = 'available'")
		in.hub(t, "hub-1")
		in.idle(t)
		in.complete(t, build)
		if got := in.status(t, 1, "riscv64"); !strings.HasPrefix(got, "error: lagging: builders: place packages") {
			t.Errorf("the status is %q", got)
		}
		if task := queuetest.Task(t, in.Pool, build, queue.MethodBuildArch, "riscv64"); task.State != queue.TaskFailed || task.Failure != queue.FailureInfrastructure {
			t.Errorf("the task is %s (%s), want FAILED (infrastructure)", task.State, task.Failure)
		}
	})

	t.Run("replaces what one that never ended left", func(t *testing.T) {
		t.Parallel()
		in, build := joinable(t, nil)
		in.link(t, "packages/hello/1/1/riscv64/hello-1-1.riscv64.rpm", []byte("left"))
		in.hub(t, "hub-1")
		in.idle(t)
		if diff := cmp.Diff("hello-1-1.riscv64.rpm\nhello-1-1.src.rpm\nhello-1-1.x86_64.rpm", in.packages(t, build)); diff != "" {
			t.Errorf("packages (-want +got):\n%s", diff)
		}
		if left, err := os.ReadFile(in.storePath("packages/hello/1/1/riscv64/hello-1-1.riscv64.rpm")); err != nil || string(left) == "left" {
			t.Errorf("the place holds %q, %v", left, err)
		}
	})

	t.Run("into a build that was deleted does not happen", func(t *testing.T) {
		t.Parallel()
		in, build := joinable(t, nil)
		queuetest.Exec(t, in.Pool, "update builds set state = 'DELETED' where id = $1", build)
		in.hub(t, "hub-1")
		in.idle(t)
		if diff := cmp.Diff("hello-1-1.src.rpm\nhello-1-1.x86_64.rpm", in.packages(t, build)); diff != "" {
			t.Errorf("packages (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff("failure: lagging: the build is DELETED", in.status(t, 1, "riscv64")); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
	})

	t.Run("of a package that another build has does not happen", func(t *testing.T) {
		t.Parallel()
		in, build := joinable(t, nil)
		queuetest.Exec(t, in.Pool, `insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, spec, need_rev, nvr, state)
			select $1, $2, 'f37', $3, $4, false, 'x', 'x', now(), 'x', 0, 'other-1-1', 'COMPLETE'`, in.Package, in.Repository, in.BuildTag, in.DestTag)
		queuetest.Exec(t, in.Pool, `insert into rpms (build_id, name, epoch, version, release, arch, source, sha256, size, build_time, path)
			select max(id), 'hello', 0, '1', '1', 'riscv64', false, 'x', 1, 1, 'x' from builds`)
		in.hub(t, "hub-1")
		in.idle(t)
		if diff := cmp.Diff("hello-1-1.src.rpm\nhello-1-1.x86_64.rpm", in.packages(t, build)); diff != "" {
			t.Errorf("packages (-want +got):\n%s", diff)
		}
		if got := in.status(t, 1, "riscv64"); !strings.Contains(got, "belongs to other-1-1 already") {
			t.Errorf("the status is %q", got)
		}
	})
}
