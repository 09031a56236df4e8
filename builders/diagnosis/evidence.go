package diagnosis

import (
	"regexp"
	"strings"
)

// quality says how well a line tells what went wrong in a build.
type quality int

const (
	nothing quality = iota
	// consequence: that a step failed, printed by who ran it.
	consequence
	// location: says where, and may be about what went wrong.
	location
	// hint: may be what went wrong, or something that is often so.
	hint
	// cause: what went wrong, with the object's name.
	cause
	// exhausted: something ran out; errors that follow are about that.
	exhausted
)

// candidate is a line that may say what went wrong.
type candidate struct {
	found
	quality quality
	kind    Kind
	object  string
	// joins is true while the lines that follow belong to its text.
	joins bool
}

// evidence is what a command printed: the first line of each quality, and the
// last line.
type evidence struct {
	first [exhausted + 1]*candidate
	last  found
	// traceback is true between a Python traceback's head and its exception.
	traceback bool
	// gaveUp is true once make said that it ends.
	gaveUp bool
}

func (e *evidence) empty() bool { return e.last.line == 0 }

// best is the line that says best what went wrong; nil when none does.
func (e *evidence) best() *candidate {
	for q := exhausted; q > nothing; q-- {
		c := e.first[q]
		if c == nil {
			continue
		}
		if last := e.first[consequence]; q == location && last != nil && last.kind == KindCompileError {
			c.kind = KindCompileError // msgfmt: found 1 fatal error
		}
		return c
	}
	return nil
}

// add adds what was printed later.
func (e *evidence) add(later *evidence) {
	for q, c := range later.first {
		if e.first[q] == nil {
			e.first[q] = c
		}
	}
	if later.last.line > 0 {
		e.last = later.last
	}
}

// printed notes a line for excerpts.
func (e *evidence) printed(n int, text string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	e.last = found{line: n, text: text}
	for _, c := range e.first {
		if c != nil && n > c.line && len(c.excerpt) < maxExcerpt {
			c.excerpt = append(c.excerpt, text)
		}
	}
}

// line looks at one line that a command of the section printed.
func (e *evidence) line(n int, text string, s *section) {
	e.printed(n, text)
	for _, c := range e.first {
		if c != nil && c.joins && n > c.line {
			c.join(text)
		}
	}
	kind, q, object := judge(text, e.first[location] == nil)
	switch {
	case strings.HasPrefix(text, "Traceback (most recent call last):"):
		e.traceback = true
	case e.traceback && (text == "" || text[0] == ' ' || text[0] == '\t'):
		return // source code
	case e.traceback:
		e.traceback = false
		if q < cause && exception.MatchString(text) {
			kind, q = KindCommandFailed, cause
		}
	}
	if kind == ignored {
		e.forgive()
		return
	}
	if strings.Contains(text, "*** ") && q == consequence {
		e.gaveUp = true
	}
	if q == nothing || e.first[q] != nil {
		return
	}
	switch kind {
	case KindPatchHunk:
		object = s.patch
	case KindBadSource:
		object = s.source
	case KindUndefinedMacro:
		object, _, _ = strings.Cut(s.command.text, " ")
	}
	e.first[q] = &candidate{
		found:   found{line: n, text: text, excerpt: []string{text}},
		quality: q, kind: kind, object: object,
		joins: strings.HasSuffix(text, ":") || strings.HasPrefix(text, "CMake Error at ") || strings.HasPrefix(text, "Hunk #"),
	}
}

// forgive drops what was found: make ignored it. With -j make may have begun to
// end for another target, then nothing is dropped.
func (e *evidence) forgive() {
	if !e.gaveUp {
		e.first = [exhausted + 1]*candidate{}
	}
}

// exception is the end of a Python traceback.
var exception = regexp.MustCompile(`^[A-Za-z_][\w.]*(?:Error|Exception|Exit|Warning|Interrupt|Failure|Failed|NotFound|Mismatch)?(?::|$)`)

// join adds what belongs to the line.
func (c *candidate) join(text string) {
	text = strings.TrimSpace(text)
	if text == "" {
		return
	}
	if strings.HasPrefix(c.text, "Hunk #") {
		// Which file it was of is told by the last line about it.
		if c.joins = !strings.Contains(text, "FAILED -- saving rejects"); !c.joins {
			c.text = text
		}
		return
	}
	if len(c.text) < maxLine {
		c.text += " " + text
	}
	c.joins = false
}

// tell makes the finding of a script's line.
func (c *candidate) tell(f *Finding, prefix string, s *section) found {
	f.Kind, f.Object = c.kind, c.object
	text := shorten(c.text)
	switch c.kind {
	case KindPatchHunk:
		if c.object != "" {
			text = c.object + ": " + text
		}
	case KindNetworkNeeded:
		text = end(text, MaxReason-len(prefix))
	case KindUndefinedMacro:
		text = c.object + " is not defined: no installed package has this macro"
	case KindCommandFailed, KindMissingFile, KindPermission:
		if f.Phase == PhaseCheck && c.kind == KindCommandFailed {
			f.Kind = KindTestFailure
		}
	case KindTestFailure:
		if f.Phase != PhaseCheck {
			f.Kind = KindCommandFailed
		}
	case KindBadSource:
		if f.Phase != PhasePrep {
			f.Kind = KindCommandFailed
		} else if c.object != "" && !strings.Contains(text, c.object) {
			text = c.object + ": " + text
		}
	}
	f.Reason = prefix + text
	if s.patch == "" && f.Kind == KindPatchHunk && f.Phase != PhasePrep {
		f.Kind = KindCommandFailed
	}
	return c.found
}
