package diagnosis_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders/diagnosis"
)

func TestBoundedKeepsWhatTheReaderFinds(t *testing.T) {
	t.Parallel()
	found := diagnosis.Finding{
		Phase: diagnosis.PhaseBuildroot, Kind: diagnosis.KindMissingRequires, Reason: "nothing provides make >= 99", LogFile: "root.log", Line: 7,
		Excerpt: []string{"No matching package to install: 'make >= 99'"}, Object: "make >= 99", SpecLine: 5,
		Missing: []diagnosis.Requirement{{Text: "make >= 99", Nearest: []string{"make 4.3 is there"}}}, Unpackaged: []string{"/usr/bin/x"},
		NotSearched: []string{"fedora"},
	}
	if diff := cmp.Diff(found, found.Bounded()); diff != "" {
		t.Errorf("finding (-want +got)\n%s", diff)
	}
}

func TestBoundedCutsWhatAnotherHostSays(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("<\x00\u202e\xff\n", 100_000)
	many := make([]string, 5000)
	var missing []diagnosis.Requirement
	for i := range many {
		many[i] = long
		missing = append(missing, diagnosis.Requirement{Text: long, NeededBy: long, Nearest: many})
	}
	hostile := diagnosis.Finding{
		Phase: "lunch", Kind: "surprise", Reason: long, LogFile: "../../etc/passwd", Line: 3, Excerpt: many, Object: long,
		Missing: missing, NotSearched: many, Unpackaged: many, SpecLine: 1 << 40,
	}
	got := hostile.Bounded()
	text, err := json.Marshal(got)
	if err != nil || len(text) > diagnosis.MaxJSON || strings.Contains(string(text), `\u0000`) {
		t.Errorf("%d bytes of JSON, %v", len(text), err)
	}
	if got.Phase != "" || got.Kind != diagnosis.KindCommandFailed || got.LogFile != "" || got.Line != 0 || got.SpecLine != 0 {
		t.Errorf("finding %+v, want nothing that is not known", got)
	}
	if n := utf8.RuneCountInString(got.Reason); n > diagnosis.MaxReason || n == 0 {
		t.Errorf("a reason of %d characters", n)
	}
	if len(got.Excerpt) > 8 || len(got.Missing) > 50 || len(got.NotSearched) > 20 {
		t.Errorf("%d lines, %d requirements", len(got.Excerpt), len(got.Missing))
	}
	if diff := cmp.Diff(got, got.Bounded()); diff != "" {
		t.Errorf("bounded twice (-once +twice)\n%s", diff)
	}
}
