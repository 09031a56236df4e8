//go:build e2e

package e2e_test

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// runningBuilds is how many builds run when the hub is started again.
const runningBuilds = 20

// TestHubRestart kills a hub with 20 builds running and starts it again: all of
// them go on, none is started twice.
func TestHubRestart(t *testing.T) {
	t.Parallel()
	f := newFarm(t, "restart", "")
	all := f.hosts(t, "h", 2, fmt.Sprintf("capacity: %d\n", runningBuilds))
	f.pushed(t, small{name: farPackage(0)}).ends(t, "COMPLETE")
	var builds []*pushedBuild
	var markers []string
	for i := range runningBuilds {
		p, marker := sleeper(1 + i)
		builds, markers = append(builds, f.pushed(t, p)), append(markers, marker)
	}
	eventually(t, "20 running builds", func() (string, bool) {
		n := 0
		for _, marker := range markers {
			n += min(1, running(t, marker))
		}
		return fmt.Sprint(n), n == runningBuilds
	})
	sessions := f.column(t, "select name || ' ' || client_id from hosts order by name")
	f.kill(t)
	down := time.Now()
	f.start(t)
	t.Logf("the hub was down for %.1f s", time.Since(down).Seconds())
	// Half of them end while the hub is looked for.
	for _, marker := range markers[:runningBuilds/2] {
		wake(t, marker)
	}
	for _, b := range builds[:runningBuilds/2] {
		b.ends(t, "COMPLETE")
	}
	for _, marker := range markers[runningBuilds/2:] {
		wake(t, marker)
	}
	for _, b := range builds {
		b.ends(t, "COMPLETE")
		if lost := b.attempts(t); len(lost) > 0 {
			t.Errorf("build %s lost attempts: %v", b.id, lost)
		}
	}
	if n := f.count(t, "tasks where method in ('buildSRPM', 'buildArch') and attempt <> 1"); n > 0 {
		t.Errorf("%d tasks were started twice", n)
	}
	if now := f.column(t, "select name || ' ' || client_id from hosts order by name"); !slices.Equal(now, sessions) {
		t.Errorf("the hosts' sessions are %v, were %v", now, sessions)
	}
	for _, h := range all {
		h.stop(t)
	}
	f.stop(t)
}
