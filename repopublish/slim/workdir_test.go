package slim

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/flock"
	"github.com/distbot/distbot/repopublish/moduletest"
)

// TestWhatKilledRunsLeft: it is removed by the next run, and nothing else is.
func TestWhatKilledRunsLeft(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	dir := t.TempDir()
	left := func(name string) string { return filepath.Join(dir, workPrefix+name) }
	put(t, left("KILLED")+"/Packages/a/a.rpm")
	put(t, left("KILLED")+flock.Suffix)
	put(t, left("BEFORE")+flock.Suffix) // its directory was not made yet
	put(t, left("RUNNING")+"/Packages/a/a.rpm")
	running, err := flock.Try(left("RUNNING")+flock.Suffix, flock.Exclusive)
	if err != nil || running == nil {
		t.Fatal(running, err)
	}
	defer running.Release()
	put(t, left("mine")+"/letter")
	// A run was killed when it had just replaced what got another file meanwhile.
	moveRepository(t, v, "base", left("REPLACED"))
	put(t, left("REPLACED")+"/letter")
	put(t, left("REPLACED")+flock.Suffix)

	out := filepath.Join(dir, "out")
	_, report := mustMake(t, Options{Out: out, Packages: []string{"@demo:1"}}, "full,"+v.Write(t, "full"))
	if text := strings.Join(report.Warnings, "\n"); !strings.Contains(text, left("REPLACED")) || !strings.Contains(text, "letter") {
		t.Errorf("warnings %q", report.Warnings)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, e := range entries {
		there[e.Name()] = true
	}
	want := []string{".slim-REPLACED", ".slim-RUNNING", ".slim-RUNNING.lock", ".slim-mine", "out"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(there))); diff != "" {
		t.Errorf("what is there (-want +got)\n%s", diff)
	}
}
