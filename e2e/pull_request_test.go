//go:build e2e

package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testPullRequest opens a pull request from a fork, and closes it.
func (s *system) testPullRequest(t *testing.T) {
	repo, clone := s.repo(t, "offered")
	base := pushTo(t, clone, "f38", small{name: "offered"}.files())
	s.expect(t, repo, base, built("f38", "noarch"))
	generation := s.generation(t, "f38")

	mallory := s.gitea.CreateUser(t, "mallory")
	fork := s.gitea.Fork(t, mallory, repo)
	theirs := s.gitea.Clone(t, mallory, fork)
	theirs.Git(t, "checkout", "-q", "f38")
	// The same NVR as the base's: scratch builds may have it.
	head := pushTo(t, theirs, "better", small{name: "offered", build: "echo better"}.files())
	pr := s.gitea.OpenPullRequest(t, mallory, repo, "Better", "mallory:better", "f38")
	got := s.expect(t, repo, head, built("f38", "noarch"))
	contains(t, "the status", got["distbot/f38"].Description, "scratch")

	var state string
	var scratch, tagged bool
	s.scan(t, "select state, scratch, tagged_rev is not null from builds where commit_id = $1", []any{head}, &state, &scratch, &tagged)
	if state != "COMPLETE" || !scratch || tagged {
		t.Errorf("the build is %s, scratch %t, tagged %t; want COMPLETE, true, false", state, scratch, tagged)
	}
	before := s.settled(t, repo, 3)
	s.gitea.ClosePullRequest(t, mallory, repo, pr.Number)
	after := s.settled(t, repo, len(before)+1)
	if last := after[len(after)-1]; !strings.HasPrefix(last, "pull_request ") || !strings.HasSuffix(last, " planned") {
		t.Errorf("closing the pull request was recorded as %q", last)
	}
	if n := s.count(t, "builds where commit_id = $1", head); n != 1 {
		t.Errorf("%d builds of the head, want the one of its opening", n)
	}
	if now := s.generation(t, "f38"); now != generation {
		t.Errorf("the repository went from generation %s to %s for a scratch build", generation, now)
	}
}

// generation is the latest one of a tag, as clients see it.
func (s *system) generation(t *testing.T, tag string) string {
	t.Helper()
	link, err := os.Readlink(s.path(filepath.Join("state/repos", tag, "latest")))
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// testNewHead pushes to a pull request while its first head is being built.
func (s *system) testNewHead(t *testing.T) {
	repo, clone := s.repo(t, "offeredtwice")
	base := pushTo(t, clone, "f39", small{name: "offeredtwice"}.files())
	s.expect(t, repo, base, built("f39", "noarch"))

	oscar := s.gitea.CreateUser(t, "oscar")
	fork := s.gitea.Fork(t, oscar, repo)
	theirs := s.gitea.Clone(t, oscar, fork)
	theirs.Git(t, "checkout", "-q", "f39")
	// No other process has this in its command line.
	const endless = "sleep 31536017"
	first := pushTo(t, theirs, "better", small{name: "offeredtwice", build: endless}.files())
	s.gitea.OpenPullRequest(t, oscar, repo, "Better", "oscar:better", "f39")
	eventually(t, "endless build", func() (string, bool) {
		running := processes(t, endless)
		return fmt.Sprint(running), len(running) > 0
	})

	second := pushTo(t, theirs, "better", small{name: "offeredtwice", build: "echo faster"}.files())
	s.expect(t, repo, second, built("f39", "noarch"))
	got := s.expect(t, repo, first, states{"distbot/f39": "error", "distbot/f39/srpm": "success", "distbot/f39/noarch": "error", "distbot/f39/" + hostArch(): "success"})
	contains(t, "the status", got["distbot/f39"].Description, "superseded by "+second[:10])
	var state string
	s.scan(t, "select state from builds where commit_id = $1", []any{first}, &state)
	if state != "CANCELED" {
		t.Errorf("the build of the first head is %s, want CANCELED", state)
	}
	eventually(t, "end of the canceled build's processes", func() (string, bool) {
		running := processes(t, endless)
		return fmt.Sprint(running), len(running) == 0
	})
}

// processes lists those of this machine that have a text in their command line.
func processes(t testing.TB, text string) (pids []string) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range lines {
		line, err := os.ReadFile(name)
		if err == nil && strings.Contains(strings.ReplaceAll(string(line), "\x00", " "), text) {
			pids = append(pids, filepath.Base(filepath.Dir(name)))
		}
	}
	return pids
}
