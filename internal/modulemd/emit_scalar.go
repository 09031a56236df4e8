package modulemd

import (
	"fmt"
	"strings"
)

type scalarStyle int

const (
	stylePlain scalarStyle = iota
	styleSingle
	styleDouble
	styleFolded
)

// scalar writes a scalar; where its lines are broken they go on at indent.
func (e *emitter) scalar(n *emitNode, indent int, at place) {
	text := []rune(n.text)
	switch analyse(n.text).choose(n, at) {
	case stylePlain:
		e.plainScalar(text, indent, at)
	case styleSingle:
		e.singleScalar(text, indent, at)
	case styleDouble:
		e.doubleScalar(text, indent, at)
	case styleFolded:
		e.foldedScalar(text, indent)
	}
}

// analysis says in which styles a text can be written.
type analysis struct {
	empty, multiline                                    bool
	flowPlain, blockPlain, singleQuoted, blockOfAnyKind bool
}

// choose is the style for n, by libyaml's rules.
func (a analysis) choose(n *emitNode, at place) scalarStyle {
	style := n.style
	if at.isKey && a.multiline {
		style = styleDouble
	}
	if style == stylePlain {
		allowed := a.blockPlain
		if at.inFlow {
			allowed = a.flowPlain
		}
		if !allowed || a.empty && (at.inFlow || at.isKey) {
			style = styleSingle
		}
	}
	if style == styleSingle && !a.singleQuoted {
		style = styleDouble
	}
	if style == styleFolded && (!a.blockOfAnyKind || at.inFlow || at.isKey) {
		style = styleDouble
	}
	return style
}

// analyse looks for what YAML would take for something else.
func analyse(s string) analysis {
	if s == "" {
		return analysis{empty: true, blockPlain: true, singleQuoted: true}
	}
	var flow, block, breaks, special bool
	var edge, trailingSpace, breakSpace, spaceBreak bool
	if strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...") {
		flow, block = true, true
	}
	runes := []rune(s)
	var previous rune
	for i, c := range runes {
		first, last := i == 0, i == len(runes)-1
		blankNext := last || isBlank(runes[i+1])
		f, b := indicatorsOf(c, first, first || isBlank(previous), blankNext)
		flow, block = flow || f, block || b
		if !isPrintable(c) {
			special = true
		}
		switch {
		case c == ' ':
			edge = edge || first || last
			trailingSpace = trailingSpace || last
			breakSpace = breakSpace || !first && isBreak(previous)
		case isBreak(c):
			breaks = true
			edge = edge || first || last
			spaceBreak = spaceBreak || previous == ' '
		}
		previous = c
	}
	impossible := spaceBreak || special
	return analysis{
		multiline:      breaks,
		flowPlain:      !(edge || breakSpace || impossible || breaks || flow),
		blockPlain:     !(edge || breakSpace || impossible || breaks || block),
		singleQuoted:   !(breakSpace || impossible),
		blockOfAnyKind: !(trailingSpace || impossible),
	}
}

// indicatorsOf reports whether a character would have a meaning in a plain
// scalar within and outside of flow style.
func indicatorsOf(c rune, first, blankBefore, blankAfter bool) (flow, block bool) {
	if first {
		switch c {
		case '#', ',', '[', ']', '{', '}', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`':
			return true, true
		case '?', ':':
			return true, blankAfter
		case '-':
			return blankAfter, blankAfter
		}
		return false, false
	}
	switch c {
	case ',', '?', '[', ']', '{', '}':
		return true, false
	case ':':
		return true, blankAfter
	case '#':
		return blankBefore, blankBefore
	}
	return false, false
}

func isBreak(c rune) bool {
	return c == '\n' || c == '\r' || c == '\u0085' || c == '\u2028' || c == '\u2029'
}

func isBlank(c rune) bool { return c == ' ' || c == '\t' || isBreak(c) }

// isPrintable is libyaml's idea of it: nothing beyond the basic plane.
func isPrintable(c rune) bool {
	return c == '\n' || 0x20 <= c && c <= 0x7e || 0xa0 <= c && c <= 0xd7ff ||
		0xe000 <= c && c <= 0xfffd && c != 0xfeff
}

func (e *emitter) plainScalar(text []rune, indent int, at place) {
	if len(text) == 0 {
		return
	}
	if !e.blank {
		e.put(' ')
	}
	space := false
	for i, c := range text {
		if c == ' ' && !at.isKey && !space && e.column > bestWidth && text[i+1] != ' ' {
			e.line(indent)
		} else {
			e.put(c)
		}
		space = c == ' '
		e.fresh = false
	}
	e.blank, e.fresh = false, false
}

func (e *emitter) singleScalar(text []rune, indent int, at place) {
	e.indicator("'", true)
	space, broken := false, false
	for i, c := range text {
		inside := i > 0 && i < len(text)-1
		switch {
		case c == ' ':
			if !at.isKey && !space && e.column > bestWidth && inside && text[i+1] != ' ' {
				e.line(indent)
			} else {
				e.put(c)
			}
			space = true
			continue
		case isBreak(c):
			if !broken && c == '\n' {
				e.newline()
			}
			e.lineBreak(c)
			e.fresh, broken = true, true
			continue
		}
		if broken {
			e.line(indent)
		}
		if c == '\'' {
			e.put(c)
		}
		e.put(c)
		e.fresh, space, broken = false, false, false
	}
	if broken {
		e.line(indent)
	}
	e.indicator("'", false)
}

func (e *emitter) doubleScalar(text []rune, indent int, at place) {
	e.indicator(`"`, true)
	space := false
	for i, c := range text {
		switch {
		case !isPrintable(c) || isBreak(c) || c == '"' || c == '\\':
			for _, escaped := range escape(c) {
				e.put(escaped)
			}
			space = false
		case c == ' ' && !at.isKey && !space && e.column > bestWidth && i > 0 && i < len(text)-1:
			e.line(indent)
			if text[i+1] == ' ' {
				e.put('\\')
			}
			space = true
		default:
			e.put(c)
			space = c == ' '
		}
	}
	e.indicator(`"`, false)
}

// escape is the character as it is written in double quotes.
func escape(c rune) string {
	if i := strings.IndexRune("\x00\a\b\t\n\v\f\r\x1b\"\\\u0085\u00a0\u2028\u2029", c); i >= 0 {
		short := map[rune]string{
			0: `\0`, '\a': `\a`, '\b': `\b`, '\t': `\t`, '\n': `\n`, '\v': `\v`, '\f': `\f`, '\r': `\r`, 0x1b: `\e`,
			'"': `\"`, '\\': `\\`, 0x85: `\N`, 0xa0: `\_`, 0x2028: `\L`, 0x2029: `\P`,
		}
		return short[c]
	}
	switch {
	case c <= 0xff:
		return fmt.Sprintf(`\x%02X`, c)
	case c <= 0xffff:
		return fmt.Sprintf(`\u%04X`, c)
	}
	return fmt.Sprintf(`\U%08X`, c)
}

func (e *emitter) foldedScalar(text []rune, indent int) {
	e.indicator(">"+blockHints(text), true)
	e.newline()
	e.blank, e.fresh = true, true
	broken, leading := true, true
	for i, c := range text {
		if isBreak(c) {
			if !broken && !leading && c == '\n' && !breaksThenBlank(text[i:]) {
				e.newline()
			}
			e.lineBreak(c)
			e.fresh, broken = true, true
			continue
		}
		if broken {
			e.line(indent)
			leading = c == ' ' || c == '\t'
		}
		if !broken && c == ' ' && text[i+1] != ' ' && e.column > bestWidth {
			e.line(indent)
		} else {
			e.put(c)
		}
		e.fresh, broken = false, false
	}
	e.blank = false
}

// breaksThenBlank reports whether after the line breaks that text begins with
// comes a blank or the end.
func breaksThenBlank(text []rune) bool {
	for _, c := range text {
		if !isBreak(c) {
			return isBlank(c)
		}
	}
	return true
}

// blockHints say how a folded scalar begins and ends.
func blockHints(text []rune) string {
	hints := ""
	if text[0] == ' ' || isBreak(text[0]) {
		hints = "2"
	}
	switch n := len(text); {
	case !isBreak(text[n-1]):
		return hints + "-"
	case n == 1 || isBreak(text[n-2]):
		return hints + "+"
	}
	return hints
}
