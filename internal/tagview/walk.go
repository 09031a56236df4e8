package tagview

import (
	"context"
	"fmt"
	"slices"
)

// Step is a link as a walk meets it.
type Step struct {
	Link
	// CurrDepth is the distance from the start, 1 for its own parents.
	CurrDepth int32 `json:"currdepth"`
	// NextDepth is how many more generations may follow; nil is any number.
	NextDepth *int32 `json:"nextdepth"`
	// Filters are the patterns that a package's name must match to be
	// inherited through this link: its own and those of the links before it; none
	// is an empty list, not nil.
	Filters []string `json:"filter"`
	// Before is the index of the step that led to the child, -1 at the start.
	Before int `json:"-"`
}

// Walk returns the full inheritance of a tag: every ancestor in the order in
// which they count, depth first, parents by priority. A tag comes again when it
// is reached by a way that lets more through than those before (Koji's
// getFullInheritance). Loops end where they close. A walk that is too long ends
// where that is found; Inheritance makes an error of it.
func (g Graph) Walk(start int64) []Step {
	steps, _ := g.walk(start, func(Pruned) {})
	return steps
}

// Inheritance is Walk, or an error that is ErrTooManyWays.
func (g Graph) Inheritance(start int64) ([]Step, error) {
	steps, err := g.walk(start, func(Pruned) {})
	if err != nil {
		return nil, fmt.Errorf("tagview: walk from tag %d: %w", start, err)
	}
	return steps, nil
}

// Pruned is a link that a walk met and did not follow.
type Pruned struct {
	Link
	Reason PruneReason
}

// PruneReason says why a walk did not follow a link.
type PruneReason string

// The reasons.
const (
	PrunedLoop         PruneReason = "the parent is on the way already: a loop"
	PrunedIntransitive PruneReason = "the link is intransitive: only its own child inherits through it"
	PrunedDepth        PruneReason = "a maxdepth before it allows no further generation"
	PrunedSeen         PruneReason = "the parent was visited before by a way at least as good"
)

// Filters and depths make the number of ways through a graph grow exponentially
// with its size, and whoever may add links may try. A real distribution's walk
// has some hundred steps.
const (
	maxSteps = 20_000
	// maxGenerations is where Koji's recursion ends, too.
	maxGenerations = 1_000
	// maxWork bounds the links looked at and the filters gathered.
	maxWork = 2_000_000
)

// ErrTooManyWays says that there are more ways of inheritance from a tag than
// anybody needs.
var ErrTooManyWays = fmt.Errorf("there are more than %d ways of inheritance, or one of more than %d generations", maxSteps, maxGenerations)

func (g Graph) walk(start int64, pruned func(Pruned)) ([]Step, error) {
	w := newWalker(g, start)
	w.pruned = pruned
	err := w.visit(start, -1, nil, false, []string{})
	return w.steps, err
}

type walker struct {
	graph  Graph
	steps  []Step
	seen   map[int64][]visit
	way    map[int64]bool // the tags from the start to here
	work   int
	pruned func(Pruned)
}

func newWalker(g Graph, start int64) *walker {
	return &walker{graph: g, seen: map[int64][]visit{}, way: map[int64]bool{start: true}}
}

// look counts a link that is looked at.
func (w *walker) look(filters []string) error {
	if w.work += 1 + len(filters); w.work > maxWork || len(w.steps) >= maxSteps || len(w.way) > maxGenerations {
		return ErrTooManyWays
	}
	return nil
}

// through are the filters behind a link.
func through(filters []string, link Link) []string {
	if link.PkgFilter == "" {
		return filters
	}
	return append(slices.Clip(filters), link.PkgFilter)
}

// sees reports whether no earlier visit to a tag let as much through as one with
// these limits does, and notes this one.
func (w *walker) sees(tag int64, next *int32, noConfig bool, link Link, filters []string) bool {
	if slices.ContainsFunc(w.seen[tag], func(v visit) bool { return v.covers(next, noConfig) }) {
		return false
	}
	// What was filtered never covers anything.
	if len(filters) == 0 {
		w.seen[tag] = append(w.seen[tag], visit{nextDepth: next, noConfig: link.NoConfig})
	}
	return true
}

// visit is what an earlier, unfiltered step to a tag let through.
type visit struct {
	nextDepth *int32
	noConfig  bool
}

// covers reports whether an earlier visit let everything through that one with
// these limits would: then the tag is not visited again.
func (v visit) covers(next *int32, noConfig bool) bool {
	if v.nextDepth != nil && (next == nil || *v.nextDepth < *next) {
		return false
	}
	return !v.noConfig || noConfig
}

// visit follows the links of a tag. remaining is how many generations may
// follow, nil for any number.
func (w *walker) visit(tag int64, before int, remaining *int32, noConfig bool, filters []string) error {
	for _, link := range w.graph.parents[tag] {
		if err := w.look(filters); err != nil {
			return err
		}
		switch {
		case w.way[link.ParentID]:
			w.pruned(Pruned{link, PrunedLoop})
			continue
		case link.Intransitive && len(w.way) > 1:
			w.pruned(Pruned{link, PrunedIntransitive})
			continue
		}
		next := deeper(link.MaxDepth, remaining)
		// Koji leaves the flag on for the siblings that follow, too.
		noConfig = noConfig || link.NoConfig
		filters := through(filters, link)
		if !w.sees(link.ParentID, next, noConfig, link, filters) {
			w.pruned(Pruned{link, PrunedSeen})
			continue
		}
		w.steps = append(w.steps, Step{Link: link, CurrDepth: int32(len(w.way)), NextDepth: next, Filters: filters, Before: before})
		at := len(w.steps) - 1
		if next != nil && *next < 1 {
			for _, behind := range w.graph.parents[link.ParentID] {
				w.pruned(Pruned{behind, PrunedDepth})
			}
			continue
		}
		w.way[link.ParentID] = true
		if err := w.visit(link.ParentID, at, next, noConfig, filters); err != nil {
			return err
		}
		delete(w.way, link.ParentID)
	}
	return nil
}

// deeper is how many generations may follow a link's parent.
func deeper(maxDepth, remaining *int32) *int32 {
	switch {
	case maxDepth == nil && remaining == nil:
		return nil
	case maxDepth == nil:
		return new(*remaining - 1)
	case remaining == nil:
		return maxDepth
	}
	return new(min(*maxDepth, *remaining) - 1)
}

// Descend returns the tags that inherit from a tag, as Koji's reverse walk
// lists them: its children by priority, depth first. The depth a link allows
// counts only against its own distance, and intransitive links are listed but
// not followed.
func (g Graph) Descend(start int64) []Step {
	steps, _ := g.descend(start)
	return steps
}

func (g Graph) descend(start int64) ([]Step, error) {
	w := newWalker(g, start)
	err := w.descend(start, -1, false, []string{})
	return w.steps, err
}

func (w *walker) descend(tag int64, before int, noConfig bool, filters []string) error {
	for _, link := range w.graph.children[tag] {
		if err := w.look(filters); err != nil {
			return err
		}
		depth := int32(len(w.way))
		if w.way[link.ChildID] || link.MaxDepth != nil && *link.MaxDepth < depth-1 {
			continue
		}
		noConfig = noConfig || link.NoConfig
		filters := through(filters, link)
		if !w.sees(link.ChildID, nil, noConfig, link, filters) {
			continue
		}
		w.steps = append(w.steps, Step{Link: link, CurrDepth: depth, Filters: filters, Before: before})
		if link.Intransitive {
			continue
		}
		w.way[link.ChildID] = true
		if err := w.descend(link.ChildID, len(w.steps)-1, noConfig, filters); err != nil {
			return err
		}
		delete(w.way, link.ChildID)
	}
	return nil
}

// Inheritance returns the walk of a tag, or an error that is ErrTooManyWays.
func (r Reader) Inheritance(ctx context.Context, tagID int64) ([]Step, error) {
	g, err := r.Ancestry(ctx, tagID)
	if err != nil {
		return nil, err
	}
	return g.Inheritance(tagID)
}

// Descendants returns the reverse walk of a tag, or an error that is
// ErrTooManyWays.
func (r Reader) Descendants(ctx context.Context, tagID int64) ([]Step, error) {
	g, err := r.Progeny(ctx, tagID)
	if err != nil {
		return nil, err
	}
	steps, err := g.descend(tagID)
	if err != nil {
		return nil, fmt.Errorf("tagview: walk down from tag %d: %w", tagID, err)
	}
	return steps, nil
}

// chain is a tag followed by every parent of its walk, with repetitions.
func chain(tagID int64, steps []Step) []int64 {
	ids := make([]int64, 0, len(steps)+1)
	ids = append(ids, tagID)
	for _, step := range steps {
		ids = append(ids, step.ParentID)
	}
	return ids
}

// distinct returns the ids of a chain once each, in order.
func distinct(ids []int64) []int64 {
	var once []int64
	seen := map[int64]bool{}
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			once = append(once, id)
		}
	}
	return once
}
