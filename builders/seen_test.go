package builders_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// generation publishes the nth generation of the build tag, which shows revision
// n from an event on.
func (in *installation) generation(t *testing.T, n int64) {
	t.Helper()
	event := queuetest.Value[int64](t, in.Pool, "insert into events (actor, what) values ('pat', 'tag build') returning id")
	queuetest.Exec(t, in.Pool, "insert into tag_revs (tag_id, rev, event) values ($1, $2, $3)", in.BuildTag, n, event)
	queuetest.Exec(t, in.Pool, "insert into repo_generations (tag_id, number, rev, state, arches, event, published_at) values ($1, $2, $2, 'published', $3, $4, now())", in.BuildTag, n, in.arches, event)
	queuetest.Exec(t, in.Pool, "update tags set want_rev = $2, built_rev = $2 where id = $1", in.BuildTag, n)
	for _, a := range in.arches {
		if err := os.MkdirAll(filepath.Join(in.stages.ReposDir, "f37-build", strconv.FormatInt(n, 10), a), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// An attempt that was given to its host before somebody went back to a generation
// without what the build needs is given back, and the task waits: without ever
// being made with it.
func TestAnAttemptThatGoingBackOvertakes(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "x86_64")
	in.stages.Jobs = queuetest.Inserter(t, in.Pool) // it works nothing
	in.generation(t, 2)
	in.generation(t, 3)
	build := in.build(t, 1, script{})
	host := queuetest.Host(t, in.Pool, "fast", "x86_64")
	claim := queuetest.Give(t, in.Pool, host, queuetest.Task(t, in.Pool, build, queue.MethodBuildSRPM, ""))

	back := queuetest.Value[int64](t, in.Pool, `insert into repo_generations (tag_id, number, rev, state, arches, rollback_of, actor, published_at)
		select tag_id, 4, rev, 'published', arches, id, 'pat', now() from repo_generations where tag_id = $1 and number = 2 returning id`, in.BuildTag)
	queuetest.Exec(t, in.Pool, `insert into repo_holds (tag_id, generation_id, made_id, actor) select tag_id, rollback_of, id, 'pat' from repo_generations where id = $1`, back)
	queuetest.Exec(t, in.Pool, "update tags set built_rev = 2 where id = $1", in.BuildTag)
	if err := os.MkdirAll(filepath.Join(in.stages.ReposDir, "f37-build", "4", "x86_64"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := in.stages.Begin(t.Context(), host, claim, nil); !errors.Is(err, queue.ErrTaskOver) {
		t.Fatalf("the attempt begins: %v", err)
	}
	task := queuetest.Task(t, in.Pool, build, queue.MethodBuildSRPM, "")
	if task.State != queue.TaskFree || task.WaitsTag == nil || *task.WaitsTag != in.BuildTag || *task.WaitsRev != 3 {
		t.Errorf("the task is %s and waits for %v at %v, want FREE, tag %d at revision 3", task.State, task.WaitsTag, task.WaitsRev, in.BuildTag)
	}
	scheduler := &queue.Scheduler{Pool: in.Pool, Inserter: queuetest.Inserter(t, in.Pool), Logger: in.stages.Logger}
	queuetest.Exec(t, in.Pool, "update tasks set not_before = now()")
	if n, err := scheduler.Round(t.Context()); n != 0 || err != nil {
		t.Errorf("%d tasks were given to hosts, %v", n, err)
	}
	// Released, the next generation shows it.
	queuetest.Exec(t, in.Pool, "delete from repo_holds")
	in.generation(t, 5)
	if n, err := scheduler.Round(t.Context()); n != 1 || err != nil {
		t.Errorf("%d tasks were given to hosts, %v, want the one", n, err)
	}
}

// TestABuildKnowsWhichRepositoryItSaw holds that each attempt names the
// generation its buildroot was made of, whatever was published meanwhile.
func TestABuildKnowsWhichRepositoryItSaw(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "x86_64")
	in.generation(t, 2)
	in.work(t)
	good := leaveByArch(in.packagesOf(t, 1))
	again := newGate(good)
	tries := 0
	build := in.build(t, 1, script{build: func(ctx context.Context, order builders.Order, arch string) (builders.Outcome, error) {
		if tries++; tries == 1 {
			return builders.Outcome{}, &builders.Failure{Infrastructure: true, Reason: "the mirror is down"}
		}
		return again.pass(ctx, order, arch)
	}})
	queuetest.WaitRow(t, in.Pool, "the source package is made", "select state = 'CLOSED' from tasks where method = 'buildSRPM'")
	queuetest.WaitRow(t, in.Pool, "the first try failed", "select count(*) = 1 from task_attempts")
	in.generation(t, 3)
	in.hurry(t)
	order := <-again.began
	if got := order.Root.Repos[0].URL; !strings.HasSuffix(got, "/f37-build/3/x86_64") {
		t.Errorf("the second try is made with %s, want generation 3", got)
	}
	in.generation(t, 4)
	close(again.open)
	in.complete(t, build)

	rows, err := db.New(in.Pool).GenerationsOfBuild(t.Context(), build)
	if err != nil {
		t.Fatal(err)
	}
	type seen struct{ Number, Events int64 }
	var got []seen
	for _, row := range rows {
		got = append(got, seen{row.Number, row.UntilEvent - row.Event})
	}
	if diff := cmp.Diff([]seen{{2, 1}, {3, 1}}, got); diff != "" {
		t.Errorf("generations of the source package and of x86_64, and how many events each was good for (-want +got):\n%s", diff)
	}
	if n := queuetest.Value[int64](t, in.Pool, "select g.number from task_attempts a join repo_generations g on g.id = a.generation_id"); n != 2 {
		t.Errorf("the failed try saw generation %d, want 2", n)
	}
	roots := queuetest.Values[int64](t, in.Pool, "select g.number from buildroots r join repo_generations g on g.id = r.generation_id order by r.id")
	if diff := cmp.Diff([]int64{2, 3}, roots); diff != "" {
		t.Errorf("generations of the buildroots (-want +got):\n%s", diff)
	}
}
