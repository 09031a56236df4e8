package solv

import (
	"fmt"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
)

// TestRequirementIsWhatTheSolverFinds asks of every rich dependency over four
// packages, and every selection of them, whether it can be met: Met and Unmet
// must be what installing says, Conditional may be either.
func TestRequirementIsWhatTheSolverFinds(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d"}
	for _, text := range []string{
		"a", "(a or b)", "(a and b)", "(a if b)", "(a unless b)", "(a if b else c)", "(a unless b else c)", "(a with b)", "(a without b)",
		"((a and b) or c)", "((a or b) and (c or d))", "((a with b) or c)", "((a if b) and c)", "((a if b) or c)", "(a and b and c)",
		"(a if (b and c))", "((a and d) if (b or c) else d)", "(both with x)", "((both with x) and a)", "(a or b or c)", "((a if b else c) and d)",
	} {
		for selected := range 1 << len(names) {
			have := func(i int32) bool { return selected>>i&1 == 1 }
			var packages []Package
			for i, n := range names {
				// All are in the pool that answers, those selected in the one
				// that solves.
				p := Package{NEVRA: rpmfile.NEVRA{Name: n, Version: "1", Release: "1", Arch: "noarch"}}
				if i < 2 {
					p.Provides = []rpmfile.Dependency{plain("both", "", "")}
				}
				if i == 1 {
					p.Provides = append(p.Provides, plain("x", "", ""))
				}
				packages = append(packages, p)
			}
			d, err := ParseDependency(text)
			if err != nil {
				t.Fatal(err)
			}
			r, err := pool(t, packages...).Requirement(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			var left []Package
			for i := range packages {
				if have(int32(i)) {
					left = append(left, packages[i])
				}
			}
			left = append(left, Package{
				NEVRA: rpmfile.NEVRA{Name: "asks", Version: "1", Release: "1", Arch: "noarch"}, Dependencies: repomd.Dependencies{Requires: []rpmfile.Dependency{d}},
			})
			// Written with other names it means the same.
			again, err := ParseDependency(r.Rich(func(providers []int32) string { return setOf(packages, providers) }))
			if err != nil {
				t.Fatal(err)
			}
			same, err := pool(t, packages...).Requirement(t.Context(), again)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := same.Answer(have), r.Answer(have); got != want {
				t.Errorf("%s of %04b: answer %d, as %s %d", text, selected, want, again, got)
			}
			_, err = pool(t, left...).Solve(t.Context(), []Job{{Name: "asks"}}, Options{})
			answer := r.Answer(have)
			if answer == Met && err != nil || answer == Unmet && err == nil {
				t.Errorf("%s of %s: answer %d, solver says %v", text, fmt.Sprintf("%04b", selected), answer, err)
			}
		}
	}
}

// setOf names the packages, which provide that name from then on.
func setOf(packages []Package, ids []int32) string {
	name := fmt.Sprintf("set%d", ids)
	name = strings.NewReplacer("[", "-", "]", "", " ", "-").Replace(name)
	for _, id := range ids {
		packages[id].Provides = append(packages[id].Provides, plain(name, "", ""))
	}
	return name
}

// A chain needs no more parentheses than it had.
func TestRichWritesLongChains(t *testing.T) {
	t.Parallel()
	text := "(a" + strings.Repeat(" or a", maxRichTerms-1) + ")"
	d, err := ParseDependency(text)
	if err != nil {
		t.Fatal(err)
	}
	r, err := pool(t).Requirement(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Rich(func([]int32) string { return "a" }); got != text {
		t.Errorf("got %s, want %s", got, text)
	}
}
