package modulemd

import (
	"fmt"
	"maps"
	"slices"
)

// Combinations enumerates the sets of streams that can be active together, as
// far as one decision of a user goes: first the default streams, then for each
// other stream, and each context it can be active in, what enabling it makes
// active: what it requires, and the defaults that go along. Where a requirement
// leaves a choice and the required module's default stream will do, it is
// taken, as clients do; else each choice is a combination.
//
// The findings are about streams that can be active in no way, and say why, and
// about default streams that contradict each other: which of them is active then
// depends on the order in which a client's solver meets them, so that the first
// combination is only one of the possible ones. The error wraps [ErrTooLarge] if there are too many combinations.
func Combinations(x *Index, opts ActivationOptions) ([]Combination, []Finding, error) {
	if opts.Limit == 0 {
		opts.Limit = defaultCombinations
	}
	s := newSolver(x, opts)
	e := &enumeration{solver: s, seen: map[string]bool{}}
	base := e.add("", selection{})
	findings := contradictions(x, e.out[0].Dropped)
	for _, module := range slices.Sorted(maps.Keys(s.candidates)) {
		for _, c := range s.candidates[module] {
			if base[module] == c {
				continue
			}
			found, why := s.solve(c)
			if len(found) == 0 && why != nil {
				findings = append(findings, why.finding(c))
			}
			for _, chosen := range found {
				e.add(s.describe(c), chosen)
			}
			if e.exhausted() {
				return nil, nil, e.tooMany()
			}
		}
	}
	if e.exhausted() {
		return nil, nil, e.tooMany()
	}
	return e.out, findings, nil
}

// contradictions tells which default streams cannot be active beside the others.
func contradictions(x *Index, dropped []string) []Finding {
	var out []Finding
	for _, d := range x.Defaults {
		if name := d.Module + ":" + d.Stream; slices.Contains(dropped, name) {
			out = append(out, finding(d, Warning, RuleDefaultStream,
				"the default stream %q cannot be active beside the other default streams; which of them are is up to the client", d.Stream))
		}
	}
	return out
}

// enumeration gathers combinations, each once.
type enumeration struct {
	*solver
	seen map[string]bool
	out  []Combination
}

func (e *enumeration) exhausted() bool { return e.steps <= 0 || len(e.out) > e.opts.Limit }

func (e *enumeration) tooMany() error {
	return fmt.Errorf("modulemd: enumerate combinations of streams: more than %d, or too hard to find: %w", e.opts.Limit, ErrTooLarge)
}

// add adds the combination of what is chosen and the defaults that go along.
func (e *enumeration) add(enabled string, chosen selection) selection {
	chosen, dropped := e.withDefaults(chosen)
	if key := chosen.key(); !e.seen[key] {
		e.seen[key] = true
		e.out = append(e.out, chosen.combination(enabled, dropped))
	}
	return chosen
}

// describe names a candidate as users enable it.
func (s *solver) describe(c *candidate) string {
	text := c.name + ":" + c.stream
	for _, other := range s.candidates[c.name] {
		if other != c && other.stream == c.stream {
			return text + " (context " + c.context + ")"
		}
	}
	return text
}

// solver finds what must be active beside a stream.
type solver struct {
	opts       ActivationOptions
	candidates map[string][]*candidate
	defaults   []string // modules that have a default stream, sorted
	// steps is what may still be spent.
	steps int
}

func newSolver(x *Index, opts ActivationOptions) *solver {
	s := &solver{opts: opts, candidates: x.candidates(opts), steps: stepsPerCombination * opts.Limit}
	for module, all := range s.candidates {
		if all[0].isDefault {
			s.defaults = append(s.defaults, module)
		}
	}
	slices.Sort(s.defaults)
	return s
}

// pending is a requirement and whose it is.
type pending struct {
	Requirement
	by *candidate
}

// obstacle is why a stream cannot be active.
type obstacle struct {
	pending
	// instead is what is active of the required module.
	instead *candidate
	known   bool // the module has documents
}

// solve finds all selections that make c active with what it requires and
// nothing else. If there are none, it says what was in the way first.
func (s *solver) solve(c *candidate) ([]selection, *obstacle) {
	r := &search{solver: s, chosen: selection{c.name: c}}
	r.run(requirementsOf(c))
	return r.found, r.obstacle
}

// withDefaults adds the default streams that can be active beside what is
// chosen: first those that need no other choice than defaults, then the rest.
// It also tells which cannot.
func (s *solver) withDefaults(chosen selection) (selection, []string) {
	chosen = maps.Clone(chosen)
	var open []string
	for _, module := range s.defaults {
		if chosen[module] == nil {
			open = append(open, module)
		}
	}
	for _, onlyDefaults := range []bool{true, false} {
		open = slices.DeleteFunc(open, func(module string) bool {
			return chosen[module] != nil || s.addDefault(chosen, module, onlyDefaults)
		})
	}
	var dropped []string
	for _, module := range open {
		dropped = append(dropped, module+":"+s.candidates[module][0].stream)
	}
	return chosen, dropped
}

// addDefault adds a module's default stream, in the first context that can be,
// and what it requires.
func (s *solver) addDefault(chosen selection, module string, onlyDefaults bool) bool {
	for _, c := range s.candidates[module] {
		if !c.isDefault {
			break
		}
		r := &search{solver: s, chosen: chosen, first: true, onlyDefaults: onlyDefaults}
		chosen[module] = c
		if r.run(requirementsOf(c)) {
			return true
		}
		delete(chosen, module)
	}
	return false
}

func requirementsOf(c *candidate) []pending {
	out := make([]pending, 0, len(c.requirements))
	for _, r := range c.requirements {
		out = append(out, pending{r, c})
	}
	return out
}

// search is one search for selections.
type search struct {
	*solver
	// chosen is changed and changed back, unless the first selection found is
	// wanted: that one stays.
	chosen       selection
	first        bool
	onlyDefaults bool // choose default streams only
	found        []selection
	obstacle     *obstacle // the first
}

// run satisfies the requirements in every possible way. It returns whether
// there was one.
func (r *search) run(todo []pending) bool {
	for len(todo) > 0 {
		r.steps--
		if r.steps <= 0 {
			return false
		}
		next := todo[0]
		todo = todo[1:]
		if !r.satisfied(next) {
			return r.choose(next, todo)
		}
	}
	if !r.first {
		r.found = append(r.found, maps.Clone(r.chosen))
		if len(r.found) > r.opts.Limit {
			r.steps = 0
		}
	}
	return true
}

// satisfied reports whether nothing needs to be chosen.
func (r *search) satisfied(next pending) bool {
	if next.Module == platform {
		return r.opts.Platform == "" || next.Allows(r.opts.Platform)
	}
	c := r.chosen[next.Module]
	return c != nil && next.Allows(c.stream)
}

// choose tries all candidates that satisfy next; of the default stream first,
// and others only if that leads nowhere.
func (r *search) choose(next pending, todo []pending) bool {
	if c := r.chosen[next.Module]; c != nil {
		r.blame(obstacle{next, c, true})
		return false
	}
	all := r.candidates[next.Module]
	found, byDefault := false, false
	for _, c := range all {
		if next.Module == platform || !next.Allows(c.stream) || r.onlyDefaults && !c.isDefault {
			continue
		}
		if !c.isDefault && byDefault {
			break
		}
		r.chosen[c.name] = c
		if r.run(slices.Concat(requirementsOf(c), todo)) {
			if r.first {
				return true
			}
			found = true
			byDefault = byDefault || c.isDefault
		}
		delete(r.chosen, c.name)
	}
	if found {
		return true
	}
	if next.Module != platform && r.opts.External != nil && r.opts.External(next.Requirement) {
		return r.run(todo)
	}
	r.blame(obstacle{next, nil, len(all) > 0})
	return false
}

func (r *search) blame(o obstacle) {
	if r.obstacle == nil {
		r.obstacle = &o
	}
}

// finding says why c cannot be active.
func (o *obstacle) finding(c *candidate) Finding {
	whose := "it requires"
	if o.by != c {
		whose = fmt.Sprintf("%s:%s, which it needs, requires", o.by.name, o.by.stream)
	}
	severity, why := Error, "of which no document is here"
	switch {
	case o.Module == platform:
		severity, why = Warning, "which the client's platform is not"
	case o.instead != nil:
		why = fmt.Sprintf("but %s:%s is needed, too", o.instead.name, o.instead.stream)
	case o.known:
		why = "of which no document that can be active is here"
	}
	return finding(c.documents[0], severity, RuleRequires, "cannot be active: %s %s, %s", whose, o.Requirement, why)
}
