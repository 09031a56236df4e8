//go:build e2e

package e2e_test

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
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
	d := newFullDisk(t)
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
	(&pushedBuild{d, strings.TrimSuffix(again[1], ":")}).ends(t, "COMPLETE")
	writes.ends(t, "COMPLETE")
	d.stop(t)
}

// fullDisk is an installation on a small disk.
type fullDisk struct {
	*distbot
	lookaside *lookaside
}

func newFullDisk(t testing.TB) *fullDisk {
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
	d := &fullDisk{lookaside: newLookaside(t)}
	d.distbot = install(t, setup{
		name: "disk", lookaside: d.lookaside.url(), database: postgres.URL(), targets: []target{{name: "f37"}},
		forges: "  - {name: git, kind: git, url: git, webhook_secret_files: [webhook.secret]}\n",
	})
	for _, dir := range []string{"git", "state"} {
		if err := os.Mkdir(d.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// The mounts are in a namespace of the process, and go with it.
	d.before = []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		d.before = append(d.before, "--map-root-user")
	}
	script := fmt.Sprintf(`mount -t tmpfs -o size=%d,mode=755 distbot "$0"
mkdir "$0/lookaside"
mount -t tmpfs -o size=%d,mode=755 distbot "$0/lookaside"
exec "$@"`, stateSize, lookasideSize)
	d.before = append(d.before, "sh", "-ec", script, d.path("state"))
	d.start(t)
	return d
}

// fill leaves little of a file system of the installation, and returns the file
// that takes the rest.
func (d *fullDisk) fill(t testing.TB, dir string, size, left int64) (filler string) {
	t.Helper()
	// The way into the namespace of the process.
	dir = filepath.Join("/proc", strconv.Itoa(d.cmd.Process.Pid), "root", d.path(dir))
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

// pushedBuild is the build of a push.
type pushedBuild struct {
	d  *fullDisk
	id string
}

// pushed makes a bare repository with distbot's hook and pushes a package to
// it.
func (d *fullDisk) pushed(t testing.TB, p small) *pushedBuild {
	t.Helper()
	bare, clone := d.path("git/rpms/"+p.name+".git"), d.path("clones/"+p.name)
	for name, text := range p.files() {
		writeFile(t, filepath.Join(clone, name), text, 0o644)
	}
	git(t, d.dir, "init", "-q", "--bare", bare)
	d.run(t, "hook", "install", bare)
	git(t, clone, "init", "-q", "--initial-branch=f37")
	git(t, clone, "add", "--all")
	git(t, clone, "commit", "-q", "-m", "Import")
	git(t, clone, "push", "-q", bare, "f37")
	commit := git(t, clone, "rev-parse", "HEAD")
	b := &pushedBuild{d: d}
	eventually(t, "build of "+p.name, func() (string, bool) {
		ids := d.column(t, "select id::text from builds where commit_id = $1", commit)
		b.id = strings.Join(ids, " ")
		return b.id, len(ids) == 1
	})
	return b
}

func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.test", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.test")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", args[0], err, out)
	}
	return strings.TrimSpace(string(out))
}

// ends waits for the build's end, all its statuses included.
func (b *pushedBuild) ends(t testing.TB, state string) {
	t.Helper()
	eventually(t, state+" of build "+b.id, func() (string, bool) {
		var got, reason string
		var pending int
		b.d.scan(t, `select b.state, b.reason, (select count(*) from reports r where r.build_id = b.id and r.state = 'pending')
			from builds b where b.id = $1::bigint`, []any{b.id}, &got, &reason, &pending)
		if got != "BUILDING" && got != state {
			t.Fatalf("build %s is %s (%s), want %s", b.id, got, reason, state)
		}
		return fmt.Sprintf("%s, %d statuses are pending", got, pending), got == state && pending == 0
	})
	if view := b.d.show(t, b.id); view.State != state || len(view.Statuses) == 0 {
		t.Errorf("build show tells %+v, want %s and statuses", view, state)
	}
}

// waitsFor waits until a status is pending for a reason.
func (b *pushedBuild) waitsFor(t testing.TB, context, reason string) {
	t.Helper()
	eventually(t, "reason of build "+b.id, func() (string, bool) {
		statuses := b.d.column(t, "select context || ' ' || state || ' ' || left(description, 140) from reports where build_id = $1::bigint", b.id)
		for _, status := range statuses {
			if !strings.Contains(status, " pending ") && !strings.HasPrefix(status, "distbot/f37/srpm success ") {
				t.Fatalf("a status of build %s is %s, want one that is pending", b.id, status)
			}
			if strings.HasPrefix(status, context+" pending ") && strings.Contains(status, reason) {
				return "", true
			}
		}
		return strings.Join(statuses, "; "), false
	})
}
