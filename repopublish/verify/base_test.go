package verify

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/repopublish/moduletest"
)

// TestMergedRepositories verifies what mergerepo_c made of two repositories: its
// locations are in these, by xml:base. One of them is on the web, and must not be
// asked.
func TestMergedRepositories(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	near, far := v.Write(t, "base"), v.Write(t, "full")
	asked := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		http.FileServer(http.Dir(far)).ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	out := filepath.Join(t.TempDir(), "merged")
	cmd := exec.CommandContext(t.Context(), rpmtest.Tool(t, "mergerepo_c"), "--all", "--repo", near, "--repo", server.URL, "--outputdir", out)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("mergerepo_c: %v\n%s", err, text)
	}
	for len(asked) > 0 {
		<-asked // by mergerepo_c
	}
	// The RPMs of one of them are beside the merged documents, as if they were
	// its own.
	entries, err := filepath.Glob(filepath.Join(far, "*.rpm"))
	if err != nil || len(entries) == 0 {
		t.Fatal(entries, err)
	}
	for _, rpm := range entries {
		if err := os.Link(rpm, filepath.Join(out, filepath.Base(rpm))); err != nil {
			t.Fatal(err)
		}
	}
	for _, rpms := range []bool{false, true} {
		r := mustVerify(t, rpms, out)
		found := 0
		for _, f := range r.Findings {
			if f.Rule == RuleRPM && strings.Contains(f.Message, "xml:base") && (strings.Contains(f.Message, server.URL) || strings.Contains(f.Message, near)) {
				found++
			}
		}
		if r.OK() || found != r.Repos[0].Packages || found == 0 {
			t.Errorf("%d findings about %d packages: %v", found, r.Repos[0].Packages, r.Findings)
		}
	}
	if len(asked) > 0 {
		t.Errorf("the other repository was asked for %s", <-asked)
	}
}

// A base that is the repository's own address is none.
func TestARepositoryThatNamesItself(t *testing.T) {
	t.Parallel()
	dir := moduletest.Load(t).Write(t, "base")
	moduletest.Lie(t, dir, `<location href`, `<location xml:base="file://`+dir+`/" href`)
	if r := mustVerify(t, true, dir); !r.OK() {
		t.Errorf("findings %v", r.Findings)
	}
}
