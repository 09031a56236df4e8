//go:build e2e

package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// ip runs ip(8), as root.
func ip(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s (this test needs root, and iproute2): %v\n%s", strings.Join(args, " "), err, out)
	}
}

// wire is a network of two machines: the hub's and that of a host.
type wire struct{ namespace, outside, hubIP string }

// newWire makes a network namespace with a wire to this one.
func newWire(t testing.TB) wire {
	t.Helper()
	id := os.Getpid() & 0xffff
	subnet := fmt.Sprintf("10.%d.%d.", 200+id%50, id/50%256)
	w := wire{namespace: fmt.Sprintf("distbot-%d", id), outside: fmt.Sprintf("dbo%d", id), hubIP: subnet + "1"}
	inside := fmt.Sprintf("dbi%d", id)
	ip(t, "netns", "add", w.namespace)
	t.Cleanup(func() { ip(t, "netns", "delete", w.namespace) }) // and the wire
	ip(t, "link", "add", w.outside, "type", "veth", "peer", "name", inside, "netns", w.namespace)
	ip(t, "address", "add", w.hubIP+"/30", "dev", w.outside)
	ip(t, "link", "set", w.outside, "up")
	ip(t, "-n", w.namespace, "link", "set", "lo", "up")
	ip(t, "-n", w.namespace, "address", "add", subnet+"2/30", "dev", inside)
	ip(t, "-n", w.namespace, "link", "set", inside, "up")
	return w
}

// cutTime is how long the network is cut.
const cutTime = time.Minute

// TestNetworkCut cuts the network between a hub and a host for a minute: the
// host ends its builds before the hub gives them to another.
func TestNetworkCut(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	f := newFarm(t, "cut", w.hubIP)
	far := f.host(t, "far", "")
	far.before = []string{"ip", "netns", "exec", w.namespace}
	far.start(t)
	f.pushed(t, small{name: farPackage(0)}).ends(t, "COMPLETE")
	p, marker := sleeper(38)
	b := f.pushed(t, p)
	task, name := b.hostOf(t, "buildArch", "phase = 'build'")
	if name != "far" {
		t.Fatalf("%s builds, want far", name)
	}
	eventually(t, "sleep", func() (string, bool) { return "", running(t, marker) > 0 })
	var session string
	f.scan(t, "select client_id from hosts where name = 'far'", nil, &session)
	near := f.hosts(t, "near", 1, "")["near0"]

	ip(t, "link", "set", w.outside, "down")
	cut := time.Now()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for running(t, marker) > 0 && time.Since(cut) < patience {
		<-ticker.C
	}
	fenced := time.Since(cut)
	after, outcome := f.lostAttempt(t, task, cut)
	t.Logf("the host ended its build after %.1f s; the hub gave it to another after %.1f s", fenced.Seconds(), after.Seconds())
	if fenced > fencedWithin {
		t.Errorf("the host ended its build after %s, want at most %s", fenced, fencedWithin)
	}
	if after <= fenced || after > noticedWithin {
		t.Errorf("the hub gave the build to another after %s, want more than %s and at most %s", after, fenced, noticedWithin)
	}
	if outcome != "lost: the builder died" {
		t.Errorf("the attempt ended as %q", outcome)
	}
	if _, name := b.hostOf(t, "buildArch", "attempt = 2 and phase = 'build'"); name != near.name {
		t.Errorf("the second attempt is at %s", name)
	}
	timer := time.NewTimer(cutTime - time.Since(cut))
	<-timer.C
	ip(t, "link", "set", w.outside, "up")
	eventually(t, "return of the host", func() (string, bool) {
		var now string
		f.scan(t, "select coalesce(client_id, '') from hosts where name = 'far'", nil, &now)
		return now, now != "" && now != session
	})
	eventually(t, "sleep", func() (string, bool) { return "", running(t, marker) > 0 })
	wake(t, marker)
	b.ends(t, "COMPLETE")
	if got := b.attempts(t); len(got) != 1 || got[0] != "buildArch 1 far lost: the builder died" {
		t.Errorf("lost attempts %q", got)
	}
	if left := far.leftovers(t); len(left) > 0 {
		t.Errorf("left at the host: %v", left)
	}
	// It works again.
	near.stop(t)
	f.pushed(t, small{name: farPackage(2)}).ends(t, "COMPLETE")
	far.stop(t)
	f.stop(t)
}
