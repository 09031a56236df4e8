package builders_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// as makes a script whose packages are those of another commit.
func (in *installation) as(tb testing.TB, n int) script {
	tb.Helper()
	return script{srpm: leave(sourceOf(tb, n)), build: leaveByArch(in.packagesOf(tb, n))}
}

func TestAnNVR(t *testing.T) {
	t.Parallel()

	t.Run("that was built is refused with the build's number", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.work(t)
		first := in.build(t, 1, script{})
		in.complete(t, first)
		second := in.build(t, 2, in.as(t, 1))
		row := in.failed(t, second, fmt.Sprintf("hello-1-1 was built already, as build %d: raise Release to build it again", first))
		if row.Phase != string(builders.PhaseSRPM) {
			t.Errorf("it failed in phase %s, want srpm", row.Phase)
		}
		if diff := cmp.Diff("build FAILED\nbuildSRPM CLOSED", in.tasks(t, second)); diff != "" {
			t.Errorf("tasks (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff("f37 failure\nf37/srpm success", in.Statuses(t, 2)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		if got := in.description(t, 2, ""); got != row.Reason {
			t.Errorf("the status says %q, the build %q", got, row.Reason)
		}
	})

	t.Run("that is being built is refused with the build's number", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.work(t)
		g := newGate(leaveByArch(in.packagesOf(t, 1)))
		first := in.build(t, 1, script{build: g.pass})
		<-g.began
		in.failed(t, in.build(t, 2, in.as(t, 1)), fmt.Sprintf("hello-1-1 is being built already, as build %d", first))
		close(g.open)
		in.complete(t, first)
	})

	t.Run("goes to exactly one of ten builds at once", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.work(t)
		// None ends its source package before all ten are there.
		var all sync.WaitGroup
		all.Add(10)
		ready, made := make(chan struct{}), in.as(t, 1)
		go func() { all.Wait(); close(ready) }()
		how := script{build: made.build, srpm: func(ctx context.Context, order builders.Order, arch string) (builders.Outcome, error) {
			all.Done()
			select {
			case <-ready:
				return made.srpm(ctx, order, arch)
			case <-ctx.Done():
				return builders.Outcome{}, ctx.Err()
			}
		}}
		var builds, complete []int64
		for n := range 10 {
			builds = append(builds, in.build(t, n, how))
		}
		var refused []string
		for _, build := range builds {
			if row := in.ended(t, build); row.State == queue.BuildComplete {
				complete = append(complete, build)
			} else {
				refused = append(refused, row.Reason)
			}
		}
		if len(complete) != 1 {
			t.Fatalf("builds %v are COMPLETE, want one; the others: %v", complete, refused)
		}
		for _, reason := range refused {
			if !strings.HasPrefix(reason, "hello-1-1 ") || !strings.Contains(reason, fmt.Sprintf("already, as build %d", complete[0])) {
				t.Errorf("refused with %q, want the number of build %d", reason, complete[0])
			}
		}
		if n := queuetest.Value[int](t, in.Pool, "select count(*) from tasks where method = 'buildArch'"); n != 1 {
			t.Errorf("%d arch tasks were started, want one", n)
		}
		if n := queuetest.Value[int](t, in.Pool, "select max(attempt) from tasks where method = 'buildSRPM'"); n != 1 {
			t.Errorf("a source package was made %d times", n)
		}
	})

	t.Run("goes to one of two builds of a commit, whose statuses are not those of the other", func(t *testing.T) {
		t.Parallel()
		for _, newerLoses := range []bool{true, false} {
			in := newInstallation(t, "x86_64")
			arch := newGate(leaveByArch(in.packagesOf(t, 1)))
			in.set(t, 1, script{build: arch.pass})
			// Nobody can begin a second one any more.
			both := in.NewBuild(1)
			both.Scratch = true
			winner, loser := in.Start(t, both), in.Start(t, both)
			if !newerLoses {
				winner, loser = loser, winner
			}
			queuetest.Exec(t, in.Pool, "update builds set scratch = false")
			queuetest.Exec(t, in.Pool, "update tasks set not_before = 'infinity' where build_id = $1 and method = 'buildSRPM'", loser)
			in.work(t)
			<-arch.began
			queuetest.Exec(t, in.Pool, "update tasks set not_before = now() where build_id = $1", loser)
			in.failed(t, loser, fmt.Sprintf("hello-1-1 is being built already, as build %d", winner))
			if diff := cmp.Diff("f37 pending\nf37/srpm success\nf37/x86_64 pending", in.Statuses(t, 1)); diff != "" {
				t.Errorf("statuses while the other is built (-want +got):\n%s", diff)
			}
			close(arch.open)
			in.complete(t, winner)
			owners := queuetest.Values[int64](t, in.Pool, "select distinct build_id from reports where context <> 'distbot/f37/srpm'")
			if diff := cmp.Diff([]int64{winner}, owners); diff != "" {
				t.Errorf("the statuses are of builds (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff("f37 pending\nf37/srpm success\nf37/x86_64 success", in.Statuses(t, 1)); diff != "" {
				t.Errorf("statuses before it is published (-want +got):\n%s", diff)
			}
		}
	})

	t.Run("of a failed build may be built again", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.work(t)
		in.failed(t, in.build(t, 1, script{build: fail(&builders.Failure{Reason: "it does not compile"})}), "it does not compile")
		in.complete(t, in.build(t, 2, in.as(t, 1)))
	})

	t.Run("of a canceled build may be built again", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		client := in.work(t)
		g := newGate(nil)
		first := in.build(t, 1, script{build: g.pass})
		<-g.began
		if err := queue.CancelBuild(t.Context(), in.Pool, client, queuetest.ExternalURL, first, "no more"); err != nil {
			t.Fatal(err)
		}
		in.complete(t, in.build(t, 2, in.as(t, 1)))
	})

	t.Run("is nothing to scratch builds", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.work(t)
		in.complete(t, in.scratch(t, 1, in.as(t, 1)))
		in.complete(t, in.build(t, 2, in.as(t, 1)))
		in.complete(t, in.scratch(t, 3, in.as(t, 1)))
	})
}

// TestAPackageOfTwoBuilds: hello-1-1 and hello-2-1 are different builds, and
// both make hello-data-9-1.
func TestAPackageOfTwoBuilds(t *testing.T) {
	t.Parallel()
	with := func(t *testing.T, in *installation, n int) script {
		t.Helper()
		all := in.packagesOf(t, n)
		all["x86_64"]["hello-data-9-1.x86_64.rpm"] = packBinary(t, "hello-data", "9", "x86_64", fmt.Sprintf("hello-%d-1.src.rpm", n), nil)
		return script{build: leaveByArch(all)}
	}

	t.Run("is refused to the second", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.work(t)
		first := in.build(t, 1, with(t, in, 1))
		in.complete(t, first)
		in.failed(t, in.build(t, 2, with(t, in, 2)), fmt.Sprintf("hello-data-9-1.x86_64 belongs to hello-1-1 already, build %d", first))
		if diff := cmp.Diff("f37 failure\nf37/srpm success\nf37/x86_64 success", in.Statuses(t, 2)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		in.complete(t, in.scratch(t, 3, with(t, in, 3)))
	})

	t.Run("goes to exactly one of ten that are imported at once", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.work(t)
		var builds []int64
		gates := make([]*gate, 10)
		for n := range gates {
			how := with(t, in, n)
			gates[n] = newGate(how.build)
			how.build = gates[n].pass
			builds = append(builds, in.build(t, n, how))
		}
		for _, g := range gates {
			<-g.began
		}
		for _, g := range gates {
			close(g.open)
		}
		var states []string
		for _, build := range builds {
			states = append(states, in.ended(t, build).State)
		}
		slices.Sort(states)
		if want := append([]string{queue.BuildComplete}, slices.Repeat([]string{queue.BuildFailed}, 9)...); !slices.Equal(want, states) {
			t.Errorf("the builds are %v, want one COMPLETE", states)
		}
	})
}
