package autospec

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// maxBump is taken for greater numbers in a commit.
const maxBump = 1_000_000_000

// comments are what a commit's message asks for in lines in brackets.
type comments struct {
	skipChangelog bool
	bumpRelease   int
}

// Their forms, with white space made single spaces.
var (
	skipChangelog = regexp.MustCompile(`^skip changelog`)
	bumpRelease   = regexp.MustCompile(`^bump release ?:? ?([0-9]+)`)
)

// readComments finds the bracketed lines of a message. Several may be in one
// pair of brackets, with commas between.
func readComments(message string) (found comments) {
	for line := range strings.SplitSeq(message, "\n") {
		line = strings.TrimFunc(line, isSpace)
		inner, opened := strings.CutPrefix(line, "[")
		inner, closed := strings.CutSuffix(inner, "]")
		if !opened || !closed {
			continue
		}
		for part := range strings.SplitSeq(inner, ",") {
			part = strings.Join(strings.FieldsFunc(part, isSpace), " ")
			if skipChangelog.MatchString(part) {
				found.skipChangelog = true
			}
			if m := bumpRelease.FindStringSubmatch(part); m != nil {
				n, err := strconv.Atoi(m[1])
				if err != nil {
					n = maxBump // too many digits
				}
				found.bumpRelease = max(found.bumpRelease, min(n, maxBump))
			}
		}
	}
	return found
}

// isSpace is white space as Python has it, in whose terms the rules are
// written.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
