package solv

import (
	"context"
	"fmt"

	"github.com/distbot/distbot/internal/rpmfile"
)

// Requirement is a dependency with all packages of the pool that matter to it and
// are not excluded, so that it can be asked again and again which selection
// of packages meets it.
type Requirement struct {
	op          string  // empty for a set of packages
	providers   []int32 // of the set, ascending
	left, right *Requirement
}

// Answer says whether a requirement can be met.
type Answer int

// The answers.
const (
	// Unmet: by no installation.
	Unmet Answer = iota
	// Conditional: only where something is not installed, which could be. Solve
	// knows whether the package that requires it can do without.
	Conditional
	// Met: packages that provide what is required can be installed.
	Met
)

// Requirement looks a dependency up. Packages are numbered in the order in which
// they were added to the pool, from 0. Only paths that a package of the pool
// requires, or that primary.xml lists, are known. Errors are those of Solve.
func (p *Pool) Requirement(ctx context.Context, d rpmfile.Dependency) (*Requirement, error) {
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	t := &term{plain: d}
	if isRich(d) {
		var err error
		if t, err = parseRich(d.Name); err != nil {
			return nil, fmt.Errorf("solv: requirement: %w", err)
		}
	}
	r, err := p.requirement(d, t)
	if err != nil {
		return nil, fmt.Errorf("solv: requirement: %w", err)
	}
	return r, nil
}

// requirement looks a term up; d is the whole of it, or zero for a part.
func (p *Pool) requirement(d rpmfile.Dependency, t *term) (*Requirement, error) {
	switch {
	case t.op == "":
		return p.providerSet(t.plain)
	case (t.op == "with" || t.op == "without") && d.Name != "":
		return p.providerSet(d)
	case t.op == "with" || t.op == "without":
		return p.providerSet(rpmfile.Dependency{Name: t.String()})
	}
	left, err := p.requirement(rpmfile.Dependency{}, t.left)
	if err != nil {
		return nil, err
	}
	right, err := p.requirement(rpmfile.Dependency{}, t.right)
	return &Requirement{op: t.op, left: left, right: right}, err
}

func (p *Pool) providerSet(d rpmfile.Dependency) (*Requirement, error) {
	ids, err := p.providers(d)
	if err != nil {
		return nil, err
	}
	r := &Requirement{providers: make([]int32, 0, len(ids))}
	for _, id := range ids {
		if id >= firstID {
			r.providers = append(r.providers, int32(id-firstID))
		}
	}
	return r, nil
}

// String is the term as a spec writes it.
func (t *term) String() string {
	if t.op == "" {
		return t.plain.String()
	}
	if t.op == "else" { // within if or unless
		return t.left.String() + " else " + t.right.String()
	}
	return "(" + t.left.String() + " " + t.op + " " + t.right.String() + ")"
}

// Providers are the packages that provide the requirement, or parts of it.
func (r *Requirement) Providers() []int32 {
	if r.op == "" {
		return r.providers
	}
	return append(append([]int32(nil), r.left.Providers()...), r.right.Providers()...)
}

// Rich is the requirement as a spec writes it, with the names that name gives to its
// sets of packages.
func (r *Requirement) Rich(name func(providers []int32) string) string {
	if r.op == "" {
		return name(r.providers)
	}
	return "(" + r.terms(name) + ")"
}

// terms is the requirement without parentheses around it: what repeats its
// operator, or belongs to it, needs none, however long it is.
func (r *Requirement) terms(name func(providers []int32) string) string {
	text := r.left.Rich(name) + " " + r.op + " "
	chains := r.right.op == r.op && (r.op == "and" || r.op == "or")
	if chains || r.right.op == "else" {
		return text + r.right.terms(name)
	}
	return text + r.right.Rich(name)
}

// Answer says whether packages for which have says true meet the requirement.
func (r *Requirement) Answer(have func(pkg int32) bool) Answer {
	switch r.op {
	case "":
		for _, pkg := range r.providers {
			if have(pkg) {
				return Met
			}
		}
		return Unmet
	case "or":
		return max(r.left.Answer(have), r.right.Answer(have))
	case "if":
		return r.conditional(have)
	case "unless":
		return r.exception(have)
	}
	return min(r.left.Answer(have), r.right.Answer(have))
}

// condition is what follows "if" or "unless", and what follows "else", if
// anything.
func (r *Requirement) condition() (condition, other *Requirement) {
	if r.right.op == "else" {
		return r.right.left, r.right.right
	}
	return r.right, nil
}

// conditional answers (A if B) and (A if B else C): A or not B, and B or C.
func (r *Requirement) conditional(have func(pkg int32) bool) Answer {
	condition, other := r.condition()
	without := Met
	if other != nil {
		without = other.Answer(have)
	}
	switch {
	case condition.Answer(have) == Unmet:
		return without
	case r.left.Answer(have) == Met:
		return Met
	}
	return max(r.left.Answer(have), min(without, Conditional))
}

// exception answers (A unless B) and (A unless B else C): A and not B, or B and
// C.
func (r *Requirement) exception(have func(pkg int32) bool) Answer {
	condition, other := r.condition()
	with := condition.Answer(have)
	answer := r.left.Answer(have)
	if with != Unmet {
		answer = min(answer, Conditional)
	}
	if other != nil {
		answer = max(answer, min(with, other.Answer(have)))
	}
	return answer
}
