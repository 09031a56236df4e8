package autospec

import (
	"context"
	"errors"
	"fmt"
)

// Lookup returns what the spec of a commit says. It is not asked about commits
// without a spec.
type Lookup func(ctx context.Context, commit *Commit) (Version, error)

// Result is what the newest commit of a history comes to.
type Result struct {
	// Version is what its spec says.
	Version Version
	// Number is what %autorelease counts from 1, before -b is applied.
	Number int
	// Release is the release without the distribution: with -p, -b, -e and -s.
	Release string
	// Entries are the changelog's, the newest first, and at the end perhaps the
	// text of the changelog file; nil unless asked for.
	Entries []string
}

// Walk computes the release of the newest commit, and its changelog if asked
// for. It looks up only the specs it needs, newest first as far as merges
// permit. Errors are lookup's, the context's, or about the history's shape.
//
// The commits are gone through twice, as in rpmautospec: down from the newest,
// each after all its children, to find those that matter; and up again.
func Walk(ctx context.Context, h *History, withChangelog bool, lookup Lookup) (Result, error) {
	index, err := h.index()
	if err != nil {
		return Result{}, fmt.Errorf("autospec: %w", err)
	}
	w := &walker{ctx: ctx, h: h, lookup: lookup, withChangelog: withChangelog, nodes: make([]node, len(h.Commits)), versions: make([]*Version, len(h.Commits))}
	for i := range h.Commits {
		for _, parent := range h.Commits[i].Parents {
			at := index[parent]
			w.nodes[i].parents = append(w.nodes[i].parents, at)
			w.nodes[at].children = append(w.nodes[at].children, i)
		}
	}
	if err := w.down(); err != nil {
		return Result{}, fmt.Errorf("autospec: %w", err)
	}
	for i := len(w.order) - 1; i >= 0; i-- {
		w.up(w.order[i])
	}
	head := w.nodes[0]
	version, err := w.version(0)
	if err != nil {
		return Result{}, fmt.Errorf("autospec: %w", err)
	}
	return Result{Version: version, Number: head.number, Release: head.release, Entries: head.list()}, nil
}

// walker is the state of a Walk. Commits are named by their places.
type walker struct {
	//nolint:containedctx // a walk is one call
	ctx           context.Context
	h             *History
	lookup        Lookup
	withChangelog bool
	nodes         []node
	versions      []*Version
	// order has the commits that were visited, children before parents.
	order []int
}

// node is what is known of a commit.
type node struct {
	parents, children []int
	visited, matters  bool

	// goOn says, for the release and for the changelog, that parents matter.
	goOn, changelogGoesOn bool
	// changelogRemoved says that the changelog file, which is in an ancestor,
	// was removed in this commit or a later one; known only where it matters.
	changelogRemoved bool
	changelog        changelogRole
	// entriesEnd says that the changelog file, which makes this commit's
	// changelog, was removed later.
	entriesEnd bool

	number  int
	version string
	release string
	own     *string // its entry; nil for none
	next    *node   // where older entries are
}

// list are a node's entries, newest first.
func (n *node) list() []string {
	var entries []string
	for ; n != nil; n = n.next {
		if n.own != nil {
			entries = append(entries, *n.own)
		}
	}
	return entries
}

// maxSteps bounds how often a walk may put commits aside until their children
// are visited. A history of many thousand merges needs fewer.
const maxSteps = 20_000_000

// down visits the commits: first parents first; a commit with a child that was
// not visited yet is put aside. A line of commits that came to its end stays at
// it: what is below is passed through, and what else leads there has begun
// before or is another line.
func (w *walker) down() error {
	lines, steps := []int{0}, 0
	for len(lines) > 0 {
		at := lines[0]
		lines = lines[1:]
		for matters := true; !w.nodes[at].visited; {
			if steps++; steps > maxSteps {
				return errors.New("its merges are too many to follow")
			}
			if steps%1024 == 0 && w.ctx.Err() != nil {
				return context.Cause(w.ctx)
			}
			n := &w.nodes[at]
			if at != 0 && !w.childrenVisited(n) {
				lines = append(lines, at)
				break
			}
			matters = matters && (at == 0 || w.wanted(n))
			if err := w.visit(at, matters); err != nil {
				return err
			}
			if len(n.parents) == 0 {
				break
			}
			for _, parent := range n.parents[1:] {
				if !w.nodes[parent].visited {
					lines = append(lines, parent)
				}
			}
			at = n.parents[0]
		}
	}
	return nil
}

func (w *walker) childrenVisited(n *node) bool {
	for _, child := range n.children {
		if !w.nodes[child].visited {
			return false
		}
	}
	return true
}

// wanted reports whether a child needs its parents.
func (w *walker) wanted(n *node) bool {
	for _, child := range n.children {
		if w.nodes[child].goOn || w.nodes[child].changelogGoesOn {
			return true
		}
	}
	return false
}

// visit finds out whether a commit's parents matter.
func (w *walker) visit(at int, matters bool) (err error) {
	n := &w.nodes[at]
	n.visited = true
	if !matters {
		return nil
	}
	n.matters = true
	w.order = append(w.order, at)
	if n.goOn, err = w.sameVersion(at); err != nil {
		return err
	}
	if w.withChangelog {
		w.visitChangelog(at)
	}
	return nil
}

// version is what a commit's spec says, looked up once.
func (w *walker) version(at int) (Version, error) {
	if w.versions[at] != nil {
		return *w.versions[at], nil
	}
	version := Version{Error: "there is no spec"}
	if commit := &w.h.Commits[at]; commit.SpecBlob != "" {
		var err error
		if version, err = w.lookup(w.ctx, commit); err != nil {
			return Version{}, err
		}
	}
	w.versions[at] = &version
	return version, nil
}

// sameVersion reports whether a commit's release counts on from a parent's: one
// has the same epoch and version, or it is not known what one of them has.
func (w *walker) sameVersion(at int) (bool, error) {
	own, err := w.version(at)
	if err != nil || own.EpochVersion == "" {
		return true, err
	}
	same := false
	for _, parent := range w.nodes[at].parents {
		version, err := w.version(parent)
		if err != nil || version.EpochVersion == "" {
			return true, err
		}
		same = same || version.EpochVersion == own.EpochVersion
	}
	return same, nil
}

// up computes what a commit comes to from what its parents came to.
func (w *walker) up(at int) {
	n, commit := &w.nodes[at], &w.h.Commits[at]
	version := *w.versions[at]
	n.version = version.EpochVersion
	for _, parent := range n.parents {
		p := &w.nodes[parent]
		if p.matters && (n.version == "" || p.version == "" || p.version == n.version) {
			n.number = max(n.number, p.number)
		}
	}
	if commit.SpecBlob != "" {
		n.number++
	}
	found := readComments(commit.Message)
	n.number = max(n.number, found.bumpRelease)
	n.release = version.options().complete(n.number)
	if w.withChangelog {
		w.addEntry(at, found.skipChangelog || commit.SpecBlob == "")
	}
}
