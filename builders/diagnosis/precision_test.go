package diagnosis_test

import (
	"testing"
)

// The least that the reader must get right, in percent. They are what it
// reaches; a change of the reader or a new entry may not lower them.
const (
	leastPhase          = 100
	leastInfrastructure = 100
	leastKind           = 99
	leastLine           = 99
	leastSpecLine       = 99
	leastLists          = 100
	leastReason         = 99
)

// TestPrecision reads all entries of the corpus and counts how often the
// reader says what a person said.
func TestPrecision(t *testing.T) {
	t.Parallel()
	var all, heldOut precision
	entries := corpus(t)
	if len(entries) < 60 {
		t.Errorf("%d entries, want 60 at least", len(entries))
	}
	for _, e := range entries {
		got := e.read(t)
		wrong := all.add(e.want, got)
		if e.want.HeldOut {
			heldOut.add(e.want, got)
		}
		if len(wrong) > 0 {
			t.Logf("%s: wrong: %q\n got %s %s infrastructure=%v %s:%d spec:%d %q missing %+v unpackaged %q\nwant %+v",
				e.name, wrong, got.Phase, got.Kind, got.Infrastructure, got.LogFile, got.Line, got.SpecLine, got.Reason, got.Missing, got.Unpackaged, e.want)
		}
	}
	t.Logf("%d entries: %v", len(entries), all)
	t.Logf("%d held out: %v", heldOut.phase.all, heldOut)
	for _, check := range []struct {
		what  string
		score score
		least int
	}{
		{"phase", all.phase, leastPhase},
		{"infrastructure", all.infrastructure, leastInfrastructure},
		{"kind", all.kind, leastKind},
		{"line", all.line, leastLine},
		{"line of the spec", all.specLine, leastSpecLine},
		{"missing and unpackaged", all.lists, leastLists},
		{"reason", all.says, leastReason},
	} {
		if 100*check.score.right < check.least*check.score.all {
			t.Errorf("%s: %v, want %d %% at least", check.what, check.score, check.least)
		}
	}
}
