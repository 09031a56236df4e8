package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/distbot/distbot/internal/tagview"
)

// linkFlags are the flags of a link as Koji prints them: M maxdepth, F
// pkg_filter, I intransitive, N noconfig, a dot for each it has not.
func linkFlags(link tagview.Link) string {
	mark := func(set bool, letter string) string {
		if set {
			return letter
		}
		return "."
	}
	return mark(link.MaxDepth != nil, "M") + mark(link.PkgFilter != "", "F") + mark(link.Intransitive, "I") + mark(link.NoConfig, "N")
}

// writeTree prints a walk, or a reverse one, as Koji's list-tag-inheritance does:
// the tag, then a line for each step with the flags of its link, indented by its
// depth.
func writeTree(w io.Writer, tag tagview.Tag, steps []tagview.Step, reverse bool) error {
	// The last step from each parent step closes its branch.
	last := map[int]int{}
	for i, step := range steps {
		last[step.Before] = i
	}
	lines := []string{fmt.Sprintf("%s (%d)", tag.Name, tag.ID)}
	margins := make([]string, len(steps))
	for i, step := range steps {
		margin, branch, below := "", "├─", "│  "
		if step.Before >= 0 {
			margin = margins[step.Before]
		}
		if last[step.Before] == i {
			branch, below = "└─", "   "
		}
		margins[i] = margin + below
		name, id := step.Parent, step.ParentID
		if reverse {
			name, id = step.Child, step.ChildID
		}
		lines = append(lines, fmt.Sprintf("%s  %s%s%s (%d)", linkFlags(step.Link), margin, branch, name, id))
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}
