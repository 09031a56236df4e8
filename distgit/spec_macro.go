package distgit

import (
	"fmt"
	"strings"
)

// Bounds of macro expansion. The step count bounds time: a macro that calls
// itself twice doubles the work with each level and need not produce a byte.
const (
	maxMacroDepth     = 32
	maxExpansionBytes = 1 << 20
	maxExpansionTotal = 16 << 20
	maxExpansionSteps = 1 << 20
)

// macroState is what is known of a macro at one point of the file.
type macroState struct {
	defined truth
	// body is expanded on use, when unclear is empty; unclear says why the
	// value is not known.
	body    string
	unclear string
}

// macros expands the text of a spec, and takes note of the definitions in it,
// in the order of the file.
type macros struct {
	states map[string]macroState
	// line is where we are, condition the undecided condition we are under,
	// or empty.
	line      int
	condition string
	// changed names what may have changed any macro; empty when nothing did.
	changed string

	steps, bytes int
	exhausted    bool

	definitions []Macro
	bconds      []BCond
}

// macroTags are set by rpm itself as it reads the tags, in lower and upper
// case. Before the tag comes they are not defined.
var macroTags = []string{"name", "version", "release", "epoch", "summary", "license", "url"}

// newMacros starts with the macros that are given, and with those that are
// known to be undefined.
func newMacros(given map[string]string, undefined []string) *macros {
	m := &macros{states: make(map[string]macroState)}
	for _, name := range undefined {
		m.states[name] = macroState{defined: no}
	}
	for _, name := range macroTags {
		m.states[name] = macroState{defined: no}
		m.states[strings.ToUpper(name)] = macroState{defined: no}
	}
	m.states["nil"] = macroState{defined: yes}
	for name, body := range given {
		m.states[name] = macroState{defined: yes, body: body}
	}
	return m
}

// setTag sets the macros of a tag.
func (m *macros) setTag(tag string, value Value) {
	state := macroState{defined: yes, body: value.Text, unclear: value.Reason}
	if value.Conditional {
		state = macroState{unclear: "tag " + tag + " is set under a condition that is not decided"}
	}
	m.states[tag] = state
	m.states[strings.ToUpper(tag)] = state
}

// set notes a definition.
func (m *macros) set(name string, state macroState) {
	if m.condition != "" {
		state = macroState{unclear: "macro " + name + " is defined " + m.condition}
	}
	m.states[name] = state
}

// lookup returns what is known of a macro here.
func (m *macros) lookup(name string) macroState {
	state, ok := m.states[name]
	if !ok {
		return macroState{unclear: "macro " + name + " is not known here"}
	}
	if m.changed != "" && name != "nil" && !isTagMacro(name) {
		return macroState{unclear: "macro " + name + " may be changed by " + m.changed}
	}
	return state
}

func isTagMacro(name string) bool {
	for _, tag := range macroTags {
		if name == tag || name == strings.ToUpper(tag) {
			return true
		}
	}
	return false
}

// expansion is the text that comes of expanding, or why it is not known; the
// text is then of no use.
type expansion struct {
	strings.Builder
	unclear string
}

// give up, for the first reason only.
func (x *expansion) give(reason string) {
	if x.unclear == "" {
		x.unclear = reason
	}
}

// expand returns text with its macros expanded. lazy leaves tags that are not
// set yet as they are, as %global does, since they may be set when its macro is
// used. Definitions in text take effect even when unclear is not empty.
func (m *macros) expand(text string, depth int, lazy bool) (expanded, unclear string) {
	if !m.spend(1, len(text)) {
		return "", "too much macro expansion"
	}
	if depth > maxMacroDepth {
		return "", fmt.Sprintf("macros call each other more than %d deep", maxMacroDepth)
	}
	if !strings.Contains(text, "%") {
		return text, ""
	}
	var out expansion
	for text != "" && !m.exhausted {
		at := strings.IndexByte(text, '%')
		if at < 0 {
			out.WriteString(text)
			break
		}
		out.WriteString(text[:at])
		text = text[at+1:]
		if out.Len() > maxExpansionBytes {
			return "", "too much macro expansion"
		}
		text = m.call(&out, text, depth, lazy)
	}
	if m.exhausted {
		out.give("too much macro expansion")
	}
	return out.String(), out.unclear
}

// spend takes from the budget of the whole file.
func (m *macros) spend(steps, bytes int) bool {
	m.steps += steps
	m.bytes += bytes
	if m.steps > maxExpansionSteps || m.bytes > maxExpansionTotal {
		m.exhausted = true
	}
	return !m.exhausted
}

// call expands the macro call that follows a percent sign and returns what
// comes after it.
func (m *macros) call(out *expansion, text string, depth int, lazy bool) (rest string) {
	if !m.spend(1, 0) || text == "" {
		out.WriteByte('%')
		return text
	}
	switch text[0] {
	case '%':
		out.WriteByte('%')
		return text[1:]
	case '{', '(', '[':
		inner, rest, ok := cutBracketed(text)
		switch {
		case !ok:
			out.give("a macro call is not closed")
		case text[0] == '{':
			m.braced(out, inner, depth, lazy)
		case text[0] == '(':
			m.poison(inner)
			out.give("%( ) runs a shell command")
		default:
			m.poison(inner)
			out.give("%[ ] is an expression")
		}
		return rest
	case '-', '*', '#', '@':
		out.give("arguments of a macro function")
		return text[1:]
	}
	flags, name, rest := cutName(text)
	switch {
	case name == "" && flags == "", name != "" && flags == "" && isDigit(name[0]):
		out.WriteByte('%') // a plain percent sign, or a number after one: %20
		return text
	case name == "":
		out.give("%" + flags + " is not a macro call")
		return rest
	}
	if flags == "" {
		if after, done := m.directive(name, rest, depth); done {
			return after
		}
	}
	m.use(out, flags, name, nil, depth, lazy)
	return rest
}

// braced expands the inside of %{…}.
func (m *macros) braced(out *expansion, inner string, depth int, lazy bool) {
	flags, name, rest := cutName(inner)
	switch {
	case name == "":
		m.poison(inner)
		out.give("arguments of a macro function")
	case rest == "":
		m.use(out, flags, name, nil, depth, lazy)
	case rest[0] == ':' && strings.Contains(flags, "?"):
		text := rest[1:]
		m.use(out, flags, name, &text, depth, lazy)
	case (rest[0] == ' ' || rest[0] == '\t') && flags == "":
		m.ask(out, name, strings.TrimSpace(rest), inner)
	case name == "expand" && rest[0] == ':' && flags == "":
		m.expandTwice(out, rest[1:], depth, lazy)
	default:
		m.function(out, name, inner)
	}
}

// expandTwice is %{expand:TEXT}.
func (m *macros) expandTwice(out *expansion, text string, depth int, lazy bool) {
	once, unclear := m.expand(text, depth+1, lazy)
	if unclear == "" {
		once, unclear = m.expand(once, depth+1, lazy)
	}
	if unclear != "" {
		m.poison(text)
		out.give(unclear)
	}
	out.WriteString(once)
}

// use expands a macro, or the text that depends on its being defined.
func (m *macros) use(out *expansion, flags, name string, text *string, depth int, lazy bool) {
	state := m.lookup(name)
	asked := strings.Contains(flags, "?")
	wanted := yes
	if strings.Count(flags, "!")%2 == 1 {
		wanted = no
	}
	switch {
	case !asked && wanted == no:
		out.give("%" + flags + name + " is not a macro call")
		return
	case asked && state.defined == unknown:
		if text != nil {
			m.poison(*text)
		}
		out.give(state.unclear)
		return
	case asked && state.defined != wanted, asked && wanted == no && text == nil:
		return
	case !asked && state.defined == no:
		if !lazy || !isTagMacro(name) {
			out.give("macro " + name + " is not defined here")
		}
		out.WriteString("%{" + name + "}")
		return
	}
	body := state.body
	if text != nil {
		body = *text
	} else if state.unclear != "" {
		out.give(state.unclear)
		return
	}
	expanded, unclear := m.expand(body, depth+1, lazy)
	out.WriteString(expanded)
	if unclear != "" {
		out.give(unclear)
	}
}

// ask expands %{with NAME} and its like; other calls with arguments are of
// functions.
func (m *macros) ask(out *expansion, question, name, inner string) {
	asked := name
	negative := question == "without" || question == "undefined"
	switch question {
	case "with", "without":
		asked = "with_" + name
	case "defined", "undefined":
	default:
		m.function(out, question, inner)
		return
	}
	if _, redefined := m.states[question]; redefined || !isName(name) {
		m.function(out, question, inner)
		return
	}
	state := m.lookup(asked)
	switch {
	case state.defined == unknown:
		out.give(state.unclear)
	case (state.defined == yes) != negative:
		out.WriteByte('1')
	default:
		out.WriteByte('0')
	}
}

// function is a call that only rpm can make. Lua and %{load:} can define any
// macro.
func (m *macros) function(out *expansion, name, inner string) {
	m.poison("%" + inner)
	switch name {
	case "lua", "load":
		m.changed = fmt.Sprintf("%%{%s:…} at line %d", name, m.line)
	}
	out.give("%{" + name + "…} is a function")
}
