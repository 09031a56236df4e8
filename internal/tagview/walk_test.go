package tagview_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/tagview"
)

// layers is a graph in which every tag of a layer inherits from every tag of the
// next one; tag 0 inherits from the first layer.
func layers(count, width int, filter string) []tagview.Link {
	id := func(layer, i int) int64 { return int64(1 + layer*width + i) }
	link := func(child, parent int64, priority int) tagview.Link {
		return tagview.Link{
			ChildID: child, Child: fmt.Sprintf("t%06d", child), ParentID: parent, Parent: fmt.Sprintf("t%06d", parent),
			Priority: int32(priority), PkgFilter: filter,
		}
	}
	var links []tagview.Link
	for i := range width {
		links = append(links, link(0, id(0, i), i))
	}
	for layer := range count - 1 {
		for i := range width {
			for j := range width {
				links = append(links, link(id(layer, i), id(layer+1, j), j))
			}
		}
	}
	return links
}

func TestWalkOfHostileGraphs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		links []tagview.Link
		steps int // -1: too many
	}{
		{"every tag of a complete graph comes once", layers(30, 3, ""), 90},
		{"filters make three to the power of thirty ways", layers(30, 3, "^a"), -1},
		{"a tag may have a thousand parents, and they as well", layers(2, 1000, ""), 2000},
		{"a thousand parents twice, filtered", layers(2, 1000, "^a"), -1},
		{"a chain of a thousand generations", layers(1000, 1, "^a"), 1000},
		{"a chain of ten thousand generations", layers(10_000, 1, "^a"), -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			steps, err := tagview.NewGraph(c.links).Inheritance(0)
			if c.steps < 0 {
				if !errors.Is(err, tagview.ErrTooManyWays) {
					t.Errorf("%d steps, %v; want %v", len(steps), err, tagview.ErrTooManyWays)
				}
				return
			}
			if err != nil || len(steps) != c.steps {
				t.Errorf("%d steps, %v; want %d", len(steps), err, c.steps)
			}
		})
	}
}

func TestReaderRefusesTooManyWays(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	m.do("tag t0")
	event := m.event("alice", "many links")
	m.exec("insert into tags (name, arches, create_event) select 't' || n, '{}', $1 from generate_series(1, 45) n", event)
	m.exec("insert into tag_config (tag_id, create_event) select id, $1 from tags where name <> 't0'", event)
	m.exec(`insert into tag_inheritance (tag_id, parent_id, priority, pkg_filter, create_event)
		select c.id, p.id, p.id, '^a', $1 from tags c join tags p on (p.id + 1) / 3 = (c.id + 1) / 3 + 1`, event)
	r := m.reader()
	tag, err := r.Tag(t.Context(), "t0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Builds(t.Context(), tag.ID, tagview.BuildQuery{Inherit: true}); !errors.Is(err, tagview.ErrTooManyWays) {
		t.Errorf("builds: %v", err)
	}
	m.exec("insert into packages (name) values ('foo')")
	if _, err := r.Explain(t.Context(), "t0", "foo"); !errors.Is(err, tagview.ErrTooManyWays) {
		t.Errorf("explain: %v", err)
	}
	last, err := r.Tag(t.Context(), "t45")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Descendants(t.Context(), last.ID); !errors.Is(err, tagview.ErrTooManyWays) {
		t.Errorf("descendants: %v", err)
	}
}

// Walks are the same for the same links, whatever they cost.
func BenchmarkWalk(b *testing.B) {
	for _, c := range []struct {
		name  string
		links []tagview.Link
	}{
		{"chain of 6", layers(6, 1, "")},
		{"30 layers of 3", layers(30, 3, "")},
		{"30 layers of 3, filtered", layers(30, 3, "^a")},
		{"2 layers of 1000", layers(2, 1000, "")},
		{"chain of 1000, filtered", layers(1000, 1, "^a")},
	} {
		g := tagview.NewGraph(c.links)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := g.Inheritance(0); err != nil && !errors.Is(err, tagview.ErrTooManyWays) {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestStepWithoutFiltersHasAnEmptyListOfThem(t *testing.T) {
	t.Parallel()
	g := tagview.NewGraph([]tagview.Link{{ChildID: 1, ParentID: 2}, {ChildID: 2, ParentID: 3}})
	for name, steps := range map[string][]tagview.Step{"up": g.Walk(1), "down": g.Descend(3)} {
		text, err := json.Marshal(steps)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(text), `"filter":[]`) != 2 {
			t.Errorf("%s: %s", name, text)
		}
	}
}
