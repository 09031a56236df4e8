package tagview

import (
	"errors"
	"strconv"
	"strings"
)

// width is how many characters a part of a pattern matches, as Python counts
// them: it takes look-behind only where both are the same.
type width struct{ least, most int }

// endless is any number of characters, and more than a pattern can mean.
const endless = 1 << 30

func (w width) plus(other width) width {
	return width{min(endless, w.least+other.least), min(endless, w.most+other.most)}
}

// repeated is the width of between least and most repetitions, each at most
// endless.
func (w width) repeated(least, most int) width {
	return width{min(endless, w.least*least), min(endless, w.most*most)}
}

// nest is an open parenthesis, or the whole pattern.
type nest struct {
	group int // its number, 0 when it captures nothing
	// looks says that it is a look-around, which has no width itself; behind that
	// it looks back.
	looks, behind bool
	// known is how many groups there were when the outermost look-behind around
	// here began, -1 outside of any. Python refers to none that came after.
	known int
	// alternatives is the width of the branches before this one, nil without any;
	// branch that of this one but for its last part, which may yet be repeated.
	alternatives *width
	branch, last width
	// anchor says that the last part is one, which can't be repeated.
	anchor bool
}

// width is the width of all branches.
func (n nest) width() width {
	w := n.branch.plus(n.last)
	if n.alternatives != nil {
		w = width{min(w.least, n.alternatives.least), max(w.most, n.alternatives.most)}
	}
	return w
}

// top is the innermost parenthesis that is open.
func (t *pythonPattern) top() *nest { return &t.nests[len(t.nests)-1] }

// begin opens a parenthesis.
func (t *pythonPattern) begin(n nest) {
	n.known = t.top().known
	if n.behind && n.known < 0 {
		n.known = t.groups
	}
	t.nests = append(t.nests, n)
}

// part notes a part of the pattern, to which a repetition that follows belongs.
func (t *pythonPattern) part(w width) {
	top := t.top()
	top.branch, top.last, top.anchor = top.branch.plus(top.last), w, false
}

// anchor notes a part that matches a place between characters.
func (t *pythonPattern) anchor() {
	t.part(width{})
	t.top().anchor = true
}

// alternative notes the beginning of the next branch.
func (t *pythonPattern) alternative() {
	w := t.top().width()
	t.top().alternatives, t.top().branch, t.top().last, t.top().anchor = &w, width{}, width{}, false
}

// end closes a parenthesis.
func (t *pythonPattern) end() error {
	if len(t.nests) == 1 {
		return errors.New("a parenthesis is closed that was not opened")
	}
	n := *t.top()
	t.nests = t.nests[:len(t.nests)-1]
	w := n.width()
	if n.behind && w.least != w.most {
		return errors.New("look-behind must have a fixed width")
	}
	if n.group > 0 {
		t.widths[n.group] = w
	}
	if n.looks {
		w = width{}
	}
	t.part(w)
	return nil
}

// repetition handles *, +, ?, {m}, {m,}, {,n} and {m,n}, each perhaps followed by
// a ? that makes it lazy; ok is false when a brace is only a character.
func (t *pythonPattern) repetition() (ok bool, err error) {
	n, least, most := 1, 0, endless
	switch t.rest[0] {
	case '+':
		least = 1
	case '?':
		most = 1
	case '{':
		inside, _, closed := strings.Cut(t.rest[1:], "}")
		from, to, isRange := strings.Cut(inside, ",")
		if !closed || inside == "" || strings.Trim(from+to, "0123456789") != "" {
			return false, nil
		}
		n, least = len(inside)+2, number(from, 0)
		if most = number(to, endless); !isRange {
			most = least
		}
		if from == "" { // The engine wants a number.
			t.out.WriteString("{0")
			t.rest, n = t.rest[1:], n-1
		}
	}
	if t.top().anchor {
		return true, errors.New("an anchor is repeated")
	}
	t.take(n)
	t.top().last = t.top().last.repeated(least, most)
	switch {
	case strings.HasPrefix(t.rest, "?"):
		t.take(1)
	case strings.HasPrefix(t.rest, "+"):
		return true, errors.New("possessive repetition, with a + after it, is not supported")
	}
	return true, nil
}

// number reads digits; none are what is otherwise, and no number is too large.
func number(digits string, otherwise int) int {
	if digits == "" {
		return otherwise
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return endless
	}
	return min(n, endless)
}
