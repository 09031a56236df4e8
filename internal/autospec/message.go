package autospec

import (
	"regexp"
	"strings"
	"unicode"
)

// clean makes a commit's text harmless: valid UTF-8, without control characters
// other than white space, and with every % escaped, which rpm would expand.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	return strings.ReplaceAll(text, "%", "%%")
}

// ellipsis begins a body that belongs to the subject.
var ellipsis = regexp.MustCompile(`^(?:\.{3,}|…+)(.*)$`)

// items reads the items of a changelog entry out of a commit's message, escaped
// by clean: the subject, which may have several lines; a body that begins with
// an ellipsis continues it; items that begin with a dash follow it, until a
// blank line. Any other body is not for the changelog.
func items(message string) []string {
	lines := strings.Split(clean(message[:min(len(message), MaxMessage)]), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimFunc(line, isSpace)
	}
	skipBlank := func() {
		for len(lines) > 0 && lines[0] == "" {
			lines = lines[1:]
		}
	}
	// text takes the lines up to a blank one, or one that begins an item.
	text := func(list []string, untilDash bool) []string {
		for len(lines) > 0 && lines[0] != "" && !(untilDash && strings.HasPrefix(lines[0], "-")) {
			list = append(list, lines[0])
			lines = lines[1:]
		}
		return list
	}

	skipBlank()
	if len(lines) > 0 && lines[0][0] == '-' {
		lines[0] = withoutDash(lines[0])
	}
	subject := text(nil, false)
	skipBlank()
	if len(lines) == 0 {
		return []string{strings.Join(subject, " ")}
	}
	if m := ellipsis.FindStringSubmatch(lines[0]); m != nil {
		lines = lines[1:]
		subject = text(append(subject, strings.TrimLeftFunc(m[1], isSpace)), true)
	}
	all := []string{strings.Join(subject, " ")}
	for len(lines) > 0 && strings.HasPrefix(lines[0], "-") {
		first := withoutDash(lines[0])
		lines = lines[1:]
		all = append(all, strings.Join(text([]string{first}, true), " "))
	}
	return all
}

// withoutDash is a line without the dash it begins with.
func withoutDash(line string) string { return strings.TrimLeftFunc(line[1:], isSpace) }
