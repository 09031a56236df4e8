package distgit

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// next commits another version of hello, for the next head of a pull request.
func (o *origin) next(version string) {
	o.t.Helper()
	o.write("hello.spec", spec("hello", version))
	o.commit("version " + version)
}

func TestPlanPullRequest(t *testing.T) {
	t.Parallel()

	t.Run("makes a scratch build of its head for the target of its base", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		o, _ := h.hello("f37")
		o.next("2.0")
		o.write("noautobuild", "")
		o.commit("no builds of pushes")
		delivery, head := h.pulled(o, 7, "f37")
		if got := h.planned(delivery); got != "planned: build 1 for f37" {
			t.Errorf("the delivery is %s", got)
		}
		if diff := cmp.Diff([]string{"f37 " + head[:7] + " BUILDING scratch of 7"}, h.builds()); diff != "" {
			t.Errorf("builds (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"distbot/f37 pending: build 1 is queued", "distbot/f37/srpm pending: waiting for a builder"}, h.statuses(head)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})

	t.Run("to a branch without target is nobody's mistake", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		o, _ := h.hello("f37")
		delivery, head := h.pulled(o, 7, "main")
		if got := h.planned(delivery); got != "planned: no target builds branch main" {
			t.Errorf("the delivery is %s", got)
		}
		if got := h.statuses(head); len(got) > 0 {
			t.Errorf("statuses %q, want none", got)
		}
	})

	t.Run("that is closed builds nothing", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		o, commit := h.hello("f37")
		delivery := h.received(eventPull, o.id, forge.Event{
			Kind: forge.EventPullRequestClosed, Repository: forge.Repository{ID: o.id, FullName: o.id},
			PullRequest: &forge.PullRequest{Number: 7, Head: commit, BaseBranch: "f37"},
		})
		if got := h.planned(delivery); got != "planned: a pull request was closed: nothing to build" {
			t.Errorf("the delivery is %s", got)
		}
	})

	t.Run("that moves on ends the builds of its older heads and no other", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		o, _ := h.hello("f37")
		world := h.repository("rpms/world")
		world.write("world.spec", spec("world", "1"))
		world.commit("a package")
		plan := func(o *origin, number int64, base string) string {
			delivery, head := h.pulled(o, number, base)
			if got := h.planned(delivery); !strings.HasPrefix(got, "planned: build") {
				t.Fatalf("the delivery is %s", got)
			}
			return head
		}
		o.next("2")
		first := plan(o, 7, "f37")
		other := plan(o, 8, "f37") // another pull request of the same head
		plan(world, 7, "f37")      // the same number elsewhere
		// A release build of the same commit.
		o.push("refs/heads/f37")
		if got := h.planned(h.pushed(o, "refs/heads/f37", first)); got != "planned: build 4 for f37" {
			t.Errorf("the push is %s", got)
		}
		o.next("3")
		second := plan(o, 7, "f37")
		if diff := cmp.Diff([]string{
			"f37 " + first[:7] + " CANCELED scratch of 7",
			"f37 " + other[:7] + " BUILDING scratch of 8",
			"f37 " + world.git("rev-parse", "HEAD")[:7] + " BUILDING scratch of 7",
			"f37 " + first[:7] + " BUILDING",
			"f37 " + second[:7] + " BUILDING scratch of 7",
		}, h.builds()); diff != "" {
			t.Errorf("builds (-want +got):\n%s", diff)
		}
		reason := queuetest.Value[string](t, h.pool, "select reason from builds where id = 1")
		if want := "superseded by " + second[:10]; reason != want {
			t.Errorf("the older build ended because %q, want %q", reason, want)
		}
		// Its tasks ended and its job was told to.
		if n := queuetest.Value[int](t, h.pool, "select count(*) from tasks where build_id = 1 and state <> 'CANCELED'"); n != 0 {
			t.Errorf("%d tasks of the older build are not canceled", n)
		}
		// The same head again, for another target, leaves it alone.
		delivery, _ := h.pulled(o, 7, "rawhide")
		if got := h.planned(delivery); got != "planned: build 6 for f38; build 7 for next" {
			t.Errorf("the delivery with another base is %s", got)
		}
		delivery, _ = h.pulled(o, 7, "f37")
		if got := h.planned(delivery); got != "planned: planned before, as build 5" {
			t.Errorf("the delivery of the same head is %s", got)
		}
		if n := queuetest.Value[int](t, h.pool, "select count(*) from builds where state = 'CANCELED'"); n != 1 {
			t.Errorf("%d builds are canceled, want 1", n)
		}
	})

	t.Run("does not go back to an older head whose delivery is planned late", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		o, _ := h.hello("f37")
		o.next("2")
		early, first := h.pulled(o, 7, "f37")
		o.next("3")
		late, second := h.pulled(o, 7, "f37")
		if got := h.planned(late); got != "planned: build 1 for f37" {
			t.Errorf("the newer delivery is %s", got)
		}
		if got := h.planned(early); got != "planned: a newer head of the pull request was planned before" {
			t.Errorf("the older delivery is %s", got)
		}
		if diff := cmp.Diff([]string{"f37 " + second[:7] + " BUILDING scratch of 7"}, h.builds()); diff != "" {
			t.Errorf("builds (-want +got):\n%s", diff)
		}
		if got := h.statuses(first); len(got) > 0 {
			t.Errorf("statuses %q of the older head, want none", got)
		}
	})

	t.Run("that goes back to an older head builds it again", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		o, _ := h.hello("f37")
		o.next("2")
		delivery, first := h.pulled(o, 7, "f37")
		h.planned(delivery)
		o.next("3")
		delivery, second := h.pulled(o, 7, "f37")
		h.planned(delivery)
		o.git("reset", "-q", "--hard", first)
		delivery, _ = h.pulled(o, 7, "f37")
		if got := h.planned(delivery); got != "planned: build 3 for f37" {
			t.Errorf("the delivery is %s", got)
		}
		if diff := cmp.Diff([]string{
			"f37 " + first[:7] + " CANCELED scratch of 7",
			"f37 " + second[:7] + " CANCELED scratch of 7",
			"f37 " + first[:7] + " BUILDING scratch of 7",
		}, h.builds()); diff != "" {
			t.Errorf("builds (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"distbot/f37 pending: build 3 is queued", "distbot/f37/srpm pending: waiting for a builder"}, h.statuses(first)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})

	t.Run("of five heads in any order builds the newest", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		o, _ := h.hello("rawhide")
		var deliveries []int64
		var head string
		for _, version := range []string{"2", "3", "4", "5", "6"} {
			o.next(version)
			var delivery int64
			delivery, head = h.pulled(o, 7, "rawhide")
			deliveries = append(deliveries, delivery)
			h.enqueue(delivery)
		}
		h.work() // all at once
		for _, delivery := range deliveries {
			h.over(delivery)
		}
		building := queuetest.Values[string](t, h.pool, "select target || ' ' || commit_id from builds where state = 'BUILDING' order by 1")
		if diff := cmp.Diff([]string{"f38 " + head, "next " + head}, building); diff != "" {
			t.Errorf("running builds (-want +got):\n%s\nall: %v", diff, h.builds())
		}
	})
}

// TestSupersedeWhileStagesRecord moves a pull request with two targets on
// while a stage of either notes that it tries again, which takes a task before
// a status. Nobody may wait in a circle.
func TestSupersedeWhileStagesRecord(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	o, _ := h.hello("rawhide")
	for round := range 12 {
		o.next(string(rune('a' + round)))
		delivery, head := h.pulled(o, 7, "rawhide")
		event := change{
			host: "git", repository: forge.Repository{ID: o.id, FullName: o.id}, ref: "refs/pull/7/head", commit: head, branch: "rawhide",
			pull: &forge.PullRequest{Number: 7, Head: head, BaseBranch: "rawhide"}, delivery: &delivery,
		}
		older := queuetest.Values[int64](t, h.pool, "select id from builds where state = 'BUILDING' order by id")
		var group errgroup.Group
		for _, build := range older {
			task := queuetest.Task(t, h.pool, build, queue.MethodBuildSRPM, "")
			group.Go(func() error {
				for range 5 {
					if err := h.tryAgain(t.Context(), task); err != nil {
						return err
					}
				}
				return nil
			})
		}
		group.Go(func() error { return h.plan(t.Context(), event, func(pgx.Tx, string) error { return nil }) })
		if err := group.Wait(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if n := queuetest.Value[int](t, h.pool, "select count(*) from builds where state = 'BUILDING'"); n != 2 {
			t.Fatalf("round %d: %d builds run, want 2", round, n)
		}
	}
}

// tryAgain notes what a stage notes before another try.
func (h *hub) tryAgain(ctx context.Context, task db.Task) error {
	return pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) error {
		if _, err := db.New(tx).LockTask(ctx, task.ID); err != nil {
			return err
		}
		build, err := db.New(tx).GetBuild(ctx, task.BuildID)
		if err != nil {
			return err
		}
		// The other target's status is on the same commit.
		return queue.WantStatus(ctx, tx, h.Jobs, queue.Status{
			RepositoryID: build.RepositoryID, Commit: build.CommitID, Context: queue.ContextOf(build.Target, "srpm"), State: "pending",
			Description: "trying again", BuildID: build.ID,
		})
	})
}
