package verify

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/distbot/distbot/repopublish/moduletest"
	"github.com/distbot/distbot/repopublish/snapshot"
	"github.com/distbot/distbot/repopublish/snapshot/snapshottest"
)

// TestACacheHidesNothing verifies a repository on the web that was verified
// before, with the same cache, and has been damaged since.
func TestACacheHidesNothing(t *testing.T) {
	t.Parallel()
	glob := func(t *testing.T, pattern string) string {
		t.Helper()
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		return found[0]
	}
	for what, test := range map[string]struct {
		damage func(t *testing.T, dir string)
		rule   Rule
	}{
		"an RPM of the same size": {func(t *testing.T, dir string) {
			snapshottest.Flip(t, filepath.Join(dir, "other-1.0-1.el8.x86_64.rpm"))
		}, RuleRPM},
		"an RPM that is gone": {func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "other-1.0-1.el8.x86_64.rpm")); err != nil {
				t.Fatal(err)
			}
		}, RuleRPM},
		"a document that is gone": {func(t *testing.T, dir string) {
			if err := os.Remove(glob(t, filepath.Join(dir, "repodata", "*-other.xml.gz"))); err != nil {
				t.Fatal(err)
			}
		}, RuleDocument},
		"a document that is another": {func(t *testing.T, dir string) {
			snapshottest.Flip(t, glob(t, filepath.Join(dir, "repodata", "*-primary.xml.gz")))
		}, RuleDocument},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := moduletest.Load(t).Write(t, "base")
			server := httptest.NewServer(http.FileServer(http.Dir(dir)))
			t.Cleanup(server.Close)
			opts := Options{RPMs: ReadAll, Snapshot: snapshot.Options{Pause: time.Millisecond, CacheDir: t.TempDir()}}
			verify := func() Report {
				t.Helper()
				r, err := Verify(t.Context(), []snapshot.Source{{Name: "r", Location: server.URL}}, opts)
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			if r := verify(); !r.OK() {
				t.Fatal(r.Findings)
			}
			test.damage(t, dir)
			if r := verify(); r.OK() || !has(r, test.rule) {
				t.Errorf("damage was not found: %v", r.Findings)
			}
		})
	}
}
