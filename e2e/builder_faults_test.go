//go:build e2e

package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// What is promised of hosts that die or can't be reached.
const (
	noticedWithin = 30 * time.Second
	fencedWithin  = 21 * time.Second // 20 s, and the time to end a build
)

// hosts enrolls and starts hosts NAME0, NAME1, …, that share their buildroots,
// and returns them by name.
func (f *farm) hosts(t testing.TB, name string, n int, settings string) map[string]*host {
	t.Helper()
	shared := f.path("buildroots")
	if err := os.MkdirAll(shared, 0o711); err != nil {
		t.Fatal(err)
	}
	all := map[string]*host{}
	for i := range n {
		h := f.host(t, fmt.Sprintf("%s%d", name, i), settings)
		if err := os.MkdirAll(h.path("work"), 0o711); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(shared, h.path("work/buildroots")); err != nil {
			t.Fatal(err)
		}
		all[h.name] = h.start(t)
	}
	return all
}

// hostOf waits until a task of the build meets a condition and returns it with
// the host that has it.
func (b *pushedBuild) hostOf(t testing.TB, method, condition string) (task int64, host string) {
	t.Helper()
	task = b.task(t, method, condition+" and host_id is not null")
	b.d.scan(t, "select h.name from tasks t join hosts h on h.id = t.host_id where t.id = $1", []any{task}, &host)
	return task, host
}

// wake ends the processes of builds that have an argument.
func wake(t testing.TB, argument string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		if slices.Contains(strings.Split(string(text), "\x00"), argument) {
			pid, err := strconv.Atoi(strings.Split(path, "/")[2])
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Fatal(err)
			}
		}
	}
}

// sleeper is a package whose build sleeps until its sleep is ended.
func sleeper(i int) (p small, marker string) {
	marker = fmt.Sprintf("7654321.%03d", i)
	return small{name: farPackage(i), build: "sleep " + marker + " || :"}, marker
}

// lostAttempt waits until the first attempt of a task is over and returns how
// long after a moment that was noticed.
func (f *farm) lostAttempt(t testing.TB, task int64, since time.Time) (after time.Duration, outcome string) {
	t.Helper()
	var ended time.Time
	eventually(t, fmt.Sprintf("end of the first attempt of task %d", task), func() (string, bool) {
		err := f.pool.QueryRow(t.Context(), "select ended_at, outcome from task_attempts where task_id = $1 and attempt = 1", task).Scan(&ended, &outcome)
		return fmt.Sprint(err), err == nil
	})
	return ended.Sub(since), outcome
}

// deaths are the phases in which hosts are killed.
func deaths() []struct{ method, phase string } {
	return []struct{ method, phase string }{
		{"buildSRPM", "sources"},
		{"buildSRPM", "srpm"},
		{"buildArch", "buildroot"},
		{"buildArch", "prep"},
		{"buildArch", "build"},
		{"buildArch", "install"},
		{"buildArch", "check"},
	}
}

// slow is a package that takes a moment in each phase, and has a source.
func (f *farm) slow(i int) files {
	name := farPackage(i)
	return files{
		name + ".spec": fmt.Sprintf(`Name: %s
Version: 1.0
Release: 1%%{?dist}
Summary: %%(sleep 2; echo A slow package)
License: MIT
BuildArch: noarch
Source0: data

%%description
It takes its time.

%%prep
sleep 4

%%build
sleep 4

%%install
sleep 4
mkdir -p %%{buildroot}%%{_datadir}
cp %%{SOURCE0} %%{buildroot}%%{_datadir}/%s

%%check
sleep 4

%%files
%%{_datadir}/%s
`, name, name, name),
		"sources": f.lookaside.put(name, "data", []byte(name)),
	}
}

// TestDeadBuildHosts kills hosts with SIGKILL in every phase of their work.
func TestDeadBuildHosts(t *testing.T) {
	t.Parallel()
	f := newFarm(t, "dead", "")
	// One task each, and more hosts than will die.
	all := f.hosts(t, "h", len(deaths())+2, "capacity: 1\n")
	f.pushed(t, small{name: farPackage(0)}).ends(t, "COMPLETE") // makes the base root
	t.Run("InEveryPhase", func(t *testing.T) {
		for i, death := range deaths() {
			t.Run(death.method+" "+death.phase, func(t *testing.T) {
				t.Parallel()
				f.testDeath(t, all, 1+i, death.method, death.phase)
			})
		}
	})
	t.Run("TheDeadStartAgainAndLeaveNothing", func(t *testing.T) {
		for _, h := range all {
			if h.cmd == nil {
				h.start(t)
			}
		}
		for _, h := range all {
			if left := h.leftovers(t); len(left) > 0 {
				t.Errorf("left at %s: %v", h.name, left)
			}
		}
	})
	t.Run("WhileItSendsResults", func(t *testing.T) { f.testDeathWhileSending(t, all, 20) })
	t.Run("WhileTheHubTakesThem", func(t *testing.T) { f.testDeathWhileTaken(t, all, 21) })
	t.Run("TheHubStopsWhenAsked", func(t *testing.T) { f.stop(t) })
}

func (f *farm) testDeath(t *testing.T, all map[string]*host, i int, method, phase string) {
	content := f.slow(i)
	var source *hold
	if phase == "sources" {
		source = f.lookaside.hold(t, farPackage(i))
	}
	b := f.pushedFiles(t, farPackage(i), content)
	task, name := b.hostOf(t, method, "attempt = 1 and phase = '"+phase+"'")
	if source != nil {
		source.await(t, "request for the source")
	}
	all[name].kill(t)
	killed := time.Now()
	if source != nil {
		f.lookaside.letGo()
	}
	after, outcome := f.lostAttempt(t, task, killed)
	t.Logf("noticed after %.1f s", after.Seconds())
	if after > noticedWithin {
		t.Errorf("noticed after %s, want at most %s", after, noticedWithin)
	}
	if outcome != "lost: the builder died" {
		t.Errorf("the attempt ended as %q", outcome)
	}
	b.ends(t, "COMPLETE")
	want := fmt.Sprintf("%s 1 %s lost: the builder died", method, name)
	if got := b.attempts(t); len(got) != 1 || got[0] != want {
		t.Errorf("lost attempts %q, want %q", got, want)
	}
}

// lockTable keeps everybody from writing to a table until the returned function
// is called.
func (f *farm) lockTable(t testing.TB, table string) (unlock func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), f.databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "begin; lock table "+table+" in exclusive mode"); err != nil {
		t.Fatalf("lock %s: %v", table, err)
	}
	return func() {
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func (f *farm) awaitLock(t testing.TB, table string) {
	t.Helper()
	eventually(t, "attempt to write to "+table, func() (string, bool) {
		n := f.count(t, "pg_locks where not granted and relation = $1::regclass", table)
		return fmt.Sprint(n), n > 0
	})
}

// testDeathWhileSending kills a host whose packages are under way.
func (f *farm) testDeathWhileSending(t *testing.T, all map[string]*host, i int) {
	p, marker := sleeper(i)
	b := f.pushed(t, p)
	task, name := b.hostOf(t, "buildArch", "attempt = 1 and phase = 'build'")
	unlock := f.lockTable(t, "task_uploads")
	eventually(t, "sleep", func() (string, bool) { return "", running(t, marker) > 0 })
	wake(t, marker)
	f.awaitLock(t, "task_uploads")
	all[name].kill(t)
	killed := time.Now()
	unlock()
	if after, outcome := f.lostAttempt(t, task, killed); after > noticedWithin || outcome != "lost: the builder died" {
		t.Errorf("noticed after %s as %q", after, outcome)
	}
	b.task(t, "buildArch", "attempt = 2 and phase = 'build'")
	eventually(t, "sleep", func() (string, bool) { return "", running(t, marker) > 0 })
	wake(t, marker)
	b.ends(t, "COMPLETE")
	all[name].start(t)
}

// testDeathWhileTaken kills a host that has told the hub all: nothing is built
// again.
func (f *farm) testDeathWhileTaken(t *testing.T, all map[string]*host, i int) {
	p, marker := sleeper(i)
	b := f.pushed(t, p)
	task, name := b.hostOf(t, "buildArch", "attempt = 1 and phase = 'build'")
	unlock := f.lockTable(t, "task_artifacts")
	eventually(t, "sleep", func() (string, bool) { return "", running(t, marker) > 0 })
	wake(t, marker)
	f.awaitLock(t, "task_artifacts")
	all[name].kill(t)
	unlock()
	b.ends(t, "COMPLETE")
	if n := f.count(t, "tasks where id = $1 and attempt = 1", task); n != 1 {
		t.Error("what the host had finished was built again")
	}
	all[name].start(t)
}

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

// TestZombie stops a host for so long that its work is given away, and lets it go
// on: nothing it says of that work counts.
func TestZombie(t *testing.T) {
	t.Parallel()
	f := newFarm(t, "zombie", "")
	zombie := f.host(t, "zombie", "").start(t)
	p, marker := sleeper(39)
	b := f.pushed(t, p)
	task := b.task(t, "buildArch", "phase = 'build'")
	eventually(t, "sleep", func() (string, bool) { return "", running(t, marker) > 0 })
	if err := zombie.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	f.host(t, "alive", "").start(t)
	f.lostAttempt(t, task, time.Now())
	b.hostOf(t, "buildArch", "attempt = 2 and phase = 'build'")
	eventually(t, "two sleeps", func() (string, bool) { n := running(t, marker); return fmt.Sprint(n), n == 2 })
	// The build ends while nobody looks.
	wake(t, marker)
	b.ends(t, "COMPLETE")
	if err := zombie.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "return of the zombie", func() (string, bool) {
		return "", f.count(t, "hosts where name = 'zombie' and client_id is not null and seen_at > now() - interval '10 seconds'") == 1
	})
	b.ends(t, "COMPLETE")
	if got := b.attempts(t); len(got) != 1 || got[0] != "buildArch 1 zombie lost: the builder died" {
		t.Errorf("lost attempts %q", got)
	}
	var results string
	f.scan(t, "select string_agg(distinct attempt::text, ' ') from task_artifacts where task_id = $1", []any{task}, &results)
	if results != "2" {
		t.Errorf("there are results of attempts %q, want of 2 only", results)
	}
	eventually(t, "clean zombie", func() (string, bool) {
		left := zombie.leftovers(t)
		return fmt.Sprint(left), len(left) == 0
	})
	f.stop(t)
}
