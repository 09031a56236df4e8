package tags_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/tags"
)

// An oracle of the walk, written from Koji's rules without recursion state: it
// lists all ways through a graph first, and drops those that don't count.

// way is a series of links, each from the parent of the one before.
type way []tagview.Link

func (w way) last() tagview.Link { return w[len(w)-1] }

// visits reports whether a way comes by a tag, its start included.
func (w way) visits(start, tag int64) bool {
	return tag == start || slices.ContainsFunc(w, func(l tagview.Link) bool { return l.ParentID == tag })
}

// remaining is how many generations may follow a way; many without a limit.
// The first limit counts from its parent, each further link costs one.
func (w way) remaining() int {
	const many = 1_000_000
	left := many
	for _, l := range w {
		switch {
		case l.MaxDepth == nil && left != many:
			left--
		case l.MaxDepth != nil && left == many:
			left = int(*l.MaxDepth)
		case l.MaxDepth != nil:
			left = min(left, int(*l.MaxDepth)) - 1
		}
	}
	return left
}

// follows reports whether a link may be added to a way.
func (w way) follows(start int64, l tagview.Link) bool {
	switch {
	case w.visits(start, l.ParentID):
		return false
	case len(w) == 0:
		return l.ChildID == start
	}
	return l.ChildID == w.last().ParentID && !l.Intransitive
}

// waysFrom lists all ways that loops, intransitive links and depths permit, by
// the priorities of their links.
func waysFrom(start int64, links []tagview.Link) []way {
	var all []way
	for queue := []way{nil}; len(queue) > 0; queue = queue[1:] {
		w := queue[0]
		if len(w) > 0 {
			all = append(all, w)
			if w.remaining() < 1 {
				continue
			}
		}
		for _, l := range links {
			if w.follows(start, l) {
				queue = append(queue, append(slices.Clone(w), l))
			}
		}
	}
	slices.SortFunc(all, func(a, b way) int {
		return slices.CompareFunc(a, b, func(a, b tagview.Link) int { return cmp.Compare(a.Priority, b.Priority) })
	})
	return all
}

// noConfig is Koji's flag: on behind a link that has it, and behind those with
// higher priorities of the same child.
func (w way) noConfig(start int64, links []tagview.Link) bool {
	for i, l := range w {
		for _, sibling := range links {
			if sibling.ChildID == l.ChildID && sibling.Priority <= l.Priority && sibling.NoConfig && w[:i].follows(start, sibling) {
				return true
			}
		}
	}
	return false
}

func (w way) filtered() bool {
	return slices.ContainsFunc(w, func(l tagview.Link) bool { return l.PkgFilter != "" })
}

// walkOracle drops ways to tags that were visited before by a better one, and
// all that go on from those.
func walkOracle(start int64, links []tagview.Link) []way {
	var kept []way
	for _, w := range waysFrom(start, links) {
		isKept := func(prefix way) bool {
			return slices.ContainsFunc(kept, func(k way) bool { return slices.Equal(k, prefix) })
		}
		if len(w) > 1 && !isKept(w[:len(w)-1]) {
			continue
		}
		better := func(k way) bool {
			return k.last().ParentID == w.last().ParentID && !k.filtered() && k.remaining() >= w.remaining() &&
				(!k.last().NoConfig || w.noConfig(start, links))
		}
		if !slices.ContainsFunc(kept, better) {
			kept = append(kept, w)
		}
	}
	return kept
}

func (w way) String() string {
	text := ""
	for _, l := range w {
		text += fmt.Sprintf(" %s->%s", l.Child, l.Parent)
	}
	return text
}

func TestWalkAgreesWithAnOracle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newSeed(t))
	w.only = "link"
	longest, again := 0, 0
	for range 25 {
		for changed := 0; changed < 8; {
			if w.step(t) != 0 {
				changed++
			}
		}
		links := w.links(t)
		for _, name := range w.tags {
			tag, err := w.now().Tag(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			steps, err := w.now().Inheritance(t.Context(), tag.ID)
			if err != nil {
				t.Fatal(err)
			}
			oracle := walkOracle(tag.ID, links)
			compareWalks(t, name, steps, oracle)
			longest = max(longest, len(steps))
			again = max(again, len(steps)-len(distinctParents(steps)))
		}
	}
	if longest < 6 || again == 0 {
		t.Errorf("the longest walk had %d steps, %d of them to tags visited before", longest, again)
	}
}

func distinctParents(steps []tagview.Step) map[int64]bool {
	parents := map[int64]bool{}
	for _, s := range steps {
		parents[s.ParentID] = true
	}
	return parents
}

// compareWalks compares the way to each step with the oracle's, and what is said
// of the step with its way.
func compareWalks(t *testing.T, tag string, steps []tagview.Step, oracle []way) {
	t.Helper()
	var got, want []string
	for i := range steps {
		var w way
		for at := i; at >= 0; at = steps[at].Before {
			w = append(way{steps[at].Link}, w...)
		}
		got = append(got, w.String())
		var patterns []string
		for _, l := range w {
			if l.PkgFilter != "" {
				patterns = append(patterns, l.PkgFilter)
			}
		}
		if s := steps[i]; int(s.CurrDepth) != len(w) || !slices.Equal(s.Filters, patterns) || s.NextDepth != nil && int(*s.NextDepth) != w.remaining() {
			t.Errorf("%s:%s has depth %d, next %v, filters %q; the way says %d, %d, %q", tag, w, s.CurrDepth, s.NextDepth, s.Filters, len(w), w.remaining(), patterns)
		}
	}
	for _, w := range oracle {
		want = append(want, w.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("walk of %s:\n%q\nthe oracle says:\n%q", tag, got, want)
	}
}

// links reads all links without tagview.
func (w *world) links(t *testing.T) []tagview.Link {
	t.Helper()
	var links []tagview.Link
	for _, r := range w.rows(t, `select i.tag_id, c.name, i.parent_id, p.name, i.priority, i.maxdepth, i.intransitive, i.noconfig, i.pkg_filter
		from tag_inheritance i join tags c on c.id = i.tag_id join tags p on p.id = i.parent_id where i.revoke_event is null`) {
		l := tagview.Link{
			ChildID: r[0].(int64), Child: r[1].(string), ParentID: r[2].(int64), Parent: r[3].(string), Priority: r[4].(int32),
			Intransitive: r[6].(bool), NoConfig: r[7].(bool), PkgFilter: r[8].(string),
		}
		if depth, ok := r[5].(int32); ok {
			l.MaxDepth = &depth
		}
		links = append(links, l)
	}
	return links
}

// Layers of three tags that inherit from all of the next layer, each link with a
// filter, have three times as many ways with every layer.
func TestALinkThatMakesTooManyWaysIsNotAdded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newSeed(t))
	name := func(layer, i int) string { return fmt.Sprintf("layer%d-%d", layer, i) }
	const layers = 11
	for layer := range layers {
		for i := range 3 {
			w.must(t, "add tag", func(ctx context.Context, e *tags.Edit) error {
				return e.AddTag(ctx, tags.NewTag{Name: name(layer, i)})
			})
		}
	}
	var refused error
	links := 0
	for layer := 0; layer < layers-1 && refused == nil; layer++ {
		for at := 0; at < 9 && refused == nil; at++ {
			child, parent := name(layer, at/3), name(layer+1, at%3)
			_, refused = w.editor.Do(t.Context(), "kojiadmin", "add link", func(e *tags.Edit) error {
				return e.AddLink(t.Context(), child, parent, tags.LinkConfig{Priority: int32(at % 3), PkgFilter: "^a"})
			})
			if refused == nil {
				links++
			}
		}
	}
	var refusal *tags.RefusedError
	if !errors.Is(refused, tagview.ErrTooManyWays) || !errors.As(refused, &refusal) || refusal.Fault != tags.FaultGeneric {
		t.Fatalf("after %d links: %v, want %v", links, refused, tagview.ErrTooManyWays)
	}
	if got := len(w.links(t)); got != links {
		t.Errorf("there are %d links, %d were added", got, links)
	}
	top, err := w.now().Tag(t.Context(), name(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.now().Inheritance(t.Context(), top.ID); err != nil {
		t.Errorf("the tag can't be read any more: %v", err)
	}
}
