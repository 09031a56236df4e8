//go:build e2e

package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/distbot/distbot/e2e/giteatest"
)

// TestFaults pushes what can't be built, each beside a package that can.
func TestFaults(t *testing.T) {
	t.Parallel()
	gitea := giteatest.Start(t)
	s := newSystem(t, "faults", gitea, gitea.URL, target{name: "f37"})
	t.Run("Together", func(t *testing.T) {
		t.Run("ASpecThatDoesNotParseIsRefused", func(t *testing.T) { t.Parallel(); s.testUnreadableSpec(t) })
		t.Run("ASpecThatRPMRefusesFailsAsSourcePackage", func(t *testing.T) { t.Parallel(); s.testRefusedSpec(t) })
		t.Run("AnotherSourceThanTheDigestNamesFails", func(t *testing.T) { t.Parallel(); s.testWrongDigest(t) })
		t.Run("AnNVRIsBuiltOnceUnlessAsScratch", func(t *testing.T) { t.Parallel(); s.testBuiltAlready(t) })
	})
	t.Run("ALookasideThatIsDownIsWaitedForWhileNeighboursBuild", s.testLookasideDown)
	t.Run("ItStopsWhenAsked", func(t *testing.T) { s.stop(t) })
}

// sourceFailure is what becomes of a build without a source package.
var sourceFailure = states{"distbot/f37": "failure", "distbot/f37/srpm": "failure"}

// testUnreadableSpec pushes a spec that the static reader can't follow, then
// one that it can.
func (s *system) testUnreadableSpec(t *testing.T) {
	repo, clone := s.repo(t, "unreadable")
	commit := pushTo(t, clone, "f37", files{"unreadable.spec": "Name: unreadable\nVersion: 1\n%if 1\nRelease: 1\n"})
	got := s.expect(t, repo, commit, states{"distbot/f37": "failure"})
	contains(t, "the status", got["distbot/f37"].Description, "unreadable.spec:3: ")
	contains(t, "the log", s.log(t), "unreadable.spec:3: ")
	mended := pushTo(t, clone, "f37", small{name: "unreadable"}.files())
	s.expect(t, repo, mended, built("f37", "noarch"))
}

// testRefusedSpec pushes a spec in which only rpm itself finds the mistake.
func (s *system) testRefusedSpec(t *testing.T) {
	repo, clone := s.repo(t, "refused")
	commit := pushTo(t, clone, "f37", small{name: "refused"}.files().replaced(t, "refused.spec", "\n%description", "Requires: >= 1\n\n%description"))
	got := s.expect(t, repo, commit, sourceFailure)
	contains(t, "the status", got["distbot/f37/srpm"].Description, "Requires: >= 1")
	contains(t, "the build's log", s.run(t, "build", "log", s.buildOf(t, commit)), "error: line 7: ")
}

// buildOf is the id of the only build of a commit.
func (s *system) buildOf(t testing.TB, commit string) string {
	t.Helper()
	ids := s.column(t, "select id::text from builds where commit_id = $1", commit)
	if len(ids) != 1 {
		t.Fatalf("builds %v of one commit, want one", ids)
	}
	return ids[0]
}

// testWrongDigest has a lookaside give another file than asked for.
func (s *system) testWrongDigest(t *testing.T) {
	repo, clone := s.repo(t, "tampered")
	line := s.lookaside.putAs("tampered", "data", strings.Repeat("ab", 64), []byte("not what was uploaded"))
	commit := pushTo(t, clone, "f37", small{name: "tampered", source: "data", sources: line}.files())
	got := s.expect(t, repo, commit, sourceFailure)
	contains(t, "the status", got["distbot/f37/srpm"].Description, "data has another SHA512 digest than the sources file names")
	contains(t, "the log", s.log(t), "data has another SHA512 digest than the sources file names")
	mended := pushTo(t, clone, "f37", small{name: "tampered", source: "data", sources: s.lookaside.put("tampered", "data", []byte("right"))}.files())
	s.expect(t, repo, mended, built("f37", "noarch"))
}

// testBuiltAlready pushes an NVR twice, as a push and as a pull request.
func (s *system) testBuiltAlready(t *testing.T) {
	repo, clone := s.repo(t, "twice")
	commit := pushTo(t, clone, "f37", small{name: "twice"}.files())
	s.expect(t, repo, commit, built("f37", "noarch"))
	again := pushTo(t, clone, "f37", small{name: "twice", build: "echo other"}.files())
	got := s.expect(t, repo, again, states{"distbot/f37": "failure", "distbot/f37/srpm": "success"})
	contains(t, "the status", got["distbot/f37"].Description, "twice-1.0-1.fc37 was built already, as build "+s.buildOf(t, commit))
	clone.Push(t, "wip/same")
	head := pushTo(t, clone, "wip/same", small{name: "twice", build: "echo third"}.files())
	s.gitea.OpenPullRequest(t, s.gitea.Admin, repo, "The same NVR", "wip/same", "f37")
	s.expect(t, repo, head, built("f37", "noarch"))
	raised := pushTo(t, clone, "f37", small{name: "twice", release: 2}.files())
	s.expect(t, repo, raised, built("f37", "noarch"))
}

// testLookasideDown pushes while no lookaside answers.
func (s *system) testLookasideDown(t *testing.T) {
	repo, clone := s.repo(t, "waits")
	line := s.lookaside.put("waits", "data", []byte("worth waiting for"))
	s.lookaside.down(t)
	commit := pushTo(t, clone, "f37", small{name: "waits", source: "data", sources: line}.files())
	eventually(t, "reason in the status", func() (string, bool) {
		status := s.gitea.Statuses(t, repo, commit)["distbot/f37/srpm"]
		if status.State != "pending" && status.State != "" {
			t.Fatalf("the status is %v, want one that is pending", status)
		}
		return fmt.Sprint(status), strings.Contains(status.Description, "connection refused")
	})
	contains(t, "the log", s.log(t), "connection refused")
	other, otherClone := s.repo(t, "neighbour")
	s.expect(t, other, pushTo(t, otherClone, "f37", small{name: "neighbour"}.files()), built("f37", "noarch"))
	s.lookaside.up(t)
	s.expect(t, repo, commit, built("f37", "noarch"))
}
