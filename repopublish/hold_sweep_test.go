package repopublish

import (
	"os"
	"strings"
	"testing"

	"github.com/distbot/distbot/queue/queuetest"
)

// TestSweepOfAHeldTag holds that what somebody goes back to, and what that
// became, outlive retention as long as the tag is held.
func TestSweepOfAHeldTag(t *testing.T) {
	t.Parallel()
	s := newStage(t, "x86_64")
	queuetest.Exec(t, s.Pool, "delete from tag_inheritance")
	s.Keep, s.KeepFor = 2, 0
	s.work(t)
	for range 4 {
		s.regenerate(t, s.dist.DestTag)
		s.settled(t)
	}
	last := s.newest(t)
	// The publisher sweeps before it makes what somebody goes back to.
	letGo := s.publishing(t, 6)
	if _, err := GoBack(t.Context(), s.Pool, s.Jobs, s.ReposDir, "f37", last-1, "pat", "bad"); err != nil {
		t.Fatal(err)
	}
	letGo()
	s.settled(t)
	s.locked(t, "f37")() // the sweep has ended
	s.wantPackages(t, "f37", "x86_64")
	kept := "select count(*) from repo_generations g join repo_holds h on g.id in (h.generation_id, h.made_id) where g.state = 'published'"
	if n := queuetest.Value[int](t, s.Pool, kept); n != 2 {
		t.Errorf("%d of the two generations of the hold are kept", n)
	}
	s.wantTreesAsRecorded(t, "f37")
}

// TestGoBackToFilesThatAreGone holds that nothing is tried again and again where
// the files of a held generation are lost before they are published again, and
// that the reason is told.
func TestGoBackToFilesThatAreGone(t *testing.T) {
	t.Parallel()
	s := twoGenerations(t)
	last := s.newest(t)
	unlock := s.locked(t, "f37")
	if _, err := GoBack(t.Context(), s.Pool, s.Jobs, s.ReposDir, "f37", last-1, "pat", "bad"); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(treeOf(s.ReposDir, "f37", last-1)); err != nil {
		t.Fatal(err)
	}
	unlock()
	s.settled(t)
	if got := queuetest.Values[string](t, s.Pool, "select kind || ' ' || reason from repo_troubles"); len(got) != 1 || !strings.HasPrefix(got[0], "refused rollback: files of generation 2, which f37 is to go back to, are gone") {
		t.Errorf("told: %q", got)
	}
	s.wantPackages(t, "f37", "x86_64", "hello-2-1.x86_64", "world-1-1.x86_64")
	if _, _, err := Publish(t.Context(), s.Pool, s.Jobs, "f37"); err != nil {
		t.Fatal(err)
	}
	s.settled(t)
	s.fresh(t)
}
