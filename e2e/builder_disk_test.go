//go:build e2e

package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The size of the disk of a host, what is left of it, and what a build writes
// that needs more. Half a gigabyte of the disk with the buildroots stays free.
const (
	hostDisk, hostDiskLeft = 2 << 30, 512<<20 + 64<<20
	hugeBuild              = 256 << 20
	// hubLeft is what is left of the hub's disk, hugeResult what a host sends.
	hubLeft, hugeResult = 8 << 20, 32 << 20
)

// TestFullDiskOfHost fills the disk of a host: what it can't build, another
// does, and it says why it takes no more.
func TestFullDiskOfHost(t *testing.T) {
	t.Parallel()
	f := newFarm(t, "hostdisk", "")
	small := f.host(t, "small", "")
	if err := os.Mkdir(small.path("work"), 0o711); err != nil {
		t.Fatal(err)
	}
	small.before = onMounts(fmt.Sprintf(`mount -t tmpfs -o size=%d,mode=711 distbot "$0"
exec "$@"`, hostDisk), small.path("work"))
	small.start(t)
	f.pushed(t, smallPackage(0)).ends(t, "COMPLETE")
	filler := fillDisk(t, small.cmd.Process.Pid, small.path("work"), hostDisk, hostDiskLeft)

	writes := f.pushed(t, smallPackage(1, fmt.Sprintf("head -c %d /dev/urandom >big; sleep 1", hugeBuild)))
	eventually(t, "failed attempt", func() (string, bool) {
		lost := strings.Join(writes.attempts(t), "; ")
		return lost, strings.Contains(lost, "small build: no space left on the builder's disk")
	})
	f.host(t, "large", "").start(t)
	writes.ends(t, "COMPLETE")
	if _, host := writes.hostOf(t, "buildArch", "state = 'CLOSED'"); host != "large" {
		t.Errorf("%s has built it, want large", host)
	}

	small.set(t, "min_disk: 0", "min_disk: 1G")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	small.stop(t)
	small.start(t)
	fillDisk(t, small.cmd.Process.Pid, small.path("work"), hostDisk, hostDiskLeft)
	eventually(t, "reason in host list", func() (string, bool) {
		list := f.run(t, "host", "list")
		return list, strings.Contains(list, "unready") && strings.Contains(list, "free, min_disk is 1.0 GiB")
	})
	f.pushed(t, smallPackage(2)).ends(t, "COMPLETE")
	small.stop(t)
	f.stop(t)
}

// TestFullDiskOfHub fills the hub's disk while a host has results for it: the
// host keeps them until there is room.
func TestFullDiskOfHub(t *testing.T) {
	t.Parallel()
	listen := freePort(t, "")
	d := newFullDisk(t, setup{
		name: "hubdisk", more: fmt.Sprintf("builder: {driver: none}\nbuilders: {listen: %q, url: \"https://%s\"}\n", listen, listen),
	})
	f := &farm{plain: d.plain, listen: listen}
	// Commands see what the process sees.
	f.inside = true
	h := f.host(t, "far", "").start(t)
	f.pushed(t, smallPackage(0)).ends(t, "COMPLETE")
	b := f.pushed(t, small{name: farPackage(1), build: fmt.Sprintf("sleep 5; head -c %d /dev/urandom >big", hugeResult), big: true})
	b.task(t, "buildArch", "phase = 'build'")
	filler := d.fill(t, "state", stateSize, hubLeft)
	eventually(t, "refusal by the hub", func() (string, bool) {
		log := h.log(t)
		return log[max(0, len(log)-500):], strings.Contains(log, "no space is left on the hub's disk")
	})
	contains(t, "the hub's log", f.log(t), "no room left in the store")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	b.ends(t, "COMPLETE")
	if lost := b.attempts(t); len(lost) > 0 {
		t.Errorf("lost attempts: %v", lost)
	}
	h.stop(t)
	f.stop(t)
}

// smallPackage is a package of these tests; build is its shell, if any.
func smallPackage(i int, build ...string) small {
	return small{name: farPackage(i), build: strings.Join(build, "\n")}
}
