package autospec

import (
	"strings"
	"testing"
)

// TestOriginalLine looks up each line of a processed spec in the one that it was
// made of.
func TestOriginalLine(t *testing.T) {
	t.Parallel()
	const spec = "Name: a\nVersion: 1\nRelease: %autorelease\n%description\nA.\n%files\n%changelog\n%autochangelog\n"
	features := ReadFeatures([]byte(spec))
	processed := string(processedSpec([]byte(spec), features, Result{Number: 3, Entries: []string{"* Mon Mar 02 2026 A <a@b> - 1-3\n- text"}}))
	original := strings.Split(spec, "\n")
	seen := 0
	for i, line := range strings.Split(strings.TrimSuffix(processed, "\n"), "\n") {
		n := OriginalLine(processed, i+1)
		if n == 0 {
			continue
		}
		if seen++; n != seen || original[n-1] != line {
			t.Errorf("line %d, %q, is said to be line %d, %q", i+1, line, n, original[n-1])
		}
	}
	if seen != 7 {
		t.Errorf("%d lines are the original's, want 7", seen)
	}
	if n := OriginalLine(spec, 3); n != 3 {
		t.Errorf("line 3 of a spec that was not processed is %d", n)
	}
}
