package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/tasklog"
)

// findingOf reads what is kept of a failure; nil when nothing is, or nothing
// that this program knows.
func findingOf(text []byte) *diagnosis.Finding {
	var f diagnosis.Finding
	if len(text) == 0 || json.Unmarshal(text, &f) != nil {
		return nil
	}
	return &f
}

// printFinding prints what the logs say of a failure besides its reason.
func printFinding(w io.Writer, indent string, f *diagnosis.Finding) {
	if f == nil {
		return
	}
	where := ""
	if f.LogFile != "" {
		where = fmt.Sprintf(" in line %d of %s", f.Line, tasklog.Printable(f.LogFile))
	}
	if f.SpecLine > 0 {
		where += fmt.Sprintf(", line %d of the spec", f.SpecLine)
	}
	fmt.Fprintf(w, "%s%s%s\n", indent, tasklog.Printable(string(f.Kind)), where)
	for _, line := range f.Excerpt {
		fmt.Fprintf(w, "%s| %s\n", indent, tasklog.Printable(line))
	}
	for _, missing := range f.Missing {
		fmt.Fprintf(w, "%smissing: %s%s\n", indent, tasklog.Printable(missing.Text), suffix(", needed by ", missing.NeededBy))
		for _, near := range missing.Nearest {
			fmt.Fprintf(w, "%s  nearest: %s\n", indent, tasklog.Printable(near))
		}
	}
	if len(f.NotSearched) > 0 {
		fmt.Fprintf(w, "%snot searched for what is nearest: %s\n", indent, tasklog.Printable(strings.Join(f.NotSearched, ", ")))
	}
	for _, file := range f.Unpackaged {
		fmt.Fprintf(w, "%sin no package: %s\n", indent, tasklog.Printable(file))
	}
}
