package distgit

import (
	"fmt"
	"regexp"
	"strings"
)

// directive handles the built-in macros that take the rest of the line, text.
// done is false when name is none of them.
func (m *macros) directive(name, text string, depth int) (rest string, done bool) {
	switch name {
	case "define", "global":
		return m.define(name == "global", text, depth), true
	case "undefine":
		line, rest := cutLine(text)
		if undefined := strings.TrimSpace(line); isName(undefined) {
			// What the name meant before, in this file or elsewhere, is back.
			m.set(undefined, macroState{unclear: "macro " + undefined + " was undefined again"})
		}
		return rest, true
	case "dnl":
		_, rest := cutLine(text)
		return rest, true
	case "bcond_with", "bcond_without", "bcond":
		line, rest := cutLine(text)
		m.bcond(name, line, depth)
		return rest, true
	}
	return text, false
}

// define reads "NAME BODY" or "NAME(OPTIONS) BODY".
func (m *macros) define(global bool, text string, depth int) (rest string) {
	text = strings.TrimLeft(text, " \t")
	_, name, after := cutName(text)
	body, rest := cutBody(after)
	written := Macro{Name: name, Global: global, Line: m.line, Conditional: m.condition != ""}
	state := macroState{defined: yes}
	switch {
	case !isName(name):
		return rest
	case strings.HasPrefix(body, "("):
		written.Parametric = true
		_, body, _ = cutBracketed(body)
		state.unclear = "macro " + name + " is a function"
	case body != "" && body[0] != ' ' && body[0] != '\t' && body[0] != '\\', strings.HasPrefix(strings.TrimLeft(body, " \t"), "{"):
		state.unclear = "macro " + name + " has its body in braces"
	}
	body = strings.TrimSpace(strings.ReplaceAll(body, "\\\n", "\n"))
	written.Body = strings.ToValidUTF8(body, "\uFFFD")
	m.definitions = append(m.definitions, written)
	if state.unclear == "" {
		state.body = body
		if global {
			state.body, state.unclear = m.expand(body, depth+1, true)
		}
		if body == "" {
			state.unclear = "macro " + name + " has an empty body"
		}
	}
	m.set(name, state)
	return rest
}

// bcond reads a build condition. As with rpmbuild without --with and --without,
// the default holds, unless a macro _with_NAME or _without_NAME was given.
func (m *macros) bcond(kind, args string, depth int) {
	words := strings.Fields(args)
	if len(words) == 0 || !isName(words[0]) {
		return
	}
	condition := BCond{Name: words[0], Line: m.line}
	enabled := truthOf(kind == "bcond_without")
	if kind == "bcond" {
		text, unclear := m.expand(strings.Join(words[1:], " "), depth+1, false)
		enabled = decide(text)
		if unclear != "" {
			enabled = unknown
		}
	}
	override := "_with_" + words[0]
	if enabled == yes {
		override = "_without_" + words[0]
	}
	if m.states[override].defined == yes && enabled != unknown {
		enabled = truthOf(enabled == no)
	}
	condition.Enabled, condition.Known = enabled == yes, enabled != unknown && m.condition == ""
	m.bconds = append(m.bconds, condition)
	state := macroState{defined: enabled}
	switch enabled {
	case yes:
		state.body = "1"
	case unknown:
		state.unclear = "build condition " + words[0] + " is not known"
	}
	m.set("with_"+words[0], state)
}

// definedName finds names that text may define.
var definedName = regexp.MustCompile(`%(?:global|define|undefine|bcond_without|bcond_with|bcond)[ \t]+([A-Za-z0-9_]+)`)

// poison makes everything uncertain that text would define, were it expanded.
func (m *macros) poison(text string) {
	if !m.spend(1, len(text)) {
		return
	}
	if strings.Contains(text, "%{lua:") || strings.Contains(text, "%{load:") {
		m.changed = fmt.Sprintf("line %d", m.line)
	}
	for _, match := range definedName.FindAllStringSubmatch(text, -1) {
		for _, name := range []string{match[1], "with_" + match[1]} {
			m.states[name] = macroState{unclear: "macro " + name + " is defined in a part that is not followed"}
		}
	}
}

// effect is what a line that was not followed can do.
type effect int

const (
	// changesAnything: it calls a macro that is not known.
	changesAnything effect = iota
	// writesLines: it stands for lines of the spec, under a condition.
	writesLines
	// definesOnly: it defines macros under a condition, and poison has seen
	// which.
	definesOnly
)

// effectOf judges a statement, a line that begins with a percent sign. Only
// %{?NAME:TEXT} and its like, where TEXT is there to see, can do less than
// anything.
func effectOf(text string) effect {
	text = strings.TrimSpace(text)
	for range maxMacroDepth {
		if !strings.HasPrefix(text, "%") {
			return writesLines
		}
		if at := definedName.FindStringIndex(text); at != nil && at[0] == 0 && !strings.Contains(text, "\n") {
			return definesOnly
		}
		if !strings.HasPrefix(text, "%{") {
			return changesAnything
		}
		inner, rest, ok := cutBracketed(text[1:])
		flags, name, body := cutName(inner)
		if !ok || strings.TrimSpace(rest) != "" || name == "" || !strings.Contains(flags, "?") || !strings.HasPrefix(body, ":") {
			return changesAnything
		}
		text = strings.TrimSpace(body[1:])
	}
	return changesAnything
}

// cutName splits "!?NAME…" into the signs, the name and what follows.
func cutName(text string) (flags, name, rest string) {
	i := 0
	for i < len(text) && (text[i] == '!' || text[i] == '?') {
		i++
	}
	j := i
	for j < len(text) && isNameByte(text[j]) {
		j++
	}
	return text[:i], text[i:j], text[j:]
}

// cutLine splits text at its first newline, which stays in rest.
func cutLine(text string) (line, rest string) {
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		return text[:i], text[i:]
	}
	return text, ""
}

// cutBody splits text at the end of a definition's body: the first newline that
// is not escaped and not inside a macro call.
func cutBody(text string) (body, rest string) {
	var open openMacros
	for end := 0; ; end++ {
		newline := strings.IndexByte(text[end:], '\n')
		if newline < 0 {
			return text, ""
		}
		joined := open.scan([]byte(text[end : end+newline]))
		end += newline
		if !joined {
			return text[:end], text[end:]
		}
	}
}

// cutBracketed splits text, which begins with a bracket, at the bracket that
// closes it. A backslash hides the character after it.
func cutBracketed(text string) (inner, rest string, ok bool) {
	opening := text[0]
	closing := map[byte]byte{'{': '}', '(': ')', '[': ']'}[opening]
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case opening:
			depth++
		case closing:
			if depth--; depth == 0 {
				return text[1:i], text[i+1:], true
			}
		}
	}
	return "", "", false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isNameByte(c byte) bool {
	return c == '_' || isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// isName reports whether text is the name of a macro or of a build condition.
func isName(text string) bool {
	_, name, rest := cutName(text)
	return name != "" && rest == "" && name == text
}
