//go:build e2e

package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// computed is a package whose release and changelog are computed.
func computed(version string) files {
	f := small{name: "computed"}.files()
	spec := strings.Replace(f["computed.spec"], "Version: 1.0\nRelease: 1%{?dist}\n", "Version: "+version+"\nRelease: %autorelease\n", 1)
	return files{"computed.spec": spec + "\n%changelog\n%autochangelog\n"}
}

// testComputedRelease pushes one commit after another and reads releases and
// changelogs of the packages that come out.
func (s *system) testComputedRelease(t *testing.T) {
	repo, clone := s.repo(t, "computed")
	first := pushTo(t, clone, "f39", computed("1.0"))
	s.expect(t, repo, first, built("f39", "noarch"))

	clone.Git(t, "commit", "-q", "--allow-empty", "-m", "Rebuilt for 100% %{gcc}\n\n[bump release: 7]")
	clone.Commit(t, "Update to 2.0", computed("2.0"))
	clone.Git(t, "checkout", "-q", "-b", "side", "HEAD~1")
	clone.Commit(t, "On a side branch", files{"README": "A package.\n"})
	clone.Git(t, "checkout", "-q", "-")
	clone.Git(t, "merge", "-q", "-s", "ours", "-m", "Merge branch side", "side")
	clone.Git(t, "commit", "-q", "--allow-empty", "-m", "Tidy up\n\n[skip changelog]")
	last := clone.Git(t, "rev-parse", "HEAD")
	clone.Push(t, "f39")
	s.expect(t, repo, last, built("f39", "noarch"))
	if n := s.count(t, "builds where planned_nvr = nvr and nvr in ('computed-1.0-1.fc37', 'computed-2.0-3.fc37')"); n != 2 {
		t.Errorf("%d builds have the release that was planned and computed, want 2", n)
	}

	want := "computed-2.0-3.fc37\n- Update to 2.0|- Rebuilt for 100% %{gcc}|- Change|"
	for _, arch := range []string{"src", "noarch"} {
		file := fmt.Sprintf("computed-2.0-3.fc37.%s.rpm", arch)
		path := filepath.Join(t.TempDir(), file)
		s.download(t, "/packages/computed/2.0/3.fc37/"+arch+"/"+file, path)
		out, err := exec.CommandContext(t.Context(), "rpm", "-qp", "--nosignature", "--dbpath", t.TempDir(),
			"--qf", `%{NVR}\n[%{CHANGELOGTEXT}|]`, path).Output()
		if err != nil {
			t.Fatalf("rpm -qp %s: %v", file, err)
		}
		if diff := cmp.Diff(want, string(out)); diff != "" {
			t.Errorf("release and changelog of %s (-want +got):\n%s", file, diff)
		}
	}

	fetched := pushTo(t, clone, "f39", files{"computed.spec": strings.Replace(computed("2.0")["computed.spec"], "BuildArch:", "Source0: "+s.url+"/healthz.tar.gz\nBuildArch:", 1)})
	got := s.expect(t, repo, fetched, states{"distbot/f39": "failure"})
	contains(t, "the status", got["distbot/f39"].Description, "healthz.tar.gz is not in sources: upload it to the lookaside and list it there")
}

// download writes what a path of the installation answers to a file.
func (s *system) download(t testing.TB, from, to string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+from, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v", from, response.Status, err)
	}
	if err := os.WriteFile(to, content, 0o644); err != nil {
		t.Fatal(err)
	}
}
