package closure

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/rpmfile"
)

// Which problems have suggestions, where there are too many for all, is the same
// each time: the packages of the repository in its order.
func TestSuggestionsAreTheSameEachTime(t *testing.T) {
	t.Parallel()
	var packages []*rpmfile.Package
	for i := range maxSought + 40 {
		packages = append(packages, pack(t, fmt.Sprintf("p%03d-1-1.noarch", i), fmt.Sprintf("Requires: library%03dx", i), fmt.Sprintf("Provides: library%03d", i)))
	}
	dir := writePackages(t, packages, "")
	first := mustCheck(t, Options{Machine: "x86_64"}, repo(t, "r", dir))
	if len(first.Problems) != len(packages) {
		t.Fatalf("%d problems, want %d", len(first.Problems), len(packages))
	}
	for i, p := range first.Problems {
		if got, want := len(p.Nearest) > 0, i < maxSought; got != want {
			t.Errorf("%s has suggestions: %v, want %v", p.Package, got, want)
		}
	}
	if diff := cmp.Diff(first, mustCheck(t, Options{Machine: "x86_64"}, repo(t, "r", dir))); diff != "" {
		t.Errorf("another time (-first +second)\n%s", diff)
	}
}
