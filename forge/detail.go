package forge

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"
	"unicode/utf8"
)

// FinerState says more than State to forges that know more states.
type FinerState string

// The finer states.
const (
	// FinerQueued is StatePending of work that has not begun.
	FinerQueued FinerState = "queued"
	// FinerSkipped is StateSuccess where there was nothing to do.
	FinerSkipped FinerState = "skipped"
	// FinerNeutral is any final state that nobody has to act on.
	FinerNeutral FinerState = "neutral"
	// FinerCanceled is StateError or StateFailure of work that was stopped.
	FinerCanceled FinerState = "canceled"
)

// check returns an error unless the finer state is one of the state.
func (f FinerState) check(state State) error {
	ok := f == "" ||
		f == FinerQueued && state == StatePending ||
		f == FinerSkipped && state == StateSuccess ||
		f == FinerNeutral && state.Final() ||
		f == FinerCanceled && (state == StateError || state == StateFailure)
	if !ok {
		return fmt.Errorf("forge: check status: finer state %q is none of %s", f, state)
	}
	return nil
}

// Bounds of a detail: those of GitHub's Checks API.
const (
	// MaxSummary is in bytes. GitHub counts 65,535 characters.
	MaxSummary = 65535
	// MaxAnnotations is what one request may bring.
	MaxAnnotations = 50
	// MaxAnnotationTitle is in characters.
	MaxAnnotationTitle = 255
	// MaxAnnotationMessage is in bytes; GitHub takes 64 KB.
	MaxAnnotationMessage = 64000
	// maxAnnotationPath is in bytes.
	maxAnnotationPath = 4096
)

// Detail is what a status says besides its line. Its title is the status's
// description.
type Detail struct {
	// Summary is GitHub-flavoured Markdown, in which everything that somebody
	// else may have written stands in code spans and code blocks. Drivers cut it
	// to MaxSummary bytes, between two lines.
	Summary string
	// Annotations are at most MaxAnnotations.
	Annotations []Annotation
}

// Level says how bad it is what an annotation says.
type Level string

// The levels of annotations.
const (
	LevelNotice  Level = "notice"
	LevelWarning Level = "warning"
	LevelFailure Level = "failure"
)

// Annotation is about a line of a file of the commit.
type Annotation struct {
	// Path is the file's, relative to the repository's root, with slashes.
	Path string
	// Line is counted from 1.
	Line  int
	Level Level
	// Title is one line and Message is text without any markup. Drivers cut
	// them to MaxAnnotationTitle and MaxAnnotationMessage. Message is not empty.
	Title, Message string
}

// maxAnnotationLine bounds the number of a line.
const maxAnnotationLine = 1<<31 - 1

// check returns an error that says what no forge would take.
func (d *Detail) check() error {
	if d == nil {
		return nil
	}
	if len(d.Annotations) > MaxAnnotations {
		return fmt.Errorf("forge: check status: %d annotations are more than %d", len(d.Annotations), MaxAnnotations)
	}
	for _, a := range d.Annotations {
		if err := a.check(); err != nil {
			return fmt.Errorf("forge: check status: annotation: %w", err)
		}
	}
	return nil
}

func (a Annotation) check() error {
	switch {
	case !fs.ValidPath(a.Path) || a.Path == "." || len(a.Path) > maxAnnotationPath || strings.ContainsFunc(a.Path, unicode.IsControl):
		return errors.New("path is not one of a file below the repository's root")
	case a.Line < 1 || a.Line > maxAnnotationLine:
		return errors.New("there is no such line")
	case a.Level != LevelNotice && a.Level != LevelWarning && a.Level != LevelFailure:
		return fmt.Errorf("unknown level %q", a.Level)
	case CutMessage(a.Message) == "":
		return errors.New("message is empty")
	}
	return nil
}

// CutSummary makes a summary valid UTF-8 of at most MaxSummary bytes without
// control characters but line feeds and tabs. What is too long is cut between
// two lines, so that no code span is left open that begins and ends in one; an
// open code block ends with the text.
func CutSummary(summary string) string {
	text := printableLines(summary)
	if len(text) <= MaxSummary {
		return text
	}
	text = text[:MaxSummary-len(ellipsis)]
	return text[:strings.LastIndexByte(text, '\n')+1] + ellipsis
}

// CutMessage is CutSummary for the message of an annotation, which is cut
// between two characters.
func CutMessage(message string) string {
	text := strings.TrimSpace(printableLines(message))
	if len(text) <= MaxAnnotationMessage {
		return text
	}
	text = text[:MaxAnnotationMessage-len(ellipsis)]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text + ellipsis
}

// CutAnnotationTitle is CutDescription for the title of an annotation.
func CutAnnotationTitle(title string) string { return cutLine(title, MaxAnnotationTitle) }

// printableLines drops terminal sequences, and characters that nobody sees.
func printableLines(text string) string {
	text = terminalSequence.ReplaceAllString(strings.ToValidUTF8(text, "\uFFFD"), "")
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return -1
		}
		return r
	}, text)
}
