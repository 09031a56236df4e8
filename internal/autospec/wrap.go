package autospec

import (
	"slices"
	"strings"
	"unicode"
)

// Lines of entries have at most this many characters; those after an item's
// first are indented.
const (
	lineWidth = 75
	indent    = "  "
)

// wrap breaks a text into lines as Python's textwrap does: at white space, after
// hyphens in words, around long dashes, and anywhere in what is longer than a
// line. Tabs are expanded to eight columns.
func wrap(text string) string {
	rest := chunks(plainSpace(text))
	var lines []string
	for len(rest) > 0 {
		width, prefix := lineWidth, ""
		if len(lines) > 0 {
			width, prefix = lineWidth-len(indent), indent
			if blank(rest[0]) {
				rest = rest[1:]
				if len(rest) == 0 {
					break
				}
			}
		}
		var line []rune
		var last []rune
		for len(rest) > 0 && (len(line)+len(rest[0]) <= width || len(line) > 0 && mustFollow(rest)) {
			last = rest[0]
			line = append(line, last...)
			rest = rest[1:]
		}
		if len(rest) > 0 && len(rest[0]) > width {
			if cut := cutLong(rest[0], width-len(line), len(line) == 0); cut > 0 {
				last = rest[0][:cut]
				line = append(line, last...)
				if rest[0] = rest[0][cut:]; len(rest[0]) == 0 {
					rest = rest[1:]
				}
			}
		}
		if blank(last) {
			line = line[:len(line)-len(last)]
		}
		if len(line) > 0 {
			lines = append(lines, closed(prefix+string(line)))
		}
	}
	return strings.Join(lines, "\n")
}

// closed is a line that rpm does not join to the next one.
func closed(line string) string {
	if strings.HasSuffix(line, `\`) {
		return line + " "
	}
	return line
}

// plainSpace expands tabs and makes every ASCII white space a space.
func plainSpace(text string) []rune {
	var plain []rune
	column := 0
	for _, r := range text {
		switch r {
		case '\t':
			for n := 8 - column%8; n > 0; n-- {
				plain = append(plain, ' ')
				column++
			}
			continue
		case '\n', '\r':
			plain, column = append(plain, ' '), 0
			continue
		case '\v', '\f':
			r = ' '
		}
		plain = append(plain, r)
		column++
	}
	return plain
}

// chunks cuts a text where a line may be broken. Runs of spaces are chunks, too.
func chunks(text []rune) [][]rune {
	var all [][]rune
	for at := 0; at < len(text); {
		end := chunkEnd(text, at)
		all = append(all, text[at:end:end])
		at = end
	}
	return all
}

// chunkEnd is where the chunk ends that begins at at.
func chunkEnd(text []rune, at int) int {
	if text[at] == ' ' {
		for at < len(text) && text[at] == ' ' {
			at++
		}
		return at
	}
	if n := longDash(text, at); n > 0 {
		return at + n
	}
	for end := at + 1; end < len(text); end++ {
		switch {
		case text[end] == ' ', longDash(text, end) > 0:
			return end
		case text[end] == '-' && hyphenated(text, end):
			return end + 1
		}
	}
	return len(text)
}

// longDash is the length of a dash of several hyphens between words that begins
// at at; 0 when there is none.
func longDash(text []rune, at int) int {
	if at == 0 || !isWord(text[at-1]) && !strings.ContainsRune(`!"'&.,?`, text[at-1]) {
		return 0
	}
	n := 0
	for at+n < len(text) && text[at+n] == '-' {
		n++
	}
	if n < 2 || at+n == len(text) || !isWord(text[at+n]) {
		return 0
	}
	return n
}

// hyphenated reports whether the hyphen at at is within a word: two letters
// before it, perhaps with a hyphen between, and two after it.
func hyphenated(text []rune, at int) bool {
	letter := func(i int) bool { return i >= 0 && i < len(text) && isLetter(text[i]) }
	hyphen := func(i int) bool { return i >= 0 && i < len(text) && text[i] == '-' }
	before := letter(at-1) && (letter(at-2) || hyphen(at-2) && letter(at-3))
	after := letter(at+1) && (letter(at+2) || hyphen(at+2) && letter(at+3))
	return before && after
}

func isWord(r rune) bool   { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }
func isLetter(r rune) bool { return isWord(r) && !unicode.Is(unicode.Nd, r) }

// blank reports whether a chunk is white space only.
func blank(chunk []rune) bool {
	return len(chunk) > 0 && !slices.ContainsFunc(chunk, func(r rune) bool { return !isSpace(r) })
}

// unbreakable begin what must not stand first in a line: rpm would follow it as
// a conditional once %% is %, or leave it out as a comment.
var unbreakable = []string{"%%if", "%%el", "%%endif", "%%include", "#"}

// mustFollow reports whether the next word, perhaps after white space, must not
// begin a line. The line is longer then.
func mustFollow(rest [][]rune) bool {
	return isUnbreakable(rest[0]) || blank(rest[0]) && len(rest) > 1 && isUnbreakable(rest[1])
}

func isUnbreakable(chunk []rune) bool {
	return slices.ContainsFunc(unbreakable, func(prefix string) bool {
		return strings.HasPrefix(string(chunk[:min(len(chunk), 10)]), prefix)
	})
}

// cutLong is how much of a chunk longer than a line goes into the space that is
// left of a line, which is fresh when there is nothing in it: up to its last hyphen, or all of the space, but not half of an escaped
// percent sign, and not so that the rest begins with what must not begin a line.
func cutLong(chunk []rune, space int, fresh bool) int {
	end := min(space, len(chunk))
	for i := end - 1; i > 0; i-- {
		if chunk[i] == '-' {
			if slices.ContainsFunc(chunk[:i], func(r rune) bool { return r != '-' }) {
				end = i + 1
			}
			break
		}
	}
	for end > 0 && end < len(chunk) && badCut(chunk, end) {
		end--
	}
	if end == 0 && fresh {
		return len(chunk) // it can't be cut: better too long than wrong
	}
	return end
}

// badCut reports whether a chunk must not be cut at at.
func badCut(chunk []rune, at int) bool {
	percents := 0
	for i := at - 1; i >= 0 && chunk[i] == '%'; i-- {
		percents++
	}
	for at < len(chunk) && chunk[at] == ' ' {
		at++
	}
	return percents%2 == 1 || at < len(chunk) && isUnbreakable(chunk[at:])
}
