package distgit

import (
	"fmt"
	"strings"
)

// Spec is what a spec file says when nothing in it is run. Whoever needs more
// than that asks rpm, inside the sandbox.
//
// The reader follows rpm 4.18: line continuation, conditionals, the order of
// macro definition and use. What it cannot know (macros from the buildroot,
// shell, Lua, expressions, functions) it does not guess: such a Value is not
// Evaluated and says why. Two things it takes for granted: a macro from elsewhere
// does not open or close a conditional of the spec, and does not redefine the
// macros that rpm makes of tags, such as %{version}.
type Spec struct {
	// File is the name of the file, for messages.
	File string

	// The tags of the main package that occur once.
	Name, Version, Release, Epoch Value
	Summary, License, URL         Value

	// Main has all tags of the main package, Packages the sub-packages in the
	// order of the file.
	Main     Package
	Packages []Package

	// Sources and Patches are numbered as rpm does, from tags and from
	// %sourcelist and %patchlist.
	Sources, Patches []Source

	// Macros are the %global and %define lines outside of function bodies.
	Macros []Macro
	// BConds are the build conditions.
	BConds []BCond
	// Sections are the starts of sections.
	Sections []Section
	// Unresolved are lines of the preambles that could set tags or macros and
	// were not followed: %include, %{load:…}, macros from elsewhere.
	Unresolved []Unresolved

	// AutoRelease and AutoChangelog say that rpmautospec computes the release
	// or the changelog.
	AutoRelease, AutoChangelog bool
}

// Value is the value of a tag.
type Value struct {
	// Raw is the value as written, without surrounding white space. Bytes that
	// are not UTF-8 are replaced.
	Raw string
	// Text is what rpm makes of it; empty unless Evaluated.
	Text string
	// Evaluated says that Text is known. Reason says why not.
	Evaluated bool
	Reason    string
	// Line is where it stands, from 1; 0 when it is nowhere.
	Line int
	// Conditional says that it stands under a condition that could not be
	// decided, so that the tag may also be absent.
	Conditional bool
}

// Set reports whether the tag is written anywhere in the file.
func (v Value) Set() bool { return v.Line > 0 }

// Tag is one line "NAME: VALUE".
type Tag struct {
	// Name is in lower case, without number and qualifier: "source",
	// "buildrequires".
	Name string
	// Qualifier is what stood in parentheses, as in Requires(post).
	Qualifier string
	Value
}

// Package is the preamble of the main package or of one %package section.
type Package struct {
	// Name is the full name, with the main package's name before it unless the
	// section says -n.
	Name Value
	Tags []Tag
}

// All returns every value of the tag in the order of the file, those under
// undecided conditions too.
func (p *Package) All(tag string) []Value {
	var values []Value
	for _, t := range p.Tags {
		if t.Name == tag && t.Qualifier == "" {
			values = append(values, t.Value)
		}
	}
	return values
}

// notInFile is the Reason of a tag that is certainly not set.
const notInFile = "not in the file"

// One returns the value of a tag that occurs at most once. When the tag stands
// under an undecided condition, the Value has its line and is not Evaluated.
func (p *Package) One(tag string) Value {
	values := p.All(tag)
	if len(values) == 0 {
		return Value{Reason: notInFile}
	}
	v := values[len(values)-1]
	if !v.Conditional {
		return v
	}
	v.Text, v.Evaluated = "", false
	var lines []string
	for _, each := range values {
		lines = append(lines, fmt.Sprint(each.Line))
	}
	v.Reason = "set under a condition that is not decided without rpm (line " + strings.Join(lines, ", ") + ")"
	return v
}

// Words returns the white-space separated words of all values of the tag, for
// the tags that are lists of architectures. known is false when one of them is
// not Evaluated or is Conditional.
func (p *Package) Words(tag string) (words []string, known bool) {
	for _, v := range p.All(tag) {
		if !v.Evaluated || v.Conditional {
			return nil, false
		}
		words = append(words, strings.Fields(v.Text)...)
	}
	return words, true
}

// Source is one source or patch.
type Source struct {
	// Number is the one in %{SOURCEn}; -1 when it depends on a condition that
	// is not decided.
	Number int
	Value
}

// FileName is the name the file has in the source package: for a URL what
// follows the last slash or equals sign, as rpm has it. known is false when the
// value is not Evaluated.
func (s Source) FileName() (name string, known bool) {
	if !s.Evaluated {
		return "", false
	}
	separators := "/"
	if strings.Contains(s.Text, "://") {
		separators = "/="
	}
	return s.Text[strings.LastIndexAny(s.Text, separators)+1:], true
}

// Macro is one definition.
type Macro struct {
	Name string
	// Parametric says that it is a function; its Body is never expanded.
	Parametric bool
	// Global says %global, else it is %define.
	Global bool
	// Body is the text as written.
	Body        string
	Line        int
	Conditional bool
}

// BCond is one build condition.
type BCond struct {
	Name string
	// Enabled is its default, when Known.
	Enabled, Known bool
	Line           int
}

// Section is the first line of a section.
type Section struct {
	// Name is without the percent sign, in lower case: "package", "files".
	Name string
	// Args is the rest of the line as written.
	Args        string
	Line        int
	Conditional bool
}

// Unresolved is a line that was not followed.
type Unresolved struct {
	Line int
	// Text is the line as written, cut at 200 bytes.
	Text   string
	Reason string
}

// NVR returns NAME-VERSION-RELEASE; known is false unless all three are.
func (s *Spec) NVR() (nvr string, known bool) {
	if !s.Name.Evaluated || !s.Version.Evaluated || !s.Release.Evaluated {
		return "", false
	}
	return s.Name.Text + "-" + s.Version.Text + "-" + s.Release.Text, true
}

// SpecError says what is wrong with a spec, at which lines.
type SpecError struct {
	// File is the spec's file name.
	File string
	// Problems has at least one element, in the order of lines.
	Problems []Problem
}

// Problem is one thing that is wrong.
type Problem struct {
	// Line is from 1.
	Line int
	Text string
}

// Error gives the first problem as FILE:LINE: TEXT, and the number of others.
func (e *SpecError) Error() string {
	first := e.Problems[0]
	text := fmt.Sprintf("distgit: %s:%d: %s", e.File, first.Line, first.Text)
	if more := len(e.Problems) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}
