package closure

import (
	"context"
	"fmt"
	"slices"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/solv"
)

// Check checks repositories that a client has enabled all at once. The error is
// the context's, or says which repository can't be read, or wraps
// modulemd.ErrTooLarge when there are too many combinations of streams.
func Check(ctx context.Context, repos []Repo, opts Options) (Report, error) {
	index, clashes, err := unite(repos)
	if err != nil {
		return Report{}, fmt.Errorf("closure: %w", err)
	}
	report := Report{Machines: []string{}, Problems: []Problem{}, Findings: append([]modulemd.Finding{}, clashes...)}
	machine := opts.Machine
	if machine == "" {
		if machine, err = guess(ctx, repos); err != nil {
			return Report{}, err
		}
	}
	done := map[string]bool{}
	for todo := []string{machine}; len(todo) > 0; todo = todo[1:] {
		if done[todo[0]] {
			continue
		}
		found, err := report.checkMachine(ctx, todo[0], repos, index, opts)
		if err != nil {
			return Report{}, err
		}
		done[todo[0]] = true
		if opts.Machine == "" {
			todo = append(todo, found...)
		}
	}
	report.sort()
	return report, nil
}

// checkMachine checks what can be installed on a machine; nothing where a
// guess was wrong and the packages are for others. It returns the machines that
// the packages to be checked are for.
func (r *Report) checkMachine(ctx context.Context, machine string, repos []Repo, index *modulemd.Index, opts Options) ([]string, error) {
	u, err := load(ctx, machine, repos, artifactNames(index))
	if err != nil {
		return nil, err
	}
	defer u.pool.Close()
	found := arches{}
	for _, p := range u.packages {
		if repos[p.repo].Check {
			found.add(p.Arch)
		}
	}
	machines := found.machines()
	if opts.Machine == "" && !slices.Contains(machines, machine) {
		return machines, nil
	}
	combinations, findings, err := modulemd.Combinations(usable(index, u.pool), modulemd.ActivationOptions{Platform: opts.Platform})
	if err != nil {
		return nil, fmt.Errorf("closure: %w", err)
	}
	c := &checker{
		universe: u, index: index, opts: opts, combinations: combinations,
		problems: map[asked]*where{}, seenIn: make([]int, len(u.packages)),
	}
	c.chosen, err = c.choose()
	if err != nil {
		return nil, err
	}
	for i := range combinations {
		if err := c.check(ctx, i); err != nil {
			return nil, err
		}
	}
	r.Machines = append(r.Machines, machine)
	r.Combinations += len(combinations)
	r.Findings = append(r.Findings, findings...)
	for _, n := range c.seenIn {
		if n > 0 {
			r.Packages++
		}
	}
	return machines, c.report(ctx, r)
}

// asked is a requirement of a package, by their numbers.
type asked struct{ pkg, requirement int32 }

// where are the combinations in which it is not met.
type where struct {
	combinations []int
	// hidden are packages that would meet it but are hidden in one of these.
	hidden []int32
}

// checker checks the packages of one machine.
type checker struct {
	*universe
	index        *modulemd.Index
	opts         Options
	combinations []modulemd.Combination
	chosen       []bool // packages that are checked where they can be seen
	seenIn       []int  // in how many combinations each of them was
	problems     map[asked]*where
	listed       map[string][]*modulemd.Stream // by artifact
}

// check checks what a client sees in one combination.
func (c *checker) check(ctx context.Context, combination int) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	seen := c.visible(c.index, c.combinations[combination])
	available, check := seen, seen
	if c.opts.Newest {
		available = c.newest(seen, true)
		check = available
	}
	if c.opts.Best {
		available = c.newest(available, false)
	}
	answers := c.answers(available)
	var conditional []asked
	for i, p := range c.packages {
		if !check[i] || !c.chosen[i] {
			continue
		}
		c.seenIn[i]++
		for _, r := range p.requires {
			switch a := (asked{int32(i), r}); answers(r) {
			case solv.Unmet:
				c.unmet(a, combination, available)
			case solv.Conditional:
				conditional = append(conditional, a)
			}
		}
	}
	return c.solve(ctx, conditional, combination, available, answers)
}

// unmet notes a problem. A requirement twice in a package's list is one.
func (c *checker) unmet(a asked, combination int, available []bool) {
	w := c.problems[a]
	if w == nil {
		w = &where{}
		c.problems[a] = w
	}
	if n := len(w.combinations); n > 0 && w.combinations[n-1] == combination {
		return
	}
	w.combinations = append(w.combinations, combination)
	for _, p := range c.requirements[a.requirement].Providers() {
		if !available[p] && !slices.Contains(w.hidden, p) && len(w.hidden) < maxNearest {
			w.hidden = append(w.hidden, p)
		}
	}
}
