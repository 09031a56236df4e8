package queue

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// What a status says more exactly than its state; forges that don't know it show
// the state.
const (
	FinerQueued   = "queued"   // pending: not begun
	FinerSkipped  = "skipped"  // success: there was nothing to do
	FinerNeutral  = "neutral"  // any final state: nobody has to act
	FinerCanceled = "canceled" // failure or error: stopped
)

// Detail is what a status says besides its line.
type Detail struct {
	// Summary is GitHub-flavoured Markdown; what others wrote stands in code.
	Summary     string       `json:"summary,omitempty"`
	Annotations []Annotation `json:"annotations,omitempty"`
}

// Annotation is about a line of a file of the commit.
type Annotation struct {
	// Path is relative to the repository.
	Path string `json:"path"`
	// Line is counted from 1.
	Line    int    `json:"line"`
	Level   string `json:"level"` // notice, warning or failure
	Title   string `json:"title,omitempty"`
	Message string `json:"message"`
}

// Levels of annotations.
const (
	LevelWarning = "warning"
	LevelFailure = "failure"
)

// maxDetail bounds a detail in JSON, in bytes: the table takes a little more.
const maxDetail = 96 << 10

// text is the detail in JSON, empty without one. One that is too long is left
// out: no status waits for its detail. Whoever makes details bounds them.
func (d *Detail) text() string {
	if d == nil {
		return ""
	}
	// A database takes no NUL, which JSON has as \u0000.
	clean := func(text string) string { return strings.ReplaceAll(text, "\x00", "") }
	kept := Detail{Summary: clean(d.Summary), Annotations: slices.Clone(d.Annotations)}
	for i, a := range kept.Annotations {
		a.Path, a.Title, a.Message = clean(a.Path), clean(a.Title), clean(a.Message)
		kept.Annotations[i] = a
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(kept); err != nil || text.Len() > maxDetail {
		return ""
	}
	return text.String()
}

// ReadDetail reads a detail as it is kept with a report; nil when there is none,
// or none that this program knows.
func ReadDetail(text []byte) *Detail {
	var d *Detail
	if len(text) == 0 || json.Unmarshal(text, &d) != nil {
		return nil
	}
	return d
}

// asWarning is the detail without failures.
func (d *Detail) asWarning() *Detail {
	if d == nil {
		return nil
	}
	softer := &Detail{Summary: d.Summary, Annotations: slices.Clone(d.Annotations)}
	for i := range softer.Annotations {
		softer.Annotations[i].Level = LevelWarning
	}
	return softer
}
