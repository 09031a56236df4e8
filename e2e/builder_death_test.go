//go:build e2e

package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

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
