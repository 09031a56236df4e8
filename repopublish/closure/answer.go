package closure

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/solv"
)

// answers returns a function that says whether available packages meet a
// requirement; each is looked at once.
func (c *checker) answers(available []bool) func(requirement int32) solv.Answer {
	have := func(pkg int32) bool { return available[pkg] }
	const unknown = -1
	known := make([]solv.Answer, len(c.requirements))
	for i := range known {
		known[i] = unknown
	}
	return func(r int32) solv.Answer {
		if known[r] == unknown {
			known[r] = c.requirements[r].Answer(have)
		}
		return known[r]
	}
}

// solve decides requirements that are met only as long as something else is not
// installed: by installing the packages, and where that does not tell, by what
// they need.
func (c *checker) solve(ctx context.Context, conditional []asked, combination int, available []bool, answers func(int32) solv.Answer) error {
	if len(conditional) == 0 {
		return nil
	}
	unmet, undecided, err := c.install(ctx, conditional, available)
	if err != nil {
		return err
	}
	contradictions, err := c.contradictions(ctx, undecided, available, answers)
	if err != nil {
		return err
	}
	for _, a := range append(unmet, contradictions...) {
		c.unmet(a, combination, available)
	}
	return nil
}

// install tries to install the packages. Undecided is what belongs to packages that
// can't be installed for another reason, and to source packages.
func (c *checker) install(ctx context.Context, conditional []asked, available []bool) (unmet, undecided []asked, err error) {
	type key struct {
		repo  string
		nevra rpmfile.NEVRA
	}
	left := make(map[key]bool, len(available))
	for i, p := range c.packages {
		if available[i] {
			left[key{c.repos[p.repo].Name, p.NEVRA}] = true
		}
	}
	c.pool.Exclude(func(repo string, nevra rpmfile.NEVRA) bool { return !left[key{repo, nevra}] })
	defer c.pool.Exclude(func(string, rpmfile.NEVRA) bool { return false })
	for _, a := range conditional {
		p := c.packages[a.pkg]
		if isSource(p.Arch) {
			undecided = append(undecided, a)
			continue
		}
		_, err := c.pool.Solve(ctx, []solv.Job{{NEVRA: p.NEVRA}}, solv.Options{})
		var impossible *solv.UnsolvableError
		switch {
		case err == nil:
		case !errors.As(err, &impossible):
			return nil, nil, fmt.Errorf("closure: %s: %w", p.NEVRA, err)
		case blames(impossible, p.NEVRA, c.requirements[a.requirement].Name):
			unmet = append(unmet, a)
		default:
			undecided = append(undecided, a)
		}
	}
	return unmet, undecided, nil
}

// blames says whether the requirement of the package is part of why it can't be
// installed.
func blames(err *solv.UnsolvableError, pkg rpmfile.NEVRA, requirement string) bool {
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	for _, problem := range err.Problems {
		for _, rule := range problem.Rules {
			if rule.Source == pkg && squeeze(rule.Dependency) == squeeze(requirement) {
				return true
			}
		}
	}
	return false
}
