package closure

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/rpmfile"
)

const (
	// maxNearest is how many suggestions a problem has.
	maxNearest = 3
	// maxSought is for how many requirements something similar is sought.
	maxSought = 200
)

// report adds the problems to a report.
func (c *checker) report(ctx context.Context, r *Report) error {
	c.listed = c.index.ByArtifact()
	sought := map[int32][]string{}
	// In order: which of too many requirements something is sought for must not
	// depend on chance.
	order := slices.SortedFunc(maps.Keys(c.problems), func(a, b asked) int {
		return cmp.Or(cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.requirement, b.requirement))
	})
	for _, a := range order {
		p, w := c.packages[a.pkg], c.problems[a]
		problem := Problem{
			Package: p.NEVRA, Repo: c.repos[p.repo].Name, Machine: c.machine, Requirement: c.requirements[a.requirement].String(),
			Always: len(w.combinations) == c.seenIn[a.pkg], Combinations: []string{}, Nearest: []string{},
		}
		for _, i := range w.combinations {
			problem.Combinations = append(problem.Combinations, c.combinations[i].String())
		}
		for _, id := range w.hidden {
			problem.Nearest = append(problem.Nearest, c.why(id))
		}
		if len(w.hidden) == 0 {
			nearest, known := sought[a.requirement]
			if !known && len(sought) < maxSought {
				var err error
				if nearest, err = c.pool.Nearest(ctx, problem.Requirement); err != nil {
					return fmt.Errorf("closure: %w", err)
				}
				sought[a.requirement] = nearest
			}
			problem.Nearest = append(problem.Nearest, nearest...)
		}
		r.Problems = append(r.Problems, problem)
	}
	return nil
}

// why says why a package that would do is not seen.
func (c *checker) why(id int32) string {
	p := c.packages[id]
	text := p.String() + " of " + c.repos[p.repo].Name + " would do, but "
	docs := c.listed[modulemd.FormatArtifact(p.NEVRA)]
	var streams []string
	for _, combination := range c.combinations {
		for _, active := range combination.Active {
			if slices.ContainsFunc(docs, func(d *modulemd.Stream) bool { return slices.Contains(active.Documents, d) }) {
				streams = append(streams, active.String())
			}
		}
	}
	slices.Sort(streams)
	streams = slices.Compact(streams)
	switch {
	case len(streams) > 0:
		return text + "is seen only when " + strings.Join(streams, " or ") + " is active"
	case len(docs) > 0:
		return text + "belongs to " + docs[0].NameStream() + ", which can't be active"
	case c.opts.Newest || c.opts.Best:
		return text + "is hidden by a newer version or a module"
	}
	return text + "a module hides packages that are called like its own or provide such a name"
}

func (r *Report) sort() {
	slices.SortFunc(r.Problems, func(a, b Problem) int {
		return cmp.Or(
			strings.Compare(a.Package.Name, b.Package.Name), rpmfile.CompareEVR(a.Package, b.Package),
			strings.Compare(a.Package.String(), b.Package.String()), strings.Compare(a.Repo, b.Repo),
			strings.Compare(a.Machine, b.Machine), strings.Compare(a.Requirement, b.Requirement),
		)
	})
}
