//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/e2e/giteatest"
)

// TestPush drives what people do every day with one installation that many
// repositories share.
func TestPush(t *testing.T) {
	t.Parallel()
	gitea := giteatest.Start(t)
	s := newSystem(t, "push", gitea, gitea.URL, target{name: "f37", compiles: true}, target{name: "f38"}, target{name: "f39"})
	t.Run("Together", func(t *testing.T) {
		t.Run("ALibraryAndItsUserAreBuiltInstalledAndRun", func(t *testing.T) { t.Parallel(); s.testLibraryAndUser(t) })
		t.Run("APullRequestOfAForkIsBuiltButNotTagged", func(t *testing.T) { t.Parallel(); s.testPullRequest(t) })
		t.Run("ANewHeadEndsTheBuildOfTheOldOne", func(t *testing.T) { t.Parallel(); s.testNewHead(t) })
		t.Run("AForcePushBuildsTheNewHeadAndLeavesTheOldOnesStatuses", func(t *testing.T) { t.Parallel(); s.testForcePush(t) })
		t.Run("AReleaseAndAChangelogComeFromTheHistory", func(t *testing.T) { t.Parallel(); s.testComputedRelease(t) })
		t.Run("ADeletedBranchAndATagBuildNothing", func(t *testing.T) { t.Parallel(); s.testDeletedBranchAndTag(t) })
		t.Run("APushToAnUnknownBranchSaysWhichAreKnown", func(t *testing.T) { t.Parallel(); s.testUnknownBranch(t) })
		t.Run("ARedeliveredPushBuildsOnce", func(t *testing.T) { t.Parallel(); s.testRedelivery(t) })
		t.Run("AForgedDeliveryLeavesNoTrace", func(t *testing.T) { t.Parallel(); s.testForgery(t) })
	})
	t.Run("NothingOfTheSecretsIsKeptOrLogged", s.testSecrets)
	t.Run("ItStopsWhenAskedAndSawNoError", func(t *testing.T) {
		s.stop(t)
		s.saysNoError(t)
	})
}

// testLibraryAndUser pushes a program before the library it needs, then the
// library, then the program again, and installs both.
func (s *system) testLibraryAndUser(t *testing.T) {
	arch := hostArch()
	userRepo, userClone := s.repo(t, "usegreet")
	early := pushTo(t, userClone, "f37", example(t, "usegreet"))
	got := s.expect(t, userRepo, early, states{"distbot/f37": "failure", "distbot/f37/srpm": "success", "distbot/f37/" + arch: "failure"})
	contains(t, "the status", got["distbot/f37/"+arch].Description, "nothing provides pkgconfig(greet) >= 1.2")

	libRepo, libClone := s.repo(t, "libgreet")
	commit := pushTo(t, libClone, "f37", libgreet(t, s.lookaside))
	got = s.expect(t, libRepo, commit, built("f37", arch))
	for context, status := range got {
		if code, page := s.get(t, status.TargetURL); code != http.StatusOK || !strings.Contains(page, "libgreet-1.2-1.fc37") {
			t.Errorf("the page of %s, %s, answers %d, want 200 and the build's name", context, status.TargetURL, code)
		}
	}
	first := s.gitea.StatusHistory(t, libRepo, commit)[0]
	if first.State != "pending" {
		t.Errorf("the first status is %v, want one that is pending", first)
	}

	m := newMachine(t, fmt.Sprintf("%s/repos/f37/latest/%s/", s.url, arch))
	m.dnf(t, "install", "libgreet")
	if _, err := os.Stat(filepath.Join(m.root, "usr/lib64/libgreet.so.1")); err != nil {
		t.Errorf("the library is not installed: %v", err)
	}
	published := strings.Fields(m.dnf(t, "-q", "repoquery", "--repo=published", "--qf=%{name}\n"))
	slices.Sort(published)
	want := []string{"libgreet", "libgreet-debuginfo", "libgreet-debugsource", "libgreet-devel"}
	if diff := cmp.Diff(want, published); diff != "" {
		t.Errorf("packages in the repository (-want +got):\n%s", diff)
	}

	late := pushTo(t, userClone, "f37", example(t, "usegreet").replaced(t, "usegreet.spec", "Release:        1", "Release:        2"))
	s.expect(t, userRepo, late, built("f37", arch))
	m.dnf(t, "install", "usegreet")
	if diff := cmp.Diff("Hello, world!\n", m.run(t, "/usr/bin/usegreet")); diff != "" {
		t.Errorf("what the installed program prints (-want +got):\n%s", diff)
	}
}

// testForcePush replaces a commit that was built.
func (s *system) testForcePush(t *testing.T) {
	repo, clone := s.repo(t, "force")
	old := pushTo(t, clone, "f39", small{name: "force"}.files())
	before := s.expect(t, repo, old, built("f39", "noarch"))
	clone.Commit(t, "Again", small{name: "force", release: 2}.files())
	clone.Git(t, "reset", "-q", "--soft", "HEAD~1")
	clone.Git(t, "commit", "-q", "--amend", "-m", "Instead")
	replacement := clone.Git(t, "rev-parse", "HEAD")
	clone.Push(t, "f39", "--force")
	s.expect(t, repo, replacement, built("f39", "noarch"))
	if diff := cmp.Diff(before, s.gitea.Statuses(t, repo, old)); diff != "" {
		t.Errorf("statuses of the commit that is gone (-before +after):\n%s", diff)
	}
	s.checkHistory(t, repo, old, built("f39", "noarch"))
}

// testDeletedBranchAndTag does what needs no build.
func (s *system) testDeletedBranchAndTag(t *testing.T) {
	repo, clone := s.repo(t, "branches")
	commit := pushTo(t, clone, "f39", small{name: "branches"}.files())
	s.expect(t, repo, commit, built("f39", "noarch"))
	s.settled(t, repo, 2)
	clone.Push(t, "wip/one")
	s.settled(t, repo, 4)
	s.gitea.DeleteBranch(t, repo, "wip/one")
	s.settled(t, repo, 5)
	clone.Git(t, "tag", "v1.0")
	clone.Git(t, "push", "-q", "origin", "v1.0")
	got := s.settled(t, repo, 7)
	slices.Sort(got)
	want := []string{
		"create  ignored", // the tag
		"create refs/heads/f39 ", "create refs/heads/wip/one ", "delete refs/heads/wip/one planned",
		"push  ignored", // the tag
		"push refs/heads/f39 ", "push refs/heads/wip/one ",
	}
	for i := range min(len(got), len(want)) {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("delivery %q, want one that begins %q", got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("deliveries %q, want %d", got, len(want))
	}
	if n := s.count(t, "builds b join packages p on p.id = b.package_id where p.name = 'branches'"); n != 1 {
		t.Errorf("%d builds, want only that of the push to f39", n)
	}
	s.checkHistory(t, repo, commit, built("f39", "noarch"))
}

// testUnknownBranch pushes where no target builds.
func (s *system) testUnknownBranch(t *testing.T) {
	repo, clone := s.repo(t, "nowhere")
	commit := pushTo(t, clone, "rawhide", small{name: "nowhere"}.files())
	got := s.expect(t, repo, commit, states{"distbot/rawhide": "error"})
	contains(t, "the status", got["distbot/rawhide"].Description, "no target builds branch rawhide; targets exist for f37, f38, f39")
	if code, _ := s.get(t, got["distbot/rawhide"].TargetURL); code != http.StatusOK {
		t.Errorf("the page of the status, %s, answers %d, want 200", got["distbot/rawhide"].TargetURL, code)
	}
}
