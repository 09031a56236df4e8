package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// queueSQL makes tasks that wait for all kinds of reasons, and hosts.
const queueSQL = `
update hosts set enabled = false;
insert into hosts (name, arches, capacity, client_id, seen_at, enabled, unready) values
	('q-busy', '{x86_64}', 2, 'busy-1', now() + interval '1 hour', true, ''), ('q-full', '{aarch64}', 2, 'full-1', now() + interval '1 hour', true, 'its disk is full: 1 GiB left'),
	('q-off', '{aarch64}', 2, 'off-1', now() + interval '1 hour', false, ''), ('q-quiet', '{ppc64le}', 2, 'quiet-1', now() - interval '1 minute', true, '');
insert into tasks (build_id, method, arch, root_arches, bin, label, state, weight, host_id, client_id)
	select 3, 'buildArch', 'busy', '{x86_64}', 'x86_64', 'x', 'OPEN', 3, id, client_id from hosts where name = 'q-busy';
delete from tasks where state = 'FREE';
insert into tasks (build_id, method, arch, root_arches, bin, label, state, weight, priority) values
	(3, 'buildArch', 'a1', '{x86_64}', 'x86_64', 'x', 'FREE', 1.5, 30), (3, 'buildArch', 'a2', '{aarch64}', 'aarch64', 'x', 'FREE', 1.5, 20),
	(3, 'buildArch', 'a3', '{s390x}', 's390x', 'x', 'FREE', 1.5, 21), (3, 'buildArch', 'a4', '{ppc64le}', 'ppc64le', 'x', 'FREE', 1.5, 22);
`

func TestTheQueue(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.exec(queueSQL)

	t.Run("has tasks in their order, each with why it waits", func(t *testing.T) {
		t.Parallel()
		text := s.in(t).page("/queue")
		last := 0
		for _, fact := range []string{
			"4 waiting", "packages for a2", "no host takes work: q-full takes no work (its disk is full: 1 GiB left), q-off is disabled",
			"packages for a3", "no host builds for s390x in channel default", "packages for a4", "no host takes work: q-quiet is silent",
			"packages for a1", "every host has as much to do as it may",
		} {
			at := strings.Index(text[last:], fact)
			if at < 0 {
				t.Fatalf("%q is missing, or comes too early:\n%s", fact, text)
			}
			last += at
		}
	})
	t.Run("is narrowed to a channel and an architecture", func(t *testing.T) {
		t.Parallel()
		text := s.in(t).page("/queue?channel=default&arch=s390x")
		if !strings.Contains(text, "packages for a3") || strings.Contains(text, "packages for a1") {
			t.Errorf("the page shows others:\n%s", text)
		}
	})
	t.Run("is read page by page", func(t *testing.T) {
		t.Parallel()
		var seen []string
		for path := "/api/v1/queue?limit=1"; path != ""; {
			var answer apiQueue
			if err := json.Unmarshal([]byte(s.in(t).page(path)), &answer); err != nil {
				t.Fatal(err)
			}
			for _, task := range answer.Tasks {
				seen = append(seen, task.Arch)
			}
			path = ""
			if answer.NextAfter != "" {
				path = "/api/v1/queue?limit=1&after=" + answer.NextAfter
			}
		}
		if got := strings.Join(seen, " "); got != "a2 a3 a4 a1" {
			t.Errorf("tasks %s, want a2 a3 a4 a1", got)
		}
	})
	t.Run("refuses an address that makes no sense", func(t *testing.T) {
		t.Parallel()
		for _, after := range []string{"1", "x.1", "1.x", "99999999999.1"} {
			if got := s.in(t).get("/queue?after=" + after); got.status != http.StatusBadRequest {
				t.Errorf("after=%s is answered with %d, want 400", after, got.status)
			}
		}
	})
}

func TestScratchBuildsAreMarked(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.exec(queueSQL)
	s.exec("update builds set scratch = true")
	for _, path := range []string{"/", "/packages", "/packages/hello", "/queue", "/hosts", "/deliveries/1"} {
		if text := s.in(t).page(path); !strings.Contains(text, ">scratch</span>") {
			t.Errorf("%s does not mark them:\n%s", path, text)
		}
	}
	for _, path := range []string{"/api/v1/builds", "/api/v1/builds/1", "/api/v1/queue"} {
		if text := s.in(t).page(path); !strings.Contains(text, `"scratch": true`) {
			t.Errorf("%s does not mark them:\n%s", path, text)
		}
	}
}
