package distgit

import (
	"fmt"
	"slices"
	"strings"
)

// maxConditionDepth bounds %if inside %if.
const maxConditionDepth = 256

// branching is one %if that is open.
type branching struct {
	line int
	// active says whether the branch we are in is read.
	active truth
	// taken says that an earlier branch was certainly read, doubtful that one
	// perhaps was.
	taken, doubtful bool
	sawElse         bool
	// section is where we were when the %if came, moved says that a branch
	// which is perhaps not read began another section.
	section position
	moved   bool
}

// enter starts a branch whose own condition is c.
func (b *branching) enter(c truth) {
	switch {
	case b.taken:
		c = no
	case b.doubtful && c == yes:
		b.taken = true
		c = unknown
	case c == yes:
		b.taken = true
	case c == unknown:
		b.doubtful = true
	}
	b.active = c
}

// conditionals are the words that rpm takes as conditionals when white space or
// the end of the line follows. %if and %elif with nothing after them are
// ordinary (and wrong) lines to rpm.
var conditionals = []string{
	"%ifarch", "%ifnarch", "%ifos", "%ifnos", "%if",
	"%elifarch", "%elifos", "%elif", "%else", "%endif", "%include",
}

// cutConditional returns the conditional that the line begins with, without the
// percent sign, and what follows it.
func cutConditional(line string) (word, rest string) {
	line = strings.TrimLeft(line, " \t")
	word, rest = line, ""
	if i := strings.IndexAny(line, " \t\r\n"); i >= 0 {
		word, rest = line[:i], strings.TrimSpace(line[i:])
	}
	if !slices.Contains(conditionals, word) {
		return "", ""
	}
	if rest == "" && word != "%else" && word != "%endif" {
		return "", ""
	}
	return word[1:], rest
}

// conditional handles a conditional at the given line.
func (r *specReader) conditional(word, rest string, line specLine) {
	switch word {
	case "include":
		if !r.skipping() {
			r.macros.changed = fmt.Sprintf("%%include at line %d", line.number)
			r.unresolved(line, "%include reads another file")
		}
	case "if", "ifarch", "ifnarch", "ifos", "ifnos":
		if len(r.open) >= maxConditionDepth {
			r.problem(line.number, fmt.Sprintf("%%if inside %%if, more than %d deep", maxConditionDepth))
			return
		}
		b := &branching{line: line.number, section: r.at}
		if r.skipping() {
			b.enter(no)
		} else {
			b.enter(r.condition(word, rest))
		}
		r.open = append(r.open, b)
	default:
		r.nextBranch(word, rest, line)
	}
	r.updateCondition()
}

// nextBranch handles %elif…, %else and %endif.
func (r *specReader) nextBranch(word, rest string, line specLine) {
	if len(r.open) == 0 {
		r.problem(line.number, "%"+word+" without %if")
		return
	}
	last := len(r.open) - 1
	b := r.open[last]
	if word == "endif" {
		r.open = r.open[:last]
		if b.moved {
			r.at = b.section
			r.at.uncertain = true
		}
		return
	}
	if b.sawElse {
		r.problem(line.number, "%"+word+" after %else")
		return
	}
	b.sawElse = word == "else"
	if b.active == unknown && r.at != b.section {
		b.moved, r.at = true, b.section
	}
	outer := r.open[:last]
	switch {
	case slices.ContainsFunc(outer, func(o *branching) bool { return o.active == no }), b.taken:
		b.active = no
	case word == "else":
		b.enter(yes)
	default:
		r.open = outer // a condition is read as part of what is around it
		r.updateCondition()
		c := r.condition(strings.TrimPrefix(word, "el"), rest)
		r.open = r.open[:last+1]
		b.enter(c)
	}
}

// condition evaluates what follows %if and its like.
func (r *specReader) condition(word, rest string) truth {
	text, unclear := r.macros.expand(rest, 0, false)
	if unclear != "" {
		return unknown
	}
	switch word {
	case "if":
		return decide(text)
	case "ifos", "ifnos":
		return truthOf(slices.Contains(strings.Fields(text), "linux") == (word == "ifos"))
	}
	if r.options.Arch == "" {
		return unknown
	}
	return truthOf(slices.Contains(strings.Fields(text), r.options.Arch) == (word == "ifarch"))
}

// skipping reports whether the current lines are certainly not read.
func (r *specReader) skipping() bool {
	return slices.ContainsFunc(r.open, func(b *branching) bool { return b.active == no })
}

// updateCondition tells the macros under which undecided condition we are.
func (r *specReader) updateCondition() {
	r.macros.condition = ""
	for _, b := range r.open {
		if b.active == unknown {
			r.macros.condition = fmt.Sprintf("under the condition at line %d", b.line)
			return
		}
	}
}
