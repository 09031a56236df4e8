package distgit

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// SpecOptions are what is known outside of the spec.
type SpecOptions struct {
	// Macros are literal macros of the target, without the percent sign, for
	// example dist → .fc37. A macro _with_NAME or _without_NAME switches a
	// build condition.
	Macros map[string]string
	// Undefined are macros that the target is known not to define.
	Undefined []string
	// Arch is the architecture to decide %ifarch for; empty leaves %ifarch
	// undecided.
	Arch string
}

// ReadSpec reads a spec file without running anything. name is the file's base
// name, for messages and for the rule that NAME.spec has the Name NAME. The
// time and memory it takes are bounded, whatever data is.
//
// When something is wrong for certain the error is a *SpecError, and the Spec
// still has what could be read: NUL bytes, lines and files that are too long,
// calls and conditions that are not closed, no Name, Version or Release, tags
// given twice, names and versions with characters they must not have, and a
// Version or Release of the main package that begins with a dot, which rpm
// would take. That a spec passes does not mean that rpm accepts it.
func ReadSpec(name string, data []byte, options SpecOptions) (*Spec, error) {
	r := &specReader{
		options: options,
		macros:  newMacros(options.Macros, options.Undefined),
		spec:    &Spec{File: name},
		at:      position{section: "preamble"},
		once:    make(map[string]int),
	}
	lines, problem := splitSpec(data)
	for _, line := range lines {
		r.macros.line = line.number
		r.line(line)
	}
	if problem != nil {
		r.problem(problem.Line, problem.Text)
	}
	for _, b := range r.open {
		r.problem(b.line, "%if without %endif")
	}
	r.finish(problem == nil)
	if len(r.problems) > 0 {
		sort.SliceStable(r.problems, func(i, j int) bool { return r.problems[i].Line < r.problems[j].Line })
		return r.spec, &SpecError{File: name, Problems: r.problems}
	}
	return r.spec, nil
}

// specReader is the state while a spec is read.
type specReader struct {
	options  SpecOptions
	macros   *macros
	spec     *Spec
	open     []*branching
	at       position
	problems []Problem

	// lost says why tags may have come or gone unseen; empty when not.
	lost string
	// unbalanced says that a macro made a conditional, so that nothing after
	// it is certain to be read.
	unbalanced bool
	// once has the first line of each tag that may come once per package.
	once map[string]int
	// name is the main package's, made the number of lines that macros made.
	name Value
	made int

	sourceNumbers, patchNumbers numbering
}

// position is the section we are in.
type position struct {
	// section is "preamble" for the main package's.
	section string
	// pkg is 0 for the main package, else 1 + the index in Packages.
	pkg int
	// uncertain says that it may be another section, because a branch that is
	// perhaps not read began this one.
	uncertain bool
}

// inPreamble reports whether lines are tags here.
func (p position) inPreamble() bool { return p.section == "preamble" || p.section == "package" }

// maxProblems bounds the list of problems.
const maxProblems = 100

func (r *specReader) problem(line int, text string) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, Problem{Line: line, Text: text})
	}
}

// maxUnresolved bounds the list of unresolved lines.
const maxUnresolved = 1000

func (r *specReader) unresolved(line specLine, reason string) {
	if len(r.spec.Unresolved) >= maxUnresolved {
		return
	}
	text := strings.TrimSpace(line.text)
	if len(text) > 200 {
		text = text[:200]
	}
	r.spec.Unresolved = append(r.spec.Unresolved, Unresolved{Line: line.number, Text: strings.ToValidUTF8(text, "\uFFFD"), Reason: reason})
	if r.at.inPreamble() {
		r.lost = reason
	}
}

// line handles one joined line.
func (r *specReader) line(line specLine) {
	if word, rest := cutConditional(line.text); word != "" {
		r.conditional(word, rest, line)
		return
	}
	if r.skipping() {
		return
	}
	if strings.Contains(line.text, "autochangelog") && autoChangelog.MatchString(line.text) {
		r.spec.AutoChangelog = true
	}
	if name, args, ok := cutSection(line.text); ok {
		text, unclear := r.macros.expand(args, 0, false)
		r.section(line.number, name, args, text, unclear)
		return
	}
	expanded, unclear := r.macros.expand(line.text, 0, false)
	if unclear == "" && !utf8.ValidString(expanded) {
		unclear = "it is not UTF-8"
	}
	statement := strings.HasPrefix(strings.TrimLeft(line.text, " \t#"), "%") && !r.inList()
	comment := strings.HasPrefix(strings.TrimLeft(line.text, " \t"), "#")
	switch {
	case comment && unclear == "", !r.at.inPreamble() && !r.inList() && unclear == "":
		return // read for its definitions only
	case unclear != "" && statement:
		what := effectOf(strings.TrimLeft(line.text, " \t#"))
		if what == changesAnything && r.macros.changed == "" {
			r.macros.changed = fmt.Sprintf("line %d", line.number)
		}
		if what != definesOnly && r.at.inPreamble() {
			r.unresolved(line, unclear)
		}
	case comment:
		return
	case unclear != "":
		first, rest := cutLine(line.text)
		r.plain(line.number, first, first, unclear)
		if rest != "" && r.at.inPreamble() {
			r.unresolved(line, unclear)
		}
	default:
		r.expandedLines(line, expanded)
	}
}

// inList reports whether lines are file names here.
func (r *specReader) inList() bool {
	return r.at.section == "sourcelist" || r.at.section == "patchlist"
}

// expandedLines handles the lines that a joined line became.
func (r *specReader) expandedLines(line specLine, expanded string) {
	raw, _ := cutLine(line.text)
	for i, text := range strings.Split(expanded, "\n") {
		if r.made++; r.made > maxSpecLines {
			r.unresolved(line, "macros make too many lines")
			return
		}
		if i > 0 || strings.HasPrefix(strings.TrimLeft(raw, " \t"), "%") {
			raw = text
		}
		if word, _ := cutConditional(text); word != "" {
			r.macros.changed = fmt.Sprintf("line %d", line.number)
			r.unresolved(line, "a macro makes a conditional")
			r.unbalanced = true
			continue
		}
		if name, args, ok := cutSection(text); ok {
			r.section(line.number, name, args, args, "")
			continue
		}
		r.plain(line.number, raw, text, "")
	}
}

// plain handles a line of a preamble or a list. text is raw with its macros
// expanded, of no use when unclear is not empty.
func (r *specReader) plain(number int, raw, text, unclear string) {
	switch {
	case r.at.section == "sourcelist" || r.at.section == "patchlist":
		if name := strings.TrimSpace(text); name != "" && name[0] != '#' {
			r.source(strings.TrimSuffix(r.at.section, "list"), "", r.value(number, raw, name, unclear))
		}
	case r.at.inPreamble():
		r.tag(number, raw, text, unclear)
	}
}

// value makes a Value of the text after a colon.
func (r *specReader) value(number int, raw, text, unclear string) Value {
	v := Value{
		Raw:         strings.ToValidUTF8(strings.TrimSpace(raw), "\uFFFD"),
		Text:        strings.TrimSpace(text),
		Evaluated:   unclear == "",
		Reason:      unclear,
		Line:        number,
		Conditional: r.macros.condition != "" || r.at.uncertain || r.unbalanced,
	}
	if !v.Evaluated {
		v.Text = ""
	}
	return v
}

// sectionNames are rpm 4.18's, without the percent sign. rpm compares them
// without regard to case, at the very start of the line.
var sectionNames = []string{
	"package", "prep", "generate_buildrequires", "conf", "build", "install", "check", "clean",
	"preun", "postun", "pretrans", "posttrans", "preuntrans", "postuntrans", "pre", "post", "files", "changelog", "description",
	"triggerpostun", "triggerprein", "triggerun", "triggerin", "trigger", "verifyscript", "sepolicy",
	"filetriggerin", "filetrigger", "filetriggerun", "filetriggerpostun",
	"transfiletriggerin", "transfiletrigger", "transfiletriggerun", "transfiletriggerpostun",
	"patchlist", "sourcelist",
}

// cutSection returns the section that the line begins, and its arguments.
func cutSection(line string) (name, args string, ok bool) {
	if !strings.HasPrefix(line, "%") {
		return "", "", false
	}
	word := line[1:]
	if i := strings.IndexAny(word, " \t\r\n"); i >= 0 {
		word, args = word[:i], strings.TrimSpace(word[i:])
	}
	word = strings.ToLower(word)
	return word, args, slices.Contains(sectionNames, word)
}

// section starts a section. text is args with its macros expanded.
func (r *specReader) section(number int, name, args, text, unclear string) {
	conditional := r.macros.condition != ""
	r.spec.Sections = append(r.spec.Sections, Section{Name: name, Args: strings.ToValidUTF8(args, "\uFFFD"), Line: number, Conditional: conditional})
	for _, b := range r.open {
		b.moved = b.moved || b.active == unknown
	}
	r.at = position{section: name}
	if name != "package" {
		return
	}
	full := r.value(number, args, text, unclear)
	switch words := strings.Fields(full.Text); {
	case !full.Evaluated:
	case len(words) == 2 && words[0] == "-n":
		full.Text = words[1]
	case len(words) == 1 && r.name.Evaluated && !r.name.Conditional:
		full.Text = r.name.Text + "-" + words[0]
	default:
		full.Text, full.Evaluated, full.Reason = "", false, "the main package's Name is not known"
	}
	r.spec.Packages = append(r.spec.Packages, Package{Name: full})
	r.at.pkg = len(r.spec.Packages)
}

// Patterns of preamble lines. A tag begins at the start of the line, or rpm does
// not know it. Only Source and Patch have numbers.
var (
	tagLine       = regexp.MustCompile(`(?s)^([A-Za-z]+)[ \t]*([0-9]*)[ \t]*(?:\(([^)]*)\))?[ \t]*:(.*)$`)
	autoRelease   = regexp.MustCompile(`%(?:autorelease\b|\{\??autorelease\b)`)
	autoChangelog = regexp.MustCompile(`^\s*%(?:autochangelog|\{\??autochangelog\})\s*$`)
)

// tag handles "NAME: VALUE". Lines that are none say nothing to us.
func (r *specReader) tag(number int, raw, text, unclear string) {
	rawMatch, match := tagLine.FindStringSubmatch(raw), tagLine.FindStringSubmatch(text)
	if match == nil {
		return
	}
	if rawMatch == nil {
		rawMatch = match
	}
	tag := Tag{
		Name:      strings.ToLower(match[1]),
		Qualifier: strings.TrimSpace(match[3]),
		Value:     r.value(number, rawMatch[4], match[4], unclear),
	}
	switch tag.Name {
	case "url", "name", "version", "release", "epoch", "summary", "license", "buildarch", "buildarchitectures", "buildrequires":
		if match[2] != "" {
			return
		}
	case "source", "patch":
		if r.at.pkg == 0 {
			r.source(tag.Name, match[2], tag.Value)
		}
	}
	if tag.Name == "buildarchitectures" {
		tag.Name = "buildarch"
	}
	if tag.Name == "release" && autoRelease.MatchString(tag.Raw) {
		r.spec.AutoRelease = true
		tag.Reason = "rpmautospec computes it"
	}
	asWritten := tag.Value
	r.checkTag(&tag)
	if tag.Name == "name" && r.at.pkg == 0 {
		r.name = tag.Value
	}
	pkg := &r.spec.Main
	if r.at.pkg > 0 {
		pkg = &r.spec.Packages[r.at.pkg-1]
	}
	pkg.Tags = append(pkg.Tags, tag)
	if slices.Contains(macroTags, tag.Name) && tag.Qualifier == "" {
		r.macros.setTag(tag.Name, asWritten)
	}
}

// finish fills in the main package's tags and checks what must be there.
func (r *specReader) finish(complete bool) {
	s := r.spec
	s.Macros, s.BConds = r.macros.definitions, r.macros.bconds
	for tag, field := range map[string]*Value{
		"name": &s.Name, "version": &s.Version, "release": &s.Release, "epoch": &s.Epoch,
		"summary": &s.Summary, "license": &s.License, "url": &s.URL,
	} {
		*field = s.Main.One(tag)
		if !field.Set() && r.lost != "" {
			field.Reason = "not in the file, but perhaps set elsewhere: " + r.lost
		}
	}
	s.Main.Name = s.Name
	if !complete || r.lost != "" {
		return
	}
	for _, required := range []struct {
		name  string
		value Value
	}{{"Name", s.Name}, {"Version", s.Version}, {"Release", s.Release}} {
		if !required.value.Set() {
			r.problem(1, "no "+required.name+" tag in the main package")
		}
	}
	if want := strings.TrimSuffix(path.Base(s.File), ".spec"); s.Name.Evaluated && s.Name.Text != want && nameForm.MatchString(s.Name.Text) {
		r.problem(s.Name.Line, fmt.Sprintf("Name is %s, but the file is called %s", s.Name.Text, s.File))
	}
}
