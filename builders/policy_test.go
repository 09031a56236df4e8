package builders_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

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
