package distgit

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// reconcile runs one round and waits for its end.
func (h *hub) reconcile() {
	h.t.Helper()
	queuetest.Tx(h.t, h.pool, func(tx pgx.Tx) error {
		_, err := queue.Insert(h.t.Context(), tx, h.Jobs, queue.ReconcileArgs{})
		return err
	})
	queuetest.WaitRow(h.t, h.pool, "the round ends", "select bool_and(state = 'completed') from river_job where kind = 'distgit.reconcile'")
}

func TestReconcile(t *testing.T) {
	t.Parallel()

	t.Run("plans a push whose delivery was lost, once", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		o, commit := h.hello("f37")
		h.planned(h.pushed(o, "refs/heads/f37", commit))
		h.reconcile() // nothing is lost yet
		lost := o.change("hello.spec", spec("hello", "2.0"), "refs/heads/f37")
		h.reconcile()
		h.reconcile()
		want := []string{"f37 " + commit[:7] + " BUILDING", "f37 " + lost[:7] + " BUILDING"}
		if diff := cmp.Diff(want, h.builds()); diff != "" {
			t.Errorf("builds (-want +got):\n%s", diff)
		}
		// The delivery was only slow.
		if got := h.planned(h.pushed(o, "refs/heads/f37", lost)); got != "planned: planned before, as build 2" {
			t.Errorf("the late delivery is %s", got)
		}
		if diff := cmp.Diff(want, h.builds()); diff != "" {
			t.Errorf("builds (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"distbot/f37 pending: build 2 is queued", "distbot/f37/srpm pending: waiting for a builder"}, h.statuses(lost)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})

	t.Run("builds a push once that is planned at the same time", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		o, commit := h.hello("f37")
		h.work()
		h.planned(h.pushed(o, "refs/heads/f37", commit))
		lost := o.change("hello.spec", spec("hello", "2.0"), "refs/heads/f37")
		delivery := h.pushed(o, "refs/heads/f37", lost)
		h.enqueue(delivery)
		h.reconcile()
		if got := h.over(delivery); got != "planned: build 2 for f37" && got != "planned: planned before, as build 2" {
			t.Errorf("the delivery is %s", got)
		}
		if n := len(h.builds()); n != 2 {
			t.Errorf("builds %v, want 2", h.builds())
		}
	})

	t.Run("leaves branches alone that nothing was planned for, and those that are gone", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		o, commit := h.hello("f37")
		h.planned(h.pushed(o, "refs/heads/f37", commit))
		other := o.change("hello.spec", spec("hello", "2.0"), "refs/heads/rawhide")
		o.push("refs/heads/f36")
		o.git("push", "-q", "origin", ":refs/heads/f37")
		h.reconcile()
		if diff := cmp.Diff([]string{"f37 " + commit[:7] + " BUILDING"}, h.builds()); diff != "" {
			t.Errorf("builds (-want +got):\n%s", diff)
		}
		if got := h.statuses(other); len(got) > 0 {
			t.Errorf("statuses %q, want none", got)
		}
	})

	t.Run("is not stopped by trouble with one repository, one branch or one forge", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		lost := map[string]string{}
		for _, name := range []string{"aaa", "bbb", "ccc", "ddd"} {
			o := h.repository("rpms/" + name)
			for _, branch := range []string{"f37", "rawhide"} {
				commit := o.change(name+".spec", spec(name, "1"+branch), "refs/heads/"+branch)
				h.planned(h.pushed(o, "refs/heads/"+branch, commit))
			}
			if name == "bbb" {
				// Its first branch has a tree that is refused.
				object := o.run(o.bare(), "mktree", "--missing")
				object = strings.TrimSpace(object)
				commit := o.run(o.bare(), "commit-tree", "-m", "no tree", object)
				o.run(o.bare(), "update-ref", "refs/heads/f37", commit)
				blob := o.run(o.bare(), "rev-parse", commit+"^{tree}")
				removeObject(t, o, blob)
			} else {
				lost[name+" f37"] = o.change(name+".spec", spec(name, "2f37"), "refs/heads/f37")
			}
			lost[name+" rawhide"] = o.change(name+".spec", spec(name, "2rawhide"), "refs/heads/rawhide")
			switch name {
			case "aaa":
				if err := os.Rename(o.bare(), o.bare()+".away"); err != nil {
					t.Fatal(err)
				}
				delete(lost, "aaa f37")
				delete(lost, "aaa rawhide")
			case "ccc":
				queuetest.Exec(t, h.pool, "update repositories set forge = 'gone' where full_name = 'rpms/ccc'")
				delete(lost, "ccc f37")
				delete(lost, "ccc rawhide")
			}
		}
		var log bytes.Buffer
		h.Logger = slog.New(slog.NewTextHandler(&log, nil))
		before := len(h.builds())
		h.reconcile()
		found := map[string]bool{}
		for _, commit := range queuetest.Values[string](t, h.pool, "select commit_id from builds where id > $1", before) {
			found[commit] = true
		}
		for name, commit := range lost {
			if !found[commit] {
				t.Errorf("the lost push to %s was not found", name)
			}
			delete(found, commit)
		}
		if len(found) > 0 {
			t.Errorf("builds of %v, which nobody lost", found)
		}
		for _, name := range []string{"rpms/aaa", "rpms/bbb"} {
			if !strings.Contains(log.String(), name) {
				t.Errorf("the log does not name %s:\n%s", name, &log)
			}
		}
	})
}

// removeObject makes a repository lose one object.
func removeObject(t *testing.T, o *origin, id string) {
	t.Helper()
	if err := os.Remove(o.bare() + "/objects/" + id[:2] + "/" + id[2:]); err != nil {
		t.Fatal(err)
	}
}
