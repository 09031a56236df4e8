package closure

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/repopublish/moduletest"
)

// Conditional requirements of packages that can't be installed for another reason.
func TestConditionsOfBrokenPackages(t *testing.T) {
	t.Parallel()
	broken := pack(t, "b-1-1.noarch", "Requires: missing")
	const problem = "b-1-1.noarch missing"
	for what, test := range map[string]struct {
		packages []*rpmfile.Package
		want     []string
	}{
		"what is needed beside what is required": {
			[]*rpmfile.Package{pack(t, "p-1-1.noarch", "Requires: b", "Requires: (nosuch if b)")},
			[]string{problem, "p-1-1.noarch (nosuch if b)"},
		},
		"each of two": {
			[]*rpmfile.Package{pack(t, "p-1-1.noarch", "Requires: b", "Requires: (nosuch if b)", "Requires: (nothing if b)")},
			[]string{problem, "p-1-1.noarch (nosuch if b)", "p-1-1.noarch (nothing if b)"},
		},
		"each of two of a package that is not broken otherwise": {
			[]*rpmfile.Package{pack(t, "c-1-1.noarch"), pack(t, "p-1-1.noarch", "Requires: c", "Requires: (nosuch if c)", "Requires: (nothing if c)")},
			[]string{problem, "p-1-1.noarch (nosuch if c)", "p-1-1.noarch (nothing if c)"},
		},
		"not what is needed beside what is not required": {
			[]*rpmfile.Package{pack(t, "c-1-1.noarch"), pack(t, "p-1-1.noarch", "Requires: b", "Requires: (nosuch if c)")},
			[]string{problem},
		},
		"not what is needed beside what need not be chosen": {
			[]*rpmfile.Package{pack(t, "c-1-1.noarch"), pack(t, "d-1-1.noarch"), pack(t, "p-1-1.noarch", "Requires: b", "Requires: (c or d)", "Requires: (nosuch if c)")},
			[]string{problem},
		},
		"beside what another one requires": {
			[]*rpmfile.Package{pack(t, "c-1-1.noarch", "Requires: d"), pack(t, "d-1-1.noarch"), pack(t, "p-1-1.noarch", "Requires: b", "Requires: c", "Requires: (nosuch if d)")},
			[]string{problem, "p-1-1.noarch (nosuch if d)"},
		},
		"beside the package itself": {
			[]*rpmfile.Package{pack(t, "p-1-1.noarch", "Requires: b", "Requires: (nosuch if p)")},
			[]string{problem, "p-1-1.noarch (nosuch if p)"},
		},
		"the other branch": {
			[]*rpmfile.Package{pack(t, "c-1-1.noarch"), pack(t, "p-1-1.noarch", "Requires: b", "Requires: (nosuch if b else c)")},
			[]string{problem, "p-1-1.noarch (nosuch if b else c)"},
		},
		"something unless what is required": {
			[]*rpmfile.Package{pack(t, "c-1-1.noarch"), pack(t, "p-1-1.noarch", "Requires: b", "Requires: (c unless b)")},
			[]string{problem, "p-1-1.noarch (c unless b)"},
		},
		"a conflict is nobody's requirement": {
			[]*rpmfile.Package{pack(t, "c-1-1.noarch", "Conflicts: p"), pack(t, "d-1-1.noarch"), pack(t, "p-1-1.noarch", "Requires: c", "Requires: (nosuch if d)")},
			[]string{problem},
		},
		"and hides none": {
			[]*rpmfile.Package{pack(t, "c-1-1.noarch", "Conflicts: p"), pack(t, "p-1-1.noarch", "Requires: c", "Requires: (nosuch if c)")},
			[]string{problem, "p-1-1.noarch (nosuch if c)"},
		},
		"what a source package needs": {
			[]*rpmfile.Package{pack(t, "c-1-1.noarch"), pack(t, "p-1-1.src", "Requires: c", "Requires: (nosuch if c)", "Requires: (nosuch if p)")},
			[]string{problem, "p-1-1.src (nosuch if c)"},
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r := checkPackages(t, Options{Machine: "x86_64"}, append([]*rpmfile.Package{broken}, test.packages...)...)
			if diff := cmp.Diff(test.want, in(r, "default streams")); diff != "" {
				t.Errorf("problems (-want +got)\n%s", diff)
			}
		})
	}
}

// withConditions makes packages of which many are broken, and many have
// requirements beside something that they can't do without: where dnf, which
// wants them met in any case, is right.
func withConditions(t testing.TB, seed uint64) []*rpmfile.Package {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 23))
	const count = 40
	var packages []*rpmfile.Package
	for i := range count {
		p := pack(t, fmt.Sprintf("p%d-1-1.%s", i, []string{"x86_64", "noarch", "i686", "src"}[max(0, r.IntN(8)-4)]))
		// Of later packages, so that there is an end.
		for range r.IntN(3) {
			if i+1 < count {
				p.Requires = append(p.Requires, rpmfile.Dependency{Name: fmt.Sprintf("cap%d", i+1+r.IntN(count-i-1))})
			}
		}
		for range 1 + r.IntN(2) {
			p.Provides = append(p.Provides, rpmfile.Dependency{Name: fmt.Sprintf("cap%d", r.IntN(count))})
		}
		if r.IntN(4) == 0 {
			p.Requires = append(p.Requires, rpmfile.Dependency{Name: fmt.Sprintf("missing%d", r.IntN(5))})
		}
		packages = append(packages, p)
	}
	base := pack(t, "base-1-1.noarch", "Provides: base-libs")
	if seed%2 == 0 {
		base = pack(t, "base-1-1.noarch", "Provides: base-libs", "Requires: missing")
	}
	between := pack(t, "between-1-1.noarch", "Requires: base")
	for _, p := range packages {
		needs := rpmfile.Dependency{Name: []string{"base", "between", "(base and between)"}[r.IntN(3)]}
		for range r.IntN(3) {
			condition := []string{"base", "base-libs", "(base or nothing)"}[r.IntN(3)]
			p.Requires = append(p.Requires, needs, rpmfile.Dependency{Name: fmt.Sprintf("(nosuch%d if %s)", r.IntN(9), condition)})
		}
	}
	return append(packages, base, between)
}

// TestRandomConditions asks dnf and this package about such repositories.
func TestRandomConditions(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprintf("repository %d", seed), func(t *testing.T) {
			t.Parallel()
			dir := writePackages(t, withConditions(t, seed), "")
			theirs := repoclosure(t, moduletest.NewClient(t), []string{"r," + dir})
			if len(theirs) < 20 {
				t.Errorf("dnf finds only %q: the test says little", theirs)
			}
			ours := in(mustCheck(t, Options{Machine: "x86_64"}, repo(t, "r", dir)), "default streams")
			if diff := cmp.Diff(theirs, ours); diff != "" {
				t.Errorf("(-dnf +distbot)\n%s", diff)
			}
		})
	}
}
