package solv

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/distbot/distbot/internal/rpmfile"
)

// judge knows whether a set of packages is sound, from rpm's documentation and
// without libsolv.
type judge []Package

// matches says whether a package meets a plain dependency: by a provide or by a
// file.
func matches(p Package, d rpmfile.Dependency) bool {
	if slices.Contains(p.Files, d.Name) {
		return true
	}
	own := rpmfile.Dependency{Name: p.Name, Flags: rpmfile.FlagEqual, EVR: p.EVR()}
	for _, provide := range append(slices.Clone(p.Provides), own) {
		if provide.Name == d.Name && overlap(provide, d) {
			return true
		}
	}
	return false
}

// overlap says whether two ranges of versions have one in common. A range
// without versions has all; a version without a release has every release.
func overlap(a, b rpmfile.Dependency) bool {
	if a.EVR == "" || b.EVR == "" {
		return true
	}
	x, y := parseEVR(a.EVR), parseEVR(b.EVR)
	if x.Release == "" || y.Release == "" {
		x.Release, y.Release = "", ""
	}
	const less, greater, equal = rpmfile.FlagLess, rpmfile.FlagGreater, rpmfile.FlagEqual
	switch c := rpmfile.CompareEVR(x, y); {
	case c < 0:
		return a.Flags&greater != 0 || b.Flags&less != 0
	case c > 0:
		return a.Flags&less != 0 || b.Flags&greater != 0
	}
	return a.Flags&b.Flags&(less|greater|equal) != 0
}

// holds says whether the packages meet a dependency, rich or not.
func (j judge) holds(d rpmfile.Dependency) bool {
	if !isRich(d) {
		return slices.ContainsFunc(j, func(p Package) bool { return matches(p, d) })
	}
	t, err := parseRich(d.Name)
	return err == nil && j.true(t)
}

func (j judge) true(t *term) bool {
	switch t.op {
	case "":
		return j.holds(t.plain)
	case "and":
		return j.true(t.left) && j.true(t.right)
	case "or":
		return j.true(t.left) || j.true(t.right)
	case "if", "unless":
		condition, other := t.right, (*term)(nil)
		if t.right.op == "else" {
			condition, other = t.right.left, t.right.right
		}
		met := j.true(condition) == (t.op == "if")
		switch {
		case met:
			return j.true(t.left)
		case other != nil:
			return j.true(other)
		}
		// "a unless b" with b asks for nothing only as a conflict; as a
		// requirement rpm takes it for "a and not b".
		return t.op == "if"
	}
	return slices.ContainsFunc(j, func(p Package) bool { return one(p, t) })
}

// one says whether a single package meets a term of "with" and "without".
func one(p Package, t *term) bool {
	switch t.op {
	case "":
		return matches(p, t.plain)
	case "with":
		return one(p, t.left) && one(p, t.right)
	case "without":
		return one(p, t.left) && !one(p, t.right)
	case "or":
		return one(p, t.left) || one(p, t.right)
	}
	return false
}

// faults says what is wrong with the packages together.
func (j judge) faults() []string {
	var faults []string
	add := func(p Package, what string, d rpmfile.Dependency) {
		faults = append(faults, fmt.Sprintf("%s %s %s", p.NEVRA, what, d))
	}
	for i, p := range j {
		for _, d := range p.Requires {
			if !j.holds(d) {
				add(p, "misses", d)
			}
		}
		for k, other := range j {
			if k == i {
				continue
			}
			for _, d := range p.Conflicts {
				if matches(other, d) {
					add(p, "conflicts with "+other.NEVRA.String()+" by", d)
				}
			}
			for _, d := range p.Obsoletes { // by name, not by what is provided
				own := rpmfile.Dependency{Name: other.Name, Flags: rpmfile.FlagEqual, EVR: other.EVR()}
				if own.Name == d.Name && overlap(own, d) {
					add(p, "obsoletes "+other.NEVRA.String()+" by", d)
				}
			}
			if other.Name == p.Name {
				faults = append(faults, p.NEVRA.String()+" beside "+other.NEVRA.String())
			}
		}
	}
	return faults
}

// TestSolutionsAreSound judges what is solved by rules of its own.
func TestSolutionsAreSound(t *testing.T) {
	t.Parallel()
	solved, rich := 0, 0
	for seed := range uint64(20) {
		packages := universe(100+seed, 40)
		byNEVRA := map[rpmfile.NEVRA]Package{}
		for _, p := range packages {
			byNEVRA[p.NEVRA] = p
		}
		p := pool(t, packages...)
		r := rand.New(rand.NewPCG(seed, 3))
		for range 30 {
			wanted := []string{fmt.Sprintf("p%d", r.IntN(40)), fmt.Sprintf("cap%d", r.IntN(20)), fmt.Sprintf("/usr/share/f%d", r.IntN(10))}[:1+r.IntN(3)]
			got, err := p.Solve(t.Context(), install(wanted...), Options{Weak: r.IntN(2) == 0})
			var unsolvable *UnsolvableError
			if errors.As(err, &unsolvable) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			solved++
			var set judge
			for _, m := range got {
				set = append(set, byNEVRA[m.NEVRA])
			}
			for _, p := range set {
				if slices.ContainsFunc(p.Requires, isRich) {
					rich++
				}
			}
			for _, w := range wanted {
				if !set.holds(plain(w, "", "")) {
					t.Errorf("universe %d: %s was asked for and is not there: %v", seed, w, names(got))
				}
			}
			if faults := set.faults(); len(faults) > 0 {
				t.Errorf("universe %d, install %q:\n%q", seed, wanted, faults)
			}
		}
	}
	if solved < 100 || rich < 100 {
		t.Errorf("%d solved, %d packages with rich requirements: too few to tell anything", solved, rich)
	}
}

// TestUnsolvableIsTrue tries every set of packages of small universes where
// the solver says that none will do.
func TestUnsolvableIsTrue(t *testing.T) {
	t.Parallel()
	unsolvables := 0
	for seed := range uint64(150) {
		packages := universe(1000+seed, 4)
		p := pool(t, packages...)
		for i := range 4 {
			wanted := plain(fmt.Sprintf("p%d", i), "", "")
			_, err := p.Solve(t.Context(), install(wanted.Name), Options{})
			var unsolvable *UnsolvableError
			if err != nil && !errors.As(err, &unsolvable) {
				t.Fatal(err)
			}
			sound := exists(packages, wanted)
			if (err == nil) != sound {
				t.Errorf("universe %d, install %s: got %v; there is a sound set: %v", seed, wanted, err, sound)
			}
			if !sound {
				unsolvables++
			}
		}
	}
	if unsolvables < 50 {
		t.Errorf("%d unsolvable: too few to tell anything", unsolvables)
	}
}

// exists looks for a sound set that holds d among all sets.
func exists(packages []Package, d rpmfile.Dependency) bool {
	var set judge
	for bits := range 1 << len(packages) {
		set = set[:0]
		for i := range packages {
			if bits&(1<<i) != 0 {
				set = append(set, packages[i])
			}
		}
		if set.holds(d) && len(set.faults()) == 0 {
			return true
		}
	}
	return false
}
