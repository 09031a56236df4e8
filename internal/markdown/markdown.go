// Package markdown puts text that anybody may have written into GitHub-flavoured
// Markdown, so that it is shown as it is: no link, image, mention, HTML or
// heading comes of it. It knows the two places where nothing has a meaning,
// code spans and code blocks (CommonMark 0.31.2 §6.1 and §4.5; neither mentions
// nor references are looked for in them), and refuses to know any other markup:
// escaping characters one by one is never complete.
package markdown

import (
	"regexp"
	"strings"
	"unicode"
)

// terminalSequence is an ANSI control sequence (ECMA-48 §5.4) such as a colour.
var terminalSequence = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]`)

// Code is text as a code span on one line: the text of several is joined by
// blanks. Empty when there is nothing to show.
func Code(text string) string {
	text = strings.Join(strings.Fields(printable(text)), " ")
	if text == "" {
		return ""
	}
	fence := strings.Repeat("`", longestRun(text)+1)
	if text[0] == '`' || text[len(text)-1] == '`' {
		// A blank at both ends is taken away again.
		text = " " + text + " "
	}
	return fence + text + fence
}

// Block is lines as a code block, which begins and ends with a line of its own.
// What a line has of line ends becomes blanks. Empty without lines.
func Block(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	shown := make([]string, len(lines))
	longest := 2
	for i, line := range lines {
		shown[i] = strings.TrimRight(printable(line), " ")
		longest = max(longest, longestRun(shown[i]))
	}
	fence := strings.Repeat("`", longest+1)
	return fence + "text\n" + strings.Join(shown, "\n") + "\n" + fence + "\n"
}

// printable is text on one line of what can be seen.
func printable(text string) string {
	text = terminalSequence.ReplaceAllString(strings.ToValidUTF8(text, "\uFFFD"), "")
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r):
			return -1 // also what turns the direction of text
		}
		return r
	}, text)
}

// longestRun is the length of the longest run of backquotes.
func longestRun(text string) int {
	longest, run := 0, 0
	for _, r := range text {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}
