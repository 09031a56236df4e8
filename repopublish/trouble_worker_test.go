package repopublish

import (
	"os"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// breakRepo has the repository of the build tag fail, until mend.
func (s *heldStage) breakRepo(t *testing.T) (mend func()) {
	t.Helper()
	s.next++
	build := s.complete(t, s.next, "broken", "1", "broken.x86_64")
	s.labelsRead(t)
	blob := s.Store.Path(store.Blob{SHA256: queuetest.Value[string](t, s.Pool, "select sha256 from rpms where build_id = $1", build)})
	if err := os.Rename(blob, blob+".away"); err != nil {
		t.Fatal(err)
	}
	s.tag(t, s.dist.BuildTag, build)
	queuetest.WaitRow(t, s.Pool, "the trouble is told", "select exists (select from repo_troubles where tag_id = $1)", s.dist.BuildTag)
	return func() {
		if err := os.Rename(blob+".away", blob); err != nil {
			t.Fatal(err)
		}
		s.hurry(t)
		s.settled(t)
	}
}

// told are the statuses of a build, as "context: description".
func (s *heldStage) told(t *testing.T, build int64) string {
	t.Helper()
	return strings.Join(queuetest.Values[string](t, s.Pool, "select context || ': ' || description from reports where build_id = $1 order by context", build), "\n")
}

// TestATroubleTellsWhatWaits holds that the status of a whole build does not go
// back to the queue when an architecture of it waits for a repository.
func TestATroubleTellsWhatWaits(t *testing.T) {
	t.Parallel()

	t.Run("of a build whose source package waits", func(t *testing.T) {
		t.Parallel()
		s := newHeldStage(t)
		build := s.ask(t)
		queuetest.Exec(t, s.Pool, "update tasks set waits_tag = $2, waits_rev = 99 where build_id = $1 and method = 'buildSRPM'", build, s.dist.BuildTag)
		mend := s.breakRepo(t)
		if got := s.told(t, build); strings.Count(got, "waiting for the repository of f37-build, which can't be made: ") != 2 {
			t.Errorf("told:\n%s\nwant the build and its source package to wait", got)
		}
		mend()
		if got := s.told(t, build); strings.Contains(got, "can't be made") {
			t.Errorf("told after:\n%s", got)
		}
	})

	t.Run("of a build that has begun", func(t *testing.T) {
		t.Parallel()
		s := newHeldStage(t)
		s.sourceMade(t)
		build := s.addArch(t)
		queuetest.Exec(t, s.Pool, "update tasks set waits_tag = $2, waits_rev = 99 where build_id = $1 and method = $3", build, s.dist.BuildTag, queue.MethodBuildArch)
		const whole = "distbot/f37: building hello for x86_64"
		queuetest.Exec(t, s.Pool, "update reports set description = 'building hello for x86_64' where build_id = $1 and context = 'distbot/f37'", build)
		mend := s.breakRepo(t)
		got := s.told(t, build)
		if !strings.Contains(got, "x86_64: waiting for the repository of f37-build, which can't be made: ") || !strings.Contains(got, whole) {
			t.Errorf("told:\n%s\nwant the architecture to wait, and %q", got, whole)
		}
		mend()
		if got := s.told(t, build); strings.Contains(got, "can't be made") || !strings.Contains(got, whole) {
			t.Errorf("told after:\n%s\nwant %q", got, whole)
		}
	})
}
