package solv

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/rpmfile"
)

func TestProblems(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		packages []Package
		jobs     []Job
		want     Rule   // one of the rules
		text     string // of the whole error
	}{
		"nothing provides what is asked for": {
			nil, install("foo-devel >= 2"),
			Rule{Kind: NothingRequested, Dependency: "foo-devel >= 2", Text: "nothing provides requested foo-devel >= 2"},
			"solv: solve: nothing provides requested foo-devel >= 2",
		},
		"there is no package of the name": {
			[]Package{pkg(t, "a-1-1.noarch", "Provides: foo")},
			[]Job{{Name: "foo"}},
			Rule{Kind: UnknownPackage, Dependency: "foo", Text: "package foo does not exist"},
			"solv: solve: package foo does not exist",
		},
		"there is no package of the NEVRA": {
			[]Package{pkg(t, "a-1-1.noarch")},
			[]Job{{NEVRA: nevra(t, "a-2-1.noarch")}},
			Rule{Kind: UnknownPackage, Dependency: "a-2-1.noarch", Text: "package a-2-1.noarch does not exist"},
			"solv: solve: package a-2-1.noarch does not exist",
		},
		"a requirement of a requirement is missing": {
			[]Package{pkg(t, "a-1-1.x86_64", "Requires: b"), pkg(t, "b-1-1.x86_64", "Requires: libc.so.6(GLIBC_2.38)(64bit)")},
			install("a"),
			Rule{
				Kind: NothingProvides, Source: nevra(t, "b-1-1.x86_64"), Dependency: "libc.so.6(GLIBC_2.38)(64bit)",
				Text: "nothing provides libc.so.6(GLIBC_2.38)(64bit) needed by b-1-1.x86_64",
			},
			"solv: solve: package a-1-1.x86_64 requires b, but none of the providers can be installed, nothing provides libc.so.6(GLIBC_2.38)(64bit) needed by b-1-1.x86_64",
		},
		"two things conflict": {
			[]Package{pkg(t, "a-1-1.noarch"), pkg(t, "b-1-1.noarch", "Conflicts: a")},
			install("a", "b"),
			Rule{
				Kind: Conflicts, Source: nevra(t, "b-1-1.noarch"), Target: nevra(t, "a-1-1.noarch"), Dependency: "a",
				Text: "package b-1-1.noarch conflicts with a provided by a-1-1.noarch",
			},
			"solv: solve: package b-1-1.noarch conflicts with a provided by a-1-1.noarch",
		},
		"one obsoletes the other": {
			[]Package{pkg(t, "a-1-1.noarch"), pkg(t, "b-1-1.noarch", "Obsoletes: a < 2")},
			[]Job{{Name: "a"}, {Name: "b"}},
			Rule{
				Kind: Obsoletes, Source: nevra(t, "b-1-1.noarch"), Target: nevra(t, "a-1-1.noarch"), Dependency: "a < 2",
				Text: "package b-1-1.noarch obsoletes a < 2 provided by a-1-1.noarch",
			},
			"solv: solve: package b-1-1.noarch obsoletes a < 2 provided by a-1-1.noarch",
		},
		"two versions of one package are needed": {
			[]Package{pkg(t, "a-1-1.noarch"), pkg(t, "a-2-1.noarch")},
			install("a = 1", "a = 2"),
			Rule{
				Kind: SameName, Source: nevra(t, "a-2-1.noarch"), Target: nevra(t, "a-1-1.noarch"),
				Text: "cannot install both a-2-1.noarch and a-1-1.noarch",
			},
			"solv: solve: cannot install both a-2-1.noarch and a-1-1.noarch",
		},
		"the package is for another architecture": {
			[]Package{pkg(t, "a-1-1.aarch64")},
			[]Job{{NEVRA: nevra(t, "a-1-1.aarch64")}},
			Rule{Kind: NotInstallable, Source: nevra(t, "a-1-1.aarch64"), Text: "package a-1-1.aarch64 does not have a compatible architecture"},
			"solv: solve: package a-1-1.aarch64 does not have a compatible architecture",
		},
		"a rich requirement is missing": {
			[]Package{pkg(t, "a-1-1.noarch", "Requires: (b >= 2 or (c and d))")},
			install("a"),
			Rule{
				Kind: NothingProvides, Source: nevra(t, "a-1-1.noarch"), Dependency: "(b >= 2 or (c and d))",
				Text: "nothing provides (b >= 2 or (c and d)) needed by a-1-1.noarch",
			},
			"solv: solve: nothing provides (b >= 2 or (c and d)) needed by a-1-1.noarch",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := pool(t, tt.packages...).Solve(t.Context(), tt.jobs, Options{})
			var unsolvable *UnsolvableError
			if !errors.As(err, &unsolvable) {
				t.Fatalf("got %v, %v; want an UnsolvableError", got, err)
			}
			if len(unsolvable.Problems) != 1 {
				t.Errorf("%d problems, want 1", len(unsolvable.Problems))
			}
			if rules := unsolvable.Problems[0].Rules; !slices.Contains(rules, tt.want) {
				t.Errorf("no such rule (-want +got)\n%s", cmp.Diff([]Rule{tt.want}, rules))
			}
			if err.Error() != tt.text {
				t.Errorf("error %q, want %q", err, tt.text)
			}
			if len(unsolvable.Problems[0].Solutions) == 0 {
				t.Error("no solution is suggested")
			}
		})
	}
}

func TestSolutionsAreWaysOut(t *testing.T) {
	t.Parallel()
	_, err := pool(t, pkg(t, "a-1-1.noarch"), pkg(t, "b-1-1.noarch", "Conflicts: a")).Solve(t.Context(), install("a", "b"), Options{})
	var unsolvable *UnsolvableError
	if !errors.As(err, &unsolvable) {
		t.Fatal(err)
	}
	// What follows "install a" is "package" or "solvable" by libsolv's version.
	waysOut := map[string]bool{}
	for _, s := range unsolvable.Problems[0].Solutions {
		_, name, _ := strings.Cut(s[0], " providing ")
		waysOut[name] = len(s) == 1 && strings.HasPrefix(s[0], "do not ask to install a ")
	}
	if diff := cmp.Diff(map[string]bool{"a": true, "b": true}, waysOut); diff != "" {
		t.Errorf("(-want +got)\n%s\n%q", diff, unsolvable.Problems[0].Solutions)
	}
}

func TestIndependentProblemsAreAllTold(t *testing.T) {
	t.Parallel()
	_, err := pool(t).Solve(t.Context(), install("a", "b", "c"), Options{})
	var unsolvable *UnsolvableError
	if !errors.As(err, &unsolvable) {
		t.Fatal(err)
	}
	var missing []string
	for _, p := range unsolvable.Problems {
		for _, r := range p.Rules {
			if r.Kind == NothingRequested && r.Source == (rpmfile.NEVRA{}) {
				missing = append(missing, r.Dependency)
			}
		}
	}
	slices.Sort(missing)
	if diff := cmp.Diff([]string{"a", "b", "c"}, missing); diff != "" {
		t.Errorf("(-want +got)\n%s\n%v", diff, err)
	}
}
