package diagnosis

import (
	"regexp"
	"strings"
)

// sourcesReader reads the log of a checkout. It is distbot's own: its last
// line is the error.
type sourcesReader struct{ last found }

func (r *sourcesReader) phase() Phase { return PhaseSources }

// line implements reader.
func (r *sourcesReader) line(n int, text string) {
	if text = strings.TrimSpace(text); text != "" {
		r.last = found{line: n, text: text}
	}
}

// ofSource names the source that an error is about.
var ofSource = regexp.MustCompile(`(?:fetch|copy) source (\S+?)(?: of |: )`)

// finding implements reader.
func (r *sourcesReader) finding(ended Exit) Finding {
	f := Finding{Phase: PhaseSources, Kind: KindBadSource, Infrastructure: ended.Temporary, Reason: r.last.text, Line: r.last.line}
	switch text := r.last.text; {
	case strings.Contains(text, "source not found in the lookaside"):
		f.Kind = KindMissingSource
	case ended.Temporary, strings.Contains(text, "repository not found"), strings.Contains(text, "commit not found"):
		f.Kind = KindRepository
	}
	if m := ofSource.FindStringSubmatch(r.last.text); m != nil {
		f.Object = m[1]
	}
	f.Excerpt = r.last.lines()
	return f
}
