package forge

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

// maxContext bounds Status.Context, in bytes: the forges store 255.
const maxContext = 255

// Check returns an error that says which field of the status no forge would
// take. Drivers call it before they send anything; texts are not checked, they
// are cut.
func (s Status) Check() error {
	switch s.State {
	case StatePending, StateSuccess, StateFailure, StateError:
	default:
		return fmt.Errorf("forge: check status: unknown state %q", s.State)
	}
	if s.Context == "" || len(s.Context) > maxContext || strings.ContainsFunc(s.Context, unicode.IsControl) {
		return errors.New("forge: check status: context is empty, too long or has a control character")
	}
	if len(s.Run) > maxContext || strings.ContainsFunc(s.Run, unicode.IsControl) {
		return errors.New("forge: check status: run is too long or has a control character")
	}
	if err := errors.Join(s.Finer.check(s.State), s.Detail.check()); err != nil {
		return err
	}
	if s.TargetURL == "" {
		return nil
	}
	u, err := url.Parse(s.TargetURL)
	if err != nil || len(s.TargetURL) > maxURL || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return errors.New("forge: check status: target URL is not an absolute http or https URL")
	}
	return nil
}

// terminalSequence is an ANSI control sequence (ECMA-48 §5.4) such as a colour.
var terminalSequence = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]`)

const ellipsis = "…"

// CutDescription makes text one line of at most MaxDescription characters:
// terminal sequences and characters that turn the direction of text are
// dropped, runs of blanks and control characters become one blank, and what is
// too long is cut between two characters and ended with an ellipsis.
func CutDescription(text string) string {
	return cutLine(text, MaxDescription)
}

// cutLine is CutDescription for any number of characters.
func cutLine(text string, limit int) string {
	var line []rune
	blank := false
	for _, r := range terminalSequence.ReplaceAllString(text, "") {
		switch {
		case unicode.Is(unicode.Bidi_Control, r):
		case unicode.IsSpace(r) || unicode.IsControl(r):
			blank = len(line) > 0
		default:
			if blank {
				line = append(line, ' ')
				blank = false
			}
			line = append(line, r)
		}
		if len(line) > limit {
			return strings.TrimRight(string(line[:limit-1]), " ") + ellipsis
		}
	}
	return string(line)
}
