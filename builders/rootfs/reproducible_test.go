package rootfs

import (
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders/drivertest"
	"github.com/distbot/distbot/internal/rpmfile"
)

// TestTheSameCommitGivesTheSameBytes builds twice, in roots of drivers that
// share nothing, from checkouts that differ in what git does not record.
func TestTheSameCommitGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	var results [2]map[string]string
	var wait sync.WaitGroup
	for i := range results {
		b := fresh(t, nil)
		dir := demo(t, "libgreet")
		for _, name := range drivertest.Names(t, dir) {
			path := filepath.Join(dir, name)
			when := time.Unix(1_700_000_000+int64(i)*1000, 0)
			if err := os.Chtimes(path, when, when); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, 0o644|os.FileMode(i)*0o111); err != nil {
				t.Fatal(err)
			}
		}
		wait.Go(func() {
			srpm, err := b.srpm(t, dir)
			if err != nil {
				t.Error(err)
				return
			}
			results[i] = digests(t, filepath.Dir(srpm))
			order, _, err := b.build(t, dir)
			if err != nil {
				t.Error(err)
				return
			}
			maps.Copy(results[i], digests(t, order.ResultDir))
			for _, name := range drivertest.Names(t, order.ResultDir) {
				pkg, _, err := rpmfile.ReadFile(filepath.Join(order.ResultDir, name))
				if err != nil || pkg.BuildHost != "distbot.invalid" || pkg.BuildTime != order.Epoch.Unix() {
					t.Errorf("%s was built on %q at %d, %v; want distbot.invalid at the commit's time", name, pkg.BuildHost, pkg.BuildTime, err)
				}
			}
		})
	}
	wait.Wait()
	if diff := cmp.Diff(results[0], results[1]); diff != "" || len(results[0]) != 5 {
		t.Errorf("%d packages, want 5 that are equal: (-first +second)\n%s", len(results[0]), diff)
	}
}
