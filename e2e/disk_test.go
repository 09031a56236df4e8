//go:build e2e

package e2e_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/internal/pglocal"
)

// The sizes of the file systems, of what is left of them when they are full, and
// of a package that needs more. distbot keeps half a gigabyte of the disk with
// the buildroots free.
const (
	stateSize, stateLeft         = 1 << 30, 512<<20 + 48<<20
	lookasideSize, lookasideLeft = 48 << 20, 16 << 20
	largeSize                    = 24 << 20
	largestSize                  = 96 << 20
)

// TestFullDisk fills the file systems of the state directory and of the sources
// in it. The database is on another one, and the dist-git repositories are
// plain ones.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	d := newFullDisk(t, setup{name: "disk"})
	d.pushed(t, small{name: "before"}).ends(t, "COMPLETE")
	fillers := []string{d.fill(t, "state", stateSize, stateLeft), d.fill(t, "state/lookaside", lookasideSize, lookasideLeft)}

	// Its source does not fit.
	big := d.pushed(t, small{name: "bigsource", source: "data", sources: d.lookaside.put("bigsource", "data", make([]byte, largeSize))})
	big.waitsFor(t, "distbot/f37/srpm", "no space left on the builder's disk: ")
	contains(t, "the log", d.log(t), "no space left on the builder's disk: ")

	// What it writes does not fit.
	writes := d.pushed(t, small{name: "bigbuild", build: fmt.Sprintf("head -c %d /dev/urandom >big; sleep 1", largestSize)})
	writes.waitsFor(t, "distbot/f37/noarch", "no space left on the builder's disk: ")
	contains(t, "the log", d.log(t), "no space left on the builder's disk")

	d.pushed(t, small{name: "neighbour"}).ends(t, "COMPLETE")

	d.run(t, "build", "cancel", big.id)
	big.ends(t, "CANCELED")
	for _, filler := range fillers {
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
	}
	again := strings.Fields(d.run(t, "build", "retry", big.id)) // build ID: URL
	(&pushedBuild{d.plain, strings.TrimSuffix(again[1], ":")}).ends(t, "COMPLETE")
	writes.ends(t, "COMPLETE")
	d.stop(t)
}

// fullDisk is an installation on a small disk.
type fullDisk struct{ *plain }

// newFullDisk starts an installation on a small disk; its database is elsewhere.
func newFullDisk(t testing.TB, s setup) *fullDisk {
	t.Helper()
	postgres, err := pglocal.Start(t.Context(), pglocal.Config{Dir: makeDir(t, "postgres"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := postgres.Stop(); err != nil {
			t.Error(err)
		}
	})
	s.database = postgres.URL()
	d := &fullDisk{installPlain(t, s)}
	script := fmt.Sprintf(`mount -t tmpfs -o size=%d,mode=755 distbot "$0"
mkdir "$0/lookaside"
mount -t tmpfs -o size=%d,mode=755 distbot "$0/lookaside"
exec "$@"`, stateSize, lookasideSize)
	d.before = onMounts(script, d.path("state"))
	d.start(t)
	return d
}

// onMounts is a command that runs another, the rest of its arguments, after a
// script has made mounts. They are in a namespace of the process, and go with
// it.
func onMounts(script, argument string) []string {
	command := []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		command = append(command, "--map-root-user")
	}
	return append(command, "sh", "-ec", script, argument)
}

// enter is a command that runs another, the rest of its arguments, with the
// mounts of a process.
func enter(pid int) []string {
	command := []string{"nsenter", "--target", strconv.Itoa(pid), "--mount"}
	if os.Geteuid() != 0 {
		command = append(command, "--user", "--preserve-credentials")
	}
	return append(command, "--")
}

// fill leaves little of a file system of the installation, and returns the file
// that takes the rest.
func (d *fullDisk) fill(t testing.TB, dir string, size, left int64) (filler string) {
	t.Helper()
	return fillDisk(t, d.cmd.Process.Pid, d.path(dir), size, left)
}

// fillDisk leaves little of a file system of the given size that a process sees
// at dir, and returns the file that takes the rest.
func fillDisk(t testing.TB, pid int, dir string, size, left int64) (filler string) {
	t.Helper()
	// The way into the namespace of the process.
	dir = filepath.Join("/proc", strconv.Itoa(pid), "root", dir)
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		t.Fatal(err)
	}
	if got := int64(disk.Blocks) * disk.Bsize; got != size {
		t.Fatalf("%s is on a file system of %d bytes, want %d", dir, got, size)
	}
	file, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := unix.Fallocate(int(file.Fd()), 0, 0, int64(disk.Bavail)*disk.Bsize-left); err != nil {
		t.Fatalf("fill %s, of which %d bytes are free: %v", dir, int64(disk.Bavail)*disk.Bsize, err)
	}
	return file.Name()
}
