package solv

import (
	"fmt"
	"strings"

	"github.com/distbot/distbot/internal/rpmfile"
)

// term is a rich dependency, or a part of one: a plain dependency when op is
// empty, else two terms. "a if b else c" is if(a, else(b, c)), and likewise
// unless. The syntax is rpm's (rpm.org, "Boolean dependencies").
type term struct {
	op          string // "", and, or, if, unless, else, with, without
	plain       rpmfile.Dependency
	left, right *term
}

// chains says which operators may follow one another without parentheses.
var chains = map[string]bool{"and": true, "or": true, "with": true, "if": false, "unless": false, "else": false, "without": false}

// parseRich reads a rich dependency. What it accepts, libsolv accepts.
func parseRich(text string) (*term, error) {
	p := richParser{text: text}
	if len(text) > maxRichBytes {
		return nil, fmt.Errorf("rich dependency %.40q… of %d bytes: %w", text, len(text), ErrTooLarge)
	}
	t, err := p.parse("")
	if err == nil && p.at < len(text) {
		err = p.malformed("text after the last parenthesis")
	}
	return t, err
}

// richParser goes through a rich dependency from left to right.
type richParser struct {
	text             string
	at, depth, terms int
}

func (p *richParser) malformed(why string) error {
	return fmt.Errorf("rich dependency %.200q: at %d: %s: %w", p.text, p.at, why, ErrMalformed)
}

// parse reads a parenthesis with all that is in it, or, with the operator that
// came before, the rest of one.
func (p *richParser) parse(chain string) (*term, error) {
	if chain == "" {
		if p.depth++; p.depth > maxRichDepth {
			return nil, fmt.Errorf("rich dependency %.200q nested deeper than %d: %w", p.text, maxRichDepth, ErrTooLarge)
		}
		if !p.skip('(') {
			return nil, p.malformed("no parenthesis")
		}
	}
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	p.blanks()
	if p.skip(')') {
		p.depth--
		return left, nil
	}
	op := p.word()
	repeats, known := chains[op]
	switch {
	case !known:
		return nil, p.malformed("no operator")
	case op == "else" && chain != "if" && chain != "unless":
		return nil, p.malformed("else without if or unless")
	case op != "else" && chain != "" && (op != chain || !repeats):
		return nil, p.malformed("operators mixed without parentheses")
	}
	right, err := p.parse(op)
	if err != nil {
		return nil, err
	}
	return &term{op: op, left: left, right: right}, nil
}

// operand reads a parenthesis or a plain dependency.
func (p *richParser) operand() (*term, error) {
	p.blanks()
	if p.at < len(p.text) && p.text[p.at] == '(' {
		return p.parse("")
	}
	if p.terms++; p.terms > maxRichTerms {
		return nil, fmt.Errorf("rich dependency %.200q of more than %d terms: %w", p.text, maxRichTerms, ErrTooLarge)
	}
	d := rpmfile.Dependency{Name: p.token()}
	p.blanks()
	op := p.text[p.at:]
	op = op[:len(op)-len(strings.TrimLeft(op, "<=>"))]
	if op != "" {
		p.at += len(op)
		p.blanks()
		d.Flags, d.EVR = operators[op], p.token()
		if d.Flags == 0 || d.EVR == "" {
			return nil, p.malformed("comparison without sense")
		}
	}
	if err := check(d); err != nil {
		return nil, p.malformed(err.Error())
	}
	return &term{plain: d}, nil
}

// token reads a name or version: up to a blank, comma or parenthesis that was
// not opened in it.
func (p *richParser) token() string {
	start, open := p.at, 0
	for ; p.at < len(p.text); p.at++ {
		switch p.text[p.at] {
		case ' ', ',':
			return p.text[start:p.at]
		case '(':
			open++
		case ')':
			if open == 0 {
				return p.text[start:p.at]
			}
			open--
		}
	}
	return p.text[start:p.at]
}

func (p *richParser) word() string {
	word, _, _ := strings.Cut(p.text[p.at:], " ")
	p.at += len(word)
	return word
}

func (p *richParser) blanks() {
	for p.skip(' ') {
	}
}

func (p *richParser) skip(c byte) bool {
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

// plains calls visit for every plain dependency of a term, from left to right.
func (t *term) plains(visit func(rpmfile.Dependency)) {
	if t.op == "" {
		visit(t.plain)
		return
	}
	t.left.plains(visit)
	t.right.plains(visit)
}

// first is the leftmost plain dependency of a term.
func (t *term) first() rpmfile.Dependency {
	for t.op != "" {
		t = t.left
	}
	return t.plain
}

// leaves are the plain dependencies that a dependency consists of.
func leaves(d rpmfile.Dependency) ([]rpmfile.Dependency, error) {
	if err := check(d); err != nil || !isRich(d) {
		return []rpmfile.Dependency{d}, err
	}
	t, err := parseRich(d.Name)
	if err != nil {
		return nil, err
	}
	var all []rpmfile.Dependency
	t.plains(func(d rpmfile.Dependency) { all = append(all, d) })
	return all, nil
}

// size is an upper bound of a term in a normal form: libsolv multiplies terms
// out, so that 40 short ones can become 2⁴⁰ clauses.
type size struct{ clauses, literals float64 }

func (s size) plus(t size) size { return size{s.clauses + t.clauses, s.literals + t.literals} }

func (s size) times(t size) size {
	return size{s.clauses * t.clauses, s.literals*t.clauses + t.literals*s.clauses}
}

// size is that of the conjunctive or of the disjunctive normal form, when each
// name has as many providers as the function says.
func (t *term) size(conjunctive bool, providers func(name string) float64) size {
	if t.simple() {
		n := max(1, t.count(providers))
		if conjunctive {
			return size{1, n}
		}
		return size{n, n}
	}
	of := func(t *term) size { return t.size(conjunctive, providers) }
	// De Morgan: the negation of one form is the other form of the negation.
	not := func(t *term) size { return t.size(!conjunctive, providers) }
	// What joins terms by "and" costs little in the conjunctive form, and what
	// joins them by "or" in the disjunctive one.
	and, or := size.plus, size.times
	if !conjunctive {
		and, or = size.times, size.plus
	}
	condition, other := t.right, (*term)(nil)
	if t.right.op == "else" {
		condition, other = t.right.left, t.right.right
	}
	switch t.op {
	case "or":
		return or(of(t.left), of(t.right))
	case "if":
		s := or(of(t.left), not(condition))
		if other != nil {
			s = and(s, or(of(other), of(condition)))
		}
		return s
	case "unless":
		s := and(of(t.left), not(condition))
		if other != nil {
			s = or(s, and(of(other), of(condition)))
		}
		return s
	}
	return and(of(t.left), of(t.right))
}

// simple terms are sets of packages to libsolv, however they are written.
func (t *term) simple() bool {
	switch t.op {
	case "", "with", "without":
		return true
	case "or":
		return t.left.simple() && t.right.simple()
	}
	return false
}

// count is an upper bound of the packages in a simple term.
func (t *term) count(providers func(name string) float64) float64 {
	switch t.op {
	case "":
		return providers(t.plain.Name)
	case "with", "without":
		return t.left.count(providers)
	}
	return t.left.count(providers) + t.right.count(providers)
}
