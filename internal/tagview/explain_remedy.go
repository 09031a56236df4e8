package tagview

import (
	"fmt"
	"maps"
	"slices"
)

// fix is a link that is added, or one that is changed, and the advice to do it.
type fix struct {
	link   Link
	change func(*Link) // nil when the link is added
	advice Advice
}

// mostFixes is how many links an advice changes; who would have to change more
// is better served otherwise.
const mostFixes = 5

// remedy returns the commands that let the package through from a tag, all of
// which are needed, or nil when a few changes of links don't suffice. They are
// tried on the graph, so that no advice leaves the answer what it is. former is a
// removed link that is to be there again, nil for none.
func (x *explainer) remedy(holder int64, former *SkippedLink) []Advice {
	var fixes []fix
	if former != nil {
		fixes = append(fixes, fix{
			link:   Link{ChildID: x.idOf(former.Child), Child: former.Child, ParentID: x.idOf(former.Parent), Parent: former.Parent},
			advice: Advice{x.command("add-inheritance", former.Child, former.Parent), fmt.Sprintf("makes %s inherit from %s again", former.Child, former.Parent)},
		})
	}
	for !x.cures(fixes, holder) {
		next, ok := x.nextFix(fixes, holder)
		if !ok || len(fixes) == mostFixes {
			return nil
		}
		fixes = append(fixes, next)
	}
	for i := 0; i < len(fixes); { // A later one may have made another superfluous.
		if without := slices.Delete(slices.Clone(fixes), i, i+1); x.cures(without, holder) {
			fixes = without
		} else {
			i++
		}
	}
	var advice []Advice
	for i, f := range fixes {
		if i > 0 {
			f.advice.Effect = "and " + f.advice.Effect
		}
		advice = append(advice, f.advice)
	}
	if !x.buildsIn(fixes) {
		advice = append(advice, x.tagging("and"))
	}
	return advice
}

// buildsIn reports whether a complete build of the package, or the build that was
// asked for, is in one of the tags to which the walk then comes.
func (x *explainer) buildsIn(fixes []fix) bool {
	if x.hasBuild() {
		return true
	}
	steps, _ := x.with(fixes).walk(x.tag.ID, func(Pruned) {})
	return slices.ContainsFunc(steps, func(s Step) bool {
		if x.Build == nil {
			return x.completeBeyond[s.ParentID]
		}
		return slices.ContainsFunc(x.history, func(h buildTagging) bool { return h.Valid && h.Tag == s.ParentID })
	})
}

// with is the graph as it would be.
func (x *explainer) with(fixes []fix) Graph {
	g := Graph{parents: maps.Clone(x.graph.parents)}
	for _, f := range fixes {
		links := slices.Clone(g.parents[f.link.ChildID])
		if f.change == nil {
			links = append(links, f.link)
		}
		for i := range links {
			if f.change != nil && links[i].ParentID == f.link.ParentID {
				f.change(&links[i])
			}
		}
		g.parents[f.link.ChildID] = links
	}
	return g
}

// cures reports whether the walk then comes to a tag, and the package is listed.
func (x *explainer) cures(fixes []fix, holder int64) bool {
	steps, err := x.with(fixes).walk(x.tag.ID, func(Pruned) {})
	if err != nil || !slices.ContainsFunc(steps, func(s Step) bool { return s.ParentID == holder }) {
		return false
	}
	if entry, ok := x.entries[x.tag.ID]; ok {
		return !entry.Blocked
	}
	match := filters{}
	for i, s := range steps {
		entry, ok := x.entries[s.ParentID]
		if !ok {
			continue
		}
		if stop, err := match.pass(x.Package, steps, i); err == nil && stop == nil {
			return !entry.Blocked
		}
	}
	return false
}

// nextFix removes what is next on the way to a tag: a filter when the walk comes
// there, otherwise a link that it does not follow.
func (x *explainer) nextFix(fixes []fix, holder int64) (f fix, ok bool) {
	g := x.with(fixes)
	var pruned []Pruned
	steps, err := g.walk(x.tag.ID, func(p Pruned) { pruned = append(pruned, p) })
	if err != nil {
		return fix{}, false
	}
	if at := slices.IndexFunc(steps, func(s Step) bool { return s.ParentID == holder }); at >= 0 {
		stop, err := filters{}.pass(x.Package, steps, at)
		if err != nil || stop == nil {
			return fix{}, false
		}
		return x.fixFilter(steps, at, stop), true
	}
	for _, p := range pruned {
		if !g.leads(p.ParentID, holder) {
			continue
		}
		switch p.Reason {
		case PrunedIntransitive:
			return fix{
				link:   Link{ChildID: x.tag.ID, Child: x.Tag, ParentID: p.ParentID, Parent: p.Parent},
				advice: Advice{x.command("add-inheritance", x.Tag, p.Parent), fmt.Sprintf("makes %s inherit from %s itself", x.Tag, p.Parent)},
			}, true
		case PrunedDepth:
			return x.fixDepth(depthLimit(steps, p.ChildID)), true
		}
	}
	return fix{}, false
}

func (x *explainer) fixDepth(limit Link) fix {
	return fix{link: limit, change: func(l *Link) { l.MaxDepth = nil }, advice: Advice{
		x.command("edit-inheritance", limit.Child, limit.Parent, "--maxdepth any"),
		fmt.Sprintf("lets any number of generations through, now %d; a larger number may do", *limit.MaxDepth),
	}}
}

func (x *explainer) fixFilter(steps []Step, at int, stop *Stop) fix {
	f := fix{change: func(l *Link) { l.PkgFilter = "" }, advice: Advice{
		x.command("edit-inheritance", stop.Child, stop.Parent, "--pkg-filter PATTERN"),
		fmt.Sprintf("changes the filter for all packages: PATTERN is one that matches %s", x.Package),
	}}
	for ; at >= 0; at = steps[at].Before {
		if s := steps[at]; s.Child == stop.Child && s.Parent == stop.Parent {
			f.link = s.Link
		}
	}
	return f
}

// leads reports whether links lead from a tag to another one, or it is that.
func (g Graph) leads(from, to int64) bool {
	queue, seen := []int64{from}, map[int64]bool{from: true}
	for ; len(queue) > 0; queue = queue[1:] {
		if queue[0] == to {
			return true
		}
		for _, link := range g.parents[queue[0]] {
			if !seen[link.ParentID] {
				seen[link.ParentID] = true
				queue = append(queue, link.ParentID)
			}
		}
	}
	return false
}

// depthLimit is the link that keeps a walk from going on behind a tag.
func depthLimit(steps []Step, tag int64) Link {
	at := slices.IndexFunc(steps, func(s Step) bool { return s.ParentID == tag && s.NextDepth != nil && *s.NextDepth < 1 })
	limit := steps[at].Link
	for far := int32(0); at >= 0; at, far = steps[at].Before, far+1 {
		// Koji counts the first limit of a way from its parent, later ones from
		// their child.
		if depth := steps[at].MaxDepth; depth != nil && *depth-far < 1+min(1, steps[at].CurrDepth-1) {
			return steps[at].Link
		} else if depth != nil {
			limit = steps[at].Link
		}
	}
	return limit
}
