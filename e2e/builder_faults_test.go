//go:build e2e

package e2e_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"testing"
	"time"
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
		// What is not empty must be a build host's.
		writeFile(t, h.path("work/instance"), rand.Text(), 0o600)
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
