package autospec

import (
	"bytes"
	"regexp"
)

// Features are what a spec has of rpmautospec's, found by its lines alone.
type Features struct {
	// AutoRelease and AutoChangelog say that the macros are used.
	AutoRelease, AutoChangelog bool
	// Processed says that the spec defines %autorelease itself, as one does
	// that was processed before.
	Processed bool

	// The first lines, from 1, of %changelog and %autochangelog; 0 for none.
	changelogLine, autoChangelogLine int
}

// Uses reports whether the spec must be processed.
func (f Features) Uses() bool { return !f.Processed && (f.AutoRelease || f.AutoChangelog) }

// needsChangelog reports whether a changelog is to be made: where the macro
// asks for it, and where there is none at all.
func (f Features) needsChangelog() bool { return f.AutoChangelog || f.changelogLine == 0 }

// What stands in the lines of a spec.
var (
	autoReleaseUse    = regexp.MustCompile(`%(?:autorelease(?:[ \t\r\f\v]|$)|\{\??autorelease(?:\s+[^}]*)?\})`)
	changelogSection  = regexp.MustCompile(`(?i)^%changelog(?:\s|$)`)
	autoChangelogUse  = regexp.MustCompile(`^\s*%(?:autochangelog|\{\??autochangelog\})`)
	autoReleaseDefine = regexp.MustCompile(`^\s*%define\s+autorelease\s*\(`)
)

// ReadFeatures looks at a spec.
func ReadFeatures(spec []byte) (f Features) {
	number := 0
	for line := range bytes.Lines(spec) {
		number++
		line = bytes.TrimRight(line, "\r\n")
		if !bytes.Contains(line, []byte("%")) {
			continue
		}
		if f.changelogLine == 0 {
			f.AutoRelease = f.AutoRelease || autoReleaseUse.Match(line)
			if changelogSection.Match(line) {
				f.changelogLine = number
			}
		}
		if f.autoChangelogLine == 0 && autoChangelogUse.Match(line) {
			f.AutoChangelog, f.autoChangelogLine = true, number
		}
		f.Processed = f.Processed || autoReleaseDefine.Match(line)
	}
	return f
}
