package diagnosis_test

import (
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/distbot/distbot/builders/diagnosis"
)

// FuzzRead feeds what a hostile build can print to the reader, for each kind of
// step.
func FuzzRead(f *testing.F) {
	for _, e := range corpus(f) {
		log, err := e.log(logOf(e.Step))
		if err != nil {
			f.Fatal(err)
		}
		text, err := io.ReadAll(io.LimitReader(log, 64<<10))
		if err != nil {
			f.Fatal(err)
		}
		log.Close()
		f.Add(string(text), e.spec, e.Code, e.Signal)
	}
	f.Fuzz(func(t *testing.T, log, spec string, code, signal int) {
		for _, step := range []diagnosis.Step{
			diagnosis.StepRoot, diagnosis.StepRequires, diagnosis.StepSRPM, diagnosis.StepUnpack, diagnosis.StepBuild, diagnosis.StepSources, "",
		} {
			got, err := diagnosis.Read("build.log", step, strings.NewReader(log), diagnosis.Exit{Code: code, Signal: signal})
			if err != nil {
				t.Fatal(err)
			}
			got.FindInSpec(spec)
			checkFinding(t, got, log, spec)
			if got.Infrastructure && step != diagnosis.StepRoot && step != diagnosis.StepRequires {
				t.Errorf("what a build printed made its failure infrastructure's: %+v", got)
			}
		}
	})
}

// checkFinding checks what holds for every finding.
func checkFinding(t *testing.T, got diagnosis.Finding, log, spec string) {
	t.Helper()
	words := append([]string{got.Reason, got.Object, got.LogFile}, got.Excerpt...)
	words = append(words, got.Unpackaged...)
	for _, m := range got.Missing {
		words = append(words, m.Text, m.NeededBy)
	}
	for _, word := range words {
		if !utf8.ValidString(word) || strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is not one printable line", word)
		}
		if utf8.RuneCountInString(word) > 240 {
			t.Errorf("%d characters: %q", utf8.RuneCountInString(word), word)
		}
	}
	if got.Reason == "" || utf8.RuneCountInString(got.Reason) > diagnosis.MaxReason {
		t.Errorf("a reason of %d characters: %q", utf8.RuneCountInString(got.Reason), got.Reason)
	}
	if got.Phase == "" || got.Kind == "" {
		t.Errorf("phase %q, kind %q", got.Phase, got.Kind)
	}
	if lines := strings.Count(log, "\n") + 1; got.Line < 0 || got.Line > lines || (got.Line > 0) != (got.LogFile != "") {
		t.Errorf("line %d of %q, which has %d", got.Line, got.LogFile, lines)
	}
	if lines := strings.Count(spec, "\n") + 1; got.SpecLine < 0 || got.SpecLine > lines {
		t.Errorf("line %d of a spec that has %d", got.SpecLine, lines)
	}
	if len(got.Excerpt) > 8 || len(got.Missing) > 50 || len(got.Unpackaged) > 200 {
		t.Errorf("%d lines, %d requirements, %d files", len(got.Excerpt), len(got.Missing), len(got.Unpackaged))
	}
}
