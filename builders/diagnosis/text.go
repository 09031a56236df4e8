package diagnosis

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLine bounds what is read of one line, in bytes.
const maxLine = 4096

// OneLine makes a reason of what anybody may have printed: one line of
// printable characters, at most MaxReason of them.
func OneLine(text string) string { return clip(text, MaxReason) }

// maxClipped bounds what is looked at of a text, in bytes.
const maxClipped = 16 << 10

// clip makes text one line of printable characters, at most limit of them.
func clip(text string, limit int) string {
	text = text[:min(len(text), maxClipped)]
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return strings.TrimRight(string([]rune(text)[:limit-1]), " ,:;") + "…"
}

// escapes are the sequences of ECMA-48 that colour text and set titles.
var escapes = regexp.MustCompile(`\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-Z^_\x60-~])`)

// end is the end of a text, at most limit characters.
func end(text string, limit int) string {
	if runes := []rune(text); len(runes) > limit {
		return "…" + string(runes[len(runes)-limit+1:])
	}
	return text
}

// plain takes out colours and what else a line tells a terminal.
func plain(line string) string {
	if strings.IndexByte(line, 0x1b) >= 0 {
		line = escapes.ReplaceAllString(line, "")
	}
	return line
}

// Paths of the buildroot that say nothing to people.
var (
	scriptName = regexp.MustCompile(`/var/tmp/rpm-tmp\.\w+: (?:line \d+: +(?:\d+ )?)?`)
	// bash puts the command right after it.
	limitExceeded = regexp.MustCompile(`(limit exceeded)(\S)`)
	// A package is built in BUILD/NAME-VERSION.
	insidePaths = regexp.MustCompile(`/builddir/build/(?:BUILDROOT/[^/\s]+|SPECS/|SOURCES/|BUILD/(?:[\w.+~^-]+-[\w.+~^]+/)?)`)
	spaces      = regexp.MustCompile(`\s+`)
)

// shorten takes out what is the same for every build.
func shorten(text string) string {
	if strings.Contains(text, "/var/tmp/rpm-tmp.") {
		text = limitExceeded.ReplaceAllString(scriptName.ReplaceAllString(text, ""), "$1: $2")
	}
	if strings.Contains(text, "/builddir/") {
		text = insidePaths.ReplaceAllString(text, "")
	}
	return strings.TrimSpace(spaces.ReplaceAllString(text, " "))
}

// list writes as many of the items as fit into limit characters, and how many
// more there are.
func list(items []string, limit int) string {
	text := ""
	for i, item := range items {
		next := text
		if i > 0 {
			next += ", "
		}
		next += item
		more := ""
		if rest := len(items) - i - 1; rest > 0 {
			more = " and " + number(rest) + " more"
		}
		if i > 0 && utf8.RuneCountInString(next+more) > limit {
			return text + " and " + number(len(items)-i) + " more"
		}
		text = next
	}
	return text
}
