//go:build e2e

package e2e_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

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
