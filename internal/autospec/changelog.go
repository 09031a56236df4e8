package autospec

import "strings"

// changelogRole is what a commit is to the changelog.
type changelogRole int

const (
	// plainChange has its entry before those of the parent it follows.
	plainChange changelogRole = iota
	// fileChange changes the changelog file, which is the changelog from there
	// on down.
	fileChange
	// unresolvableMerge has an entry that says so, and none after it.
	unresolvableMerge
)

// visitChangelog finds a commit's role.
func (w *walker) visitChangelog(at int) {
	n, commit := &w.nodes[at], &w.h.Commits[at]
	wanted, removedLater := at == 0, w.removedLater(n)
	for _, child := range n.children {
		wanted = wanted || w.nodes[child].changelogGoesOn
	}
	changed, removed := commit.ChangelogBlob != "" || len(n.parents) > 0, false
	for _, parent := range n.parents {
		before := w.h.Commits[parent].ChangelogBlob
		removed = removed || before != "" && commit.ChangelogBlob == ""
		changed = changed && before != commit.ChangelogBlob
	}
	switch {
	case len(n.parents) > 1 && w.follows(at) < 0 && !changed:
		n.changelog = unresolvableMerge
	case changed && commit.ChangelogBlob != "":
		n.changelog = fileChange
	}
	n.entriesEnd = removedLater
	n.changelogGoesOn = wanted && n.changelog == plainChange
	n.changelogRemoved = !(changed && commit.ChangelogBlob != "") && (removedLater || removed)
}

// removedLater reports whether the changelog file was removed in every child
// that matters, or after it.
func (w *walker) removedLater(n *node) bool {
	removed, any := true, false
	for _, child := range n.children {
		if c := &w.nodes[child]; c.matters {
			any = true
			removed = removed && c.changelogRemoved
		}
	}
	return any && removed
}

// follows is the parent whose changelog a commit continues; -1 for none. A merge
// follows the first parent with the same files.
func (w *walker) follows(at int) int {
	n := &w.nodes[at]
	if len(n.parents) == 1 {
		return n.parents[0]
	}
	for _, parent := range n.parents {
		if w.h.Commits[parent].Tree == w.h.Commits[at].Tree {
			return parent
		}
	}
	return -1
}

// addEntry makes a commit's entry and joins it to the older ones.
func (w *walker) addEntry(at int, skip bool) {
	n, commit := &w.nodes[at], &w.h.Commits[at]
	switch n.changelog {
	case unresolvableMerge:
		n.has(withItems(heading(*commit, n.version, n.release), []string{unresolvable}))
		return
	case fileChange:
		if !n.entriesEnd {
			n.has(strings.ToValidUTF8(string(w.h.Blobs[commit.ChangelogBlob]), "\uFFFD"))
		}
		return
	}
	if parent := w.follows(at); parent >= 0 && w.nodes[parent].matters {
		n.next = &w.nodes[parent]
		skip = skip || len(n.parents) > 1
	}
	if !skip {
		n.has(entry(*commit, n.version, n.release))
	}
}

// has gives a commit its entry.
func (n *node) has(entry string) { n.own = &entry }
