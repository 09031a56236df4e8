package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/queue/queuetest"
)

// TestScratchIsMarked lists a scratch build where it is one of several things.
func TestScratchIsMarked(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	queuetest.Exec(t, c.pool, "update builds set scratch = true")
	queuetest.Exec(t, c.pool, "insert into hosts (name) values ('b1')")
	queuetest.Exec(t, c.pool, "update tasks set state = 'OPEN', host_id = (select id from hosts where name = 'b1') where method = 'buildSRPM'")
	queuetest.Exec(t, c.pool, "insert into deliveries (forge, delivery_id, event, state, headers, body) values ('git', 'one', 'push', 'planned', '{}', '')")
	queuetest.Exec(t, c.pool, `insert into planned_pushes (repository_id, ref, commit_id, target, delivery_id, build_id, outcome, reason)
		select repository_id, ref, commit_id, target, (select id from deliveries), id, 'build', '' from builds`)
	for _, line := range []string{"host show b1", "delivery show 1"} {
		if _, out, _ := c.call(line); !strings.Contains(out, "(scratch)") {
			t.Errorf("%s does not mark it:\n%s", line, out)
		}
		if _, out, _ := c.call(line + " --json"); !strings.Contains(out, `"scratch": true`) {
			t.Errorf("%s --json does not mark it:\n%s", line, out)
		}
	}
}

// TestWhoseAttempt asks which hosts work on a task, and worked on it before.
func TestWhoseAttempt(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	queuetest.Exec(t, c.pool, "insert into hosts (name) values ('b1'), ('b2')")
	queuetest.Exec(t, c.pool, `insert into tasks (build_id, parent_id, method, arch, label, state, attempt, client_id, host_id, phase, started_at)
		select $1, min(id), 'buildArch', 'x86_64', 'x', 'OPEN', 3, 'b2-7-aa', (select id from hosts where name = 'b2'), 'build', '2026-03-01T12:00:00Z' from tasks where build_id = $1`, c.build)
	queuetest.Exec(t, c.pool, `insert into task_attempts (task_id, attempt, client_id, host_id, started_at, outcome)
		select t.id, a.n, a.client, h.id, '2026-03-01T11:00:00Z', 'the host was lost' from tasks t,
			(values (1, 'old-1-bb', null), (2, 'b1-1-cc', 'b1')) a (n, client, host) left join hosts h on h.name = a.host
		where t.arch = 'x86_64' and t.method = 'buildArch'`)
	var id string
	if err := c.pool.QueryRow(t.Context(), "select id::text from tasks where arch = 'x86_64' and method = 'buildArch'").Scan(&id); err != nil {
		t.Fatal(err)
	}

	_, out, _ := c.call("task show " + id)
	for _, want := range []string{"task " + id + " of build", "state OPEN, attempt 3 on b2, phase build\n", "attempt 1 on old-1-bb, 2026-", "attempt 2 on b1, 2026-"} {
		if !strings.Contains(out, want) {
			t.Errorf("task show:\n%s\nwants %q", out, want)
		}
	}
	_, out, _ = c.call("task list --state OPEN")
	if !strings.Contains(out, "HOST") || !strings.Contains(out, "b2") {
		t.Errorf("task list:\n%s", out)
	}
	_, out, _ = c.call("build show BUILD")
	if !strings.Contains(out, "buildArch  OPEN      x86_64 build on b2\n") {
		t.Errorf("build show:\n%s", out)
	}

	var view taskView
	_, out, _ = c.call("task show --json " + id)
	if err := json.Unmarshal([]byte(out), &view); err != nil {
		t.Fatal(err)
	}
	got := []string{view.Host, view.Client}
	for _, a := range view.Attempts {
		got = append(got, a.Host, a.Client)
	}
	if diff := cmp.Diff([]string{"b2", "b2-7-aa", "", "old-1-bb", "b1", "b1-1-cc"}, got); diff != "" {
		t.Errorf("hosts and processes (-want +got):\n%s", diff)
	}
}
