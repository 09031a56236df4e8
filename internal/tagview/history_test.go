package tagview_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/tagview"
)

// story is a model whose history the tests read.
const story = `
	tag f36
	tag f37
	bob: link f37 f36 0
	list f37 foo bob
	build foo 1
	in f37 foo-1-1
	bob: in f37 foo-1-1
	out f37 foo-1-1
	block f37 foo
	bob: unlist f37 foo
	unlink f37 f36
	list f36 bar alice
`

// lines are the lines of a history.
func lines(h tagview.History) []string {
	var lines []string
	for _, c := range h.Changes {
		lines = append(lines, c.Line(time.UTC, false))
	}
	return lines
}

func TestHistory(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	m.do(story)
	for _, c := range []struct {
		name string
		q    tagview.HistoryQuery
		at   int64
		want []string
	}{
		{name: "of a tag", q: tagview.HistoryQuery{Tag: "f37"}, want: []string{
			"Fri Nov 20 14:03:00 2026: new tag: f37 by alice [still active]",
			"Fri Nov 20 14:04:00 2026: inheritance line f37->f36 added by bob",
			"Fri Nov 20 14:05:00 2026: package owner bob set for foo in f37 by alice",
			"Fri Nov 20 14:05:00 2026: package list entry created: foo in f37 by alice",
			"Fri Nov 20 14:07:00 2026: foo-1-1 tagged into f37 by alice",
			"Fri Nov 20 14:08:00 2026: foo-1-1 re-tagged into f37 by bob",
			"Fri Nov 20 14:09:00 2026: foo-1-1 untagged from f37 by alice",
			"Fri Nov 20 14:10:00 2026: package owner changed to alice for foo in f37: owner bob -> alice, by alice [still active]",
			"Fri Nov 20 14:10:00 2026: package list entry updated: foo in f37: blocked no -> yes, by alice",
			"Fri Nov 20 14:11:00 2026: package list entry revoked: foo in f37 by bob",
			"Fri Nov 20 14:12:00 2026: inheritance line f37->f36 removed by alice",
		}},
		{name: "of a parent", q: tagview.HistoryQuery{Tag: "f36", Tables: []string{"tag_inheritance"}}, want: []string{
			"Fri Nov 20 14:04:00 2026: inheritance line f37->f36 added by bob",
			"Fri Nov 20 14:12:00 2026: inheritance line f37->f36 removed by alice",
		}},
		{name: "of a build", q: tagview.HistoryQuery{Build: "foo-1-1"}, want: []string{
			"Fri Nov 20 14:07:00 2026: foo-1-1 tagged into f37 by alice",
			"Fri Nov 20 14:08:00 2026: foo-1-1 re-tagged into f37 by bob",
			"Fri Nov 20 14:09:00 2026: foo-1-1 untagged from f37 by alice",
		}},
		{name: "of a package and who changed it", q: tagview.HistoryQuery{Package: "foo", User: "bob"}, want: []string{
			"Fri Nov 20 14:08:00 2026: foo-1-1 re-tagged into f37 by bob",
			"Fri Nov 20 14:11:00 2026: package list entry revoked: foo in f37 by bob",
		}},
		{name: "in force", q: tagview.HistoryQuery{Package: "foo", Active: true}, want: []string{
			"Fri Nov 20 14:10:00 2026: package owner alice set for foo in f37 by alice [still active]",
		}},
		{name: "as of a moment", q: tagview.HistoryQuery{Build: "foo-1-1"}, at: 8, want: []string{
			"Fri Nov 20 14:07:00 2026: foo-1-1 tagged into f37 by alice",
			"Fri Nov 20 14:08:00 2026: foo-1-1 re-tagged into f37 by bob [still active]",
		}},
		{name: "between two events", q: tagview.HistoryQuery{Tag: "f37", After: 8, Before: 10}, want: []string{
			"Fri Nov 20 14:09:00 2026: foo-1-1 untagged from f37 by alice",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := m.reader()
			r.At = tagview.At(c.at)
			h, err := r.History(t.Context(), c.q)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, lines(h)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if h.Before != 0 {
				t.Errorf("there is more before event %d", h.Before)
			}
		})
	}
}

func TestHistoryOfUnknownNames(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	for _, c := range []struct {
		name string
		q    tagview.HistoryQuery
		is   error
	}{
		{"a tag", tagview.HistoryQuery{Tag: "f99"}, tagview.ErrNoTag},
		{"a package", tagview.HistoryQuery{Package: "nothing"}, tagview.ErrNoSubject},
		{"a build", tagview.HistoryQuery{Build: "nothing-1-1"}, tagview.ErrNoSubject},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, err := m.reader().History(t.Context(), c.q); !errors.Is(err, c.is) {
				t.Errorf("%v, want %v", err, c.is)
			}
		})
	}
	t.Run("a table", func(t *testing.T) {
		t.Parallel()
		_, err := m.reader().History(t.Context(), tagview.HistoryQuery{Tables: []string{"tags"}})
		if err == nil || !strings.Contains(err.Error(), `no table "tags" has a history: they are tag_listing, `) {
			t.Error(err)
		}
	})
}

func TestHistorySaysWhatAChangeChanged(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	m.do("tag f36\n tag f37\n link f37 f36 0")
	edit := func(what, revoke, insert string) {
		event := m.event("bob", what)
		m.exec(revoke, event)
		m.exec(insert, event)
	}
	const unlink = "update tag_inheritance set revoke_event = $1 where revoke_event is null"
	const link = "insert into tag_inheritance (create_event, tag_id, parent_id, priority, maxdepth, intransitive, pkg_filter) select $1, c.id, p.id, "
	const ends = " from tags c, tags p where c.name = 'f37' and p.name = 'f36'"
	edit("depth", unlink, link+"0, 1, false, ''"+ends)
	edit("filter", unlink, link+"5, 1, true, '^no yes$'"+ends)
	edit("no filter", unlink, link+"5, null, true, ''"+ends)
	edit("the same", unlink, link+"5, null, true, ''"+ends)
	const config = "insert into tag_config (create_event, tag_id, arches, locked) select $1, id, "
	const unconfigure = "update tag_config c set revoke_event = $1 from tags t where t.id = c.tag_id and t.name = 'f36' and c.revoke_event is null"
	edit("lock", unconfigure, config+"'x86_64 i686', true from tags where name = 'f36'")
	edit("unlock", unconfigure, config+"'', false from tags where name = 'f36'")
	edit("arches", unconfigure, config+"'"+strings.Repeat("x", 200)+"', false from tags where name = 'f36'")
	h, err := m.reader().History(t.Context(), tagview.HistoryQuery{After: 4})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"Fri Nov 20 14:05:00 2026: inheritance line f37->f36 updated: maxdepth none -> 1, by bob",
		`Fri Nov 20 14:06:00 2026: inheritance line f37->f36 updated: intransitive no -> yes, pkg_filter "" -> "^no yes$", priority 0 -> 5, by bob`,
		`Fri Nov 20 14:07:00 2026: inheritance line f37->f36 updated: maxdepth 1 -> none, pkg_filter "^no yes$" -> "", by bob`,
		"Fri Nov 20 14:08:00 2026: inheritance line f37->f36 updated by bob [still active]",
		`Fri Nov 20 14:09:00 2026: tag configuration for f36 altered: arches none -> "x86_64 i686", locked no -> yes, by bob`,
		`Fri Nov 20 14:10:00 2026: tag configuration for f36 altered: arches "x86_64 i686" -> "", locked yes -> no, by bob`,
		`Fri Nov 20 14:11:00 2026: tag configuration for f36 altered: arches "" -> ` + strings.Repeat("x", 100) + "…, by bob [still active]",
	}
	if diff := cmp.Diff(want, lines(h)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Pages of any size, put together, are the whole history, and no event is
// separated.
func TestHistoryInPages(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	m.do(story)
	big := m.event("alice", "many at once")
	m.exec("insert into packages (name) select 'p' || n from generate_series(1, 25) n")
	m.exec("insert into tag_packages (tag_id, package_id, create_event) select t.id, p.id, $1 from tags t, packages p where t.name = 'f37' and p.name like 'p%'", big)
	m.do("list f37 foo alice\n list f37 bar alice")
	whole, err := m.reader().History(t.Context(), tagview.HistoryQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if len(whole.Changes) < 40 || whole.Before != 0 {
		t.Fatalf("%d changes, more before %d", len(whole.Changes), whole.Before)
	}
	for _, limit := range []int{1, 2, 3, 5, 10, 30, 1000} {
		t.Run(fmt.Sprintf("of %d", limit), func(t *testing.T) {
			t.Parallel()
			var got []string
			before := int64(0)
			for page := 0; ; page++ {
				h, err := m.reader().History(t.Context(), tagview.HistoryQuery{Limit: limit, Before: before})
				if err != nil {
					t.Fatal(err)
				}
				events := map[int64]bool{}
				for _, c := range h.Changes {
					events[c.ID] = true
				}
				if len(h.Changes) > limit && len(events) > 1 {
					t.Errorf("%d changes of %d events", len(h.Changes), len(events))
				}
				got = append(lines(h), got...)
				if before = h.Before; before == 0 {
					break
				}
				if page > len(whole.Changes) {
					t.Fatal("pages do not end")
				}
			}
			if diff := cmp.Diff(lines(whole), got); diff != "" {
				t.Errorf("(-whole +pages):\n%s", diff)
			}
		})
	}
}
