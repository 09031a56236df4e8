package distgit

import "strconv"

// numbering gives numbers to sources or patches that have none, as rpm does: one
// more than the highest so far. Under undecided conditions that is a range.
type numbering struct{ low, high int }

// number returns the number of the next entry, or -1. digits are what the tag
// says, conditional that the entry may not count.
func (n *numbering) number(digits string, conditional bool) (number int, err error) {
	next := *n
	switch {
	case digits != "":
		given, err := strconv.ParseUint(digits, 10, 31)
		if err != nil {
			return -1, err
		}
		number = int(given)
		next.low, next.high = max(n.low, number+1), max(n.high, number+1)
	case n.low == n.high:
		number, next.low, next.high = n.low, n.low+1, n.high+1
	default:
		number, next.low, next.high = -1, n.low+1, n.high+1
	}
	n.high = next.high
	if !conditional {
		n.low = next.low
	}
	return number, nil
}

// source records a source or a patch.
func (r *specReader) source(kind, digits string, v Value) {
	numbers, list := &r.sourceNumbers, &r.spec.Sources
	if kind == "patch" {
		numbers, list = &r.patchNumbers, &r.spec.Patches
	}
	number, err := numbers.number(digits, v.Conditional)
	if err != nil {
		r.problem(v.Line, "the number of the "+kind+" is too big")
		return
	}
	*list = append(*list, Source{Number: number, Value: v})
}
