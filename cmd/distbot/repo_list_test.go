package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/queue/queuetest"
)

func TestRepoListTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	queuetest.Exec(t, c.pool, `insert into repo_generations (tag_id, number, rev, state, arches, packages, published_at, closure)
		select id, 1, 1, 'published', '{x86_64}'::text[], 3, '2026-03-01T11:00:00Z'::timestamptz, '{"policy": "warn", "problems": 2, "listed": ["x86_64: a requires b"]}'::jsonb from tags where name = 'f37'
		union all select id, 2, 2, 'expired', '{}', 0, null, null from tags where name = 'f37'`)
	queuetest.Exec(t, c.pool, `insert into repo_troubles (tag_id, kind, reason, problems, rev, since, at)
		select id, 'refused', 'modules: x86_64: a is modular (and 1 more)', '["x86_64: a is modular", "x86_64: b is modular"]', 4, '2026-03-01T12:00:00Z', '2026-03-01T12:30:00Z' from tags where name = 'f37'`)

	code, stdout, stderr := c.call("repo list f37")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if code != exitDone || len(lines) != 3 {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	for i, want := range []string{"GENERATION", "-           refused    -", "1           published  3"} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("line %q, want %q", lines[i], want)
		}
	}
	if !strings.Contains(lines[1], "since 2026-03-01") || !strings.HasSuffix(lines[1], "modules: x86_64: a is modular (and 1 more)") {
		t.Errorf("line %q", lines[1])
	}
	if !strings.HasSuffix(lines[2], "2 unmet requirements: x86_64: a requires b") {
		t.Errorf("line %q", lines[2])
	}

	_, stdout, _ = c.call("repo list f37 --json")
	var views []generationView
	if err := json.Unmarshal([]byte(stdout), &views); err != nil || len(views) != 2 {
		t.Fatalf("%v\n%s", err, stdout)
	}
	if diff := cmp.Diff(generationView{
		State: "refused", Rev: 4, Arches: []string{"x86_64"}, Reason: "modules: x86_64: a is modular (and 1 more)",
		Problems: []string{"x86_64: a is modular", "x86_64: b is modular"}, Since: "2026-03-01T12:00:00Z",
	}, views[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if found := views[1].Closure; found == nil || found.Problems != 2 || found.OK() {
		t.Errorf("closure %+v", found)
	}
	if _, stdout, _ := c.call("tag list f37"); !strings.Contains(stdout, "refused: modules: x86_64: a is modular") {
		t.Errorf("tag list:\n%s", stdout)
	}
	queuetest.Exec(t, c.pool, "delete from repo_troubles")
	if _, stdout, _ := c.call("repo list f37"); strings.Contains(stdout, "refused") {
		t.Errorf("what was mended is told:\n%s", stdout)
	}
}

func TestRepoListTellsEvents(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	queuetest.Exec(t, c.pool, `insert into repo_generations (tag_id, number, rev, state, event, published_at, rollback_of)
		select t.id, g.number, g.rev, 'published', g.event, now(), null from tags t,
			(values (101, 1001, null), (102, 1002, 2), (103, 1003, 3)) g (number, rev, event) where t.name = 'f37'`)
	queuetest.Exec(t, c.pool, `insert into repo_generations (tag_id, number, rev, state, event, published_at, rollback_of)
		select tag_id, 104, rev, 'published', event, now(), id from repo_generations where number = 102`)
	queuetest.Exec(t, c.pool, `insert into events (actor, what) select 'pat', 'tag' from generate_series(1, 9)`)
	queuetest.Exec(t, c.pool, `insert into tag_revs (tag_id, rev, event) select t.id, r.rev, r.event from tags t, (values (1002, 2), (1003, 3)) r (rev, event) where t.name = 'f37'`)
	_, stdout, _ := c.call("repo list f37 --json")
	var views []generationView
	if err := json.Unmarshal([]byte(stdout), &views); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	got := map[int64][2]int64{}
	for _, v := range views {
		var pair [2]int64
		for i, n := range []*int64{v.Event, v.LastEvent} {
			if n != nil {
				pair[i] = *n
			}
		}
		got[v.Number] = pair
	}
	if diff := cmp.Diff(map[int64][2]int64{101: {}, 102: {2, 2}, 103: {3, 0}, 104: {2, 0}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, stdout, _ = c.call("repo list f37")
	var events []string
	for _, line := range strings.Split(strings.TrimSpace(stdout), "\n")[1:] {
		events = append(events, strings.Fields(line)[3])
	}
	if diff := cmp.Diff([]string{"2", "3-", "2", "-"}, events); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
