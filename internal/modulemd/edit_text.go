package modulemd

import (
	"bytes"
	"fmt"
	"slices"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// editor removes entries of lists and mappings from a document's text.
type editor struct {
	text []byte
	// lines are where the lines begin, as YAML counts them: not only LF ends one.
	lines []int
	// starts are the lines on which a node begins, each once, in order.
	starts []int
	cuts   []cut
}

// cut replaces text[from:to].
type cut struct {
	from, to int
	by       string
}

func newEditor(text []byte, root *yaml.Node) *editor {
	t := &editor{text: text, lines: []int{0}}
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(text[i:])
		}
		i += size
		if isBreak(r) && (r != '\r' || i == len(text) || text[i] != '\n') {
			t.lines = append(t.lines, i)
		}
	}
	t.collect(root)
	slices.Sort(t.starts)
	t.starts = slices.Compact(t.starts)
	return t
}

func (t *editor) collect(n *yaml.Node) {
	t.starts = append(t.starts, n.Line)
	for _, c := range n.Content {
		t.collect(c)
	}
}

// apply is the text after all cuts.
func (t *editor) apply() []byte {
	slices.SortFunc(t.cuts, func(a, b cut) int { return a.from - b.from })
	var out []byte
	at := 0
	for _, c := range t.cuts {
		out = append(append(out, t.text[at:c.from]...), c.by...)
		at = c.to
	}
	return append(out, t.text[at:]...)
}

// filterEntries removes from the list or mapping under a key the entries that
// are not to be kept; keep is asked with an entry, or with its key.
func (t *editor) filterEntries(parent *yaml.Node, key string, keep func(*yaml.Node) bool) error {
	if parent == nil || parent.Kind != yaml.MappingNode {
		return fmt.Errorf("no mapping with %q: %w", key, ErrEdit)
	}
	for i := 0; i+1 < len(parent.Content); i += 2 {
		k, v := parent.Content[i], parent.Content[i+1]
		if k.Value != key {
			continue
		}
		var err error
		switch {
		case v.Kind == yaml.ScalarNode:
			t.dropScalar(v, keep)
		case v.Style&yaml.FlowStyle != 0:
			err = t.filterFlow(v, keep)
		default:
			err = t.filterBlock(k, v, keep)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// entries are the nodes at which the entries of a list or mapping begin.
func entries(n *yaml.Node) []*yaml.Node {
	if n.Kind != yaml.MappingNode {
		return n.Content
	}
	var keys []*yaml.Node
	for i := 0; i < len(n.Content); i += 2 {
		keys = append(keys, n.Content[i])
	}
	return keys
}

// filterBlock removes the lines of entries that stand on lines of their own.
func (t *editor) filterBlock(key, n *yaml.Node, keep func(*yaml.Node) bool) error {
	all := entries(n)
	removed := 0
	for i, entry := range all {
		if keep(entry) {
			continue
		}
		removed++
		next := t.nextStart(n, i)
		from, to := t.lines[entry.Line-1], t.contentEnd(entry.Line, next)
		t.cuts = append(t.cuts, cut{from, to, ""})
	}
	if removed < len(all) || removed == 0 {
		return nil
	}
	// Nothing is left: "key:" becomes "key: []".
	empty := " []"
	if n.Kind == yaml.MappingNode {
		empty = " {}"
	}
	colon, err := t.afterKey(key)
	if err != nil {
		return err
	}
	t.cuts = append(t.cuts, cut{colon, colon, empty})
	return nil
}

// nextStart is the line on which what follows entry i of n begins, or one past
// the last line.
func (t *editor) nextStart(n *yaml.Node, i int) int {
	last := entries(n)[i]
	if n.Kind == yaml.MappingNode {
		last = n.Content[2*i+1]
	}
	for len(last.Content) > 0 {
		last = last.Content[len(last.Content)-1]
	}
	at, _ := slices.BinarySearch(t.starts, last.Line+1)
	if at < len(t.starts) {
		return t.starts[at]
	}
	for line := last.Line + 1; line <= len(t.lines); line++ {
		if text := t.line(line); isMarker(text, "...") || isMarker(text, "---") {
			return line
		}
	}
	return len(t.lines) + 1
}

// contentEnd is where the content ends that begins on line first and before
// line next: comments and empty lines at its end belong to what follows.
func (t *editor) contentEnd(first, next int) int {
	for line := next - 1; line > first; line-- {
		text := bytes.TrimLeft(t.line(line), " \t\r\n")
		if len(text) > 0 && text[0] != '#' {
			return t.lineEnd(line)
		}
	}
	return t.lineEnd(first)
}

func (t *editor) line(line int) []byte { return t.text[t.lines[line-1]:t.lineEnd(line)] }

func (t *editor) lineEnd(line int) int {
	if line < len(t.lines) {
		return t.lines[line]
	}
	return len(t.text)
}

// offset is where a node begins. Columns count characters. A byte order mark
// makes the first line's wrong, but never more than the text.
func (t *editor) offset(n *yaml.Node) int {
	if n.Line > len(t.lines) {
		return len(t.text)
	}
	at := t.lines[n.Line-1]
	for range n.Column - 1 {
		_, size := utf8.DecodeRune(t.text[at:])
		at += size
	}
	return at
}

// afterKey is where the text after the colon of a mapping's key begins.
func (t *editor) afterKey(key *yaml.Node) (int, error) {
	at := scanScalar(t.text, t.offset(key), false)
	for at < len(t.text) && t.text[at] == ' ' {
		at++
	}
	if at >= len(t.text) || t.text[at] != ':' {
		return 0, fmt.Errorf("line %d: no colon after %q: %w", key.Line, key.Value, ErrEdit)
	}
	return at + 1, nil
}

// dropScalar replaces a string that stands for a list of one.
func (t *editor) dropScalar(n *yaml.Node, keep func(*yaml.Node) bool) {
	if keep(n) {
		return
	}
	from := t.offset(n)
	t.cuts = append(t.cuts, cut{from, scanScalar(t.text, from, true), "[]"})
}

// filterFlow removes entries of [a, b] or {a: b} with the comma before, or, of
// the first that stays, the one before it.
func (t *editor) filterFlow(n *yaml.Node, keep func(*yaml.Node) bool) error {
	all := entries(n)
	open := t.offset(n)
	scanned := scanFlow(t.text, open)
	commas, end := scanned.commas, scanned.end
	if end < 0 || len(all) == 0 || len(commas) < len(all)-1 {
		return fmt.Errorf("line %d: commas are not understood: %w", n.Line, ErrEdit)
	}
	// Entry i is what stands between bounds i and i+1.
	bounds := append([]int{open}, commas[:len(all)-1]...)
	bounds = append(bounds, end)
	if len(commas) == len(all) { // a comma at the end
		bounds[len(all)] = commas[len(all)-1]
	}
	first := true
	for i, entry := range all {
		switch {
		case !keep(entry):
			from := bounds[i]
			if i == 0 {
				from = t.afterBlanks(from) // the bracket stays
			}
			t.cuts = append(t.cuts, cut{from, bounds[i+1], ""})
		case first:
			first = false
			if i > 0 { // its comma, and the blanks that followed it
				to := t.afterBlanks(bounds[i])
				if t.text[to] == '#' { // a comment needs a blank before it
					to = bounds[i] + 1
				}
				t.cuts = append(t.cuts, cut{bounds[i], to, ""})
			}
		}
	}
	if first && len(commas) == len(all) { // nothing is left, not even that comma
		t.cuts = append(t.cuts, cut{commas[len(all)-1], end, ""})
	}
	return nil
}

// afterBlanks is the first byte after at that is not a blank. What a bracket
// closes follows, so there is one.
func (t *editor) afterBlanks(at int) int {
	at++
	for t.text[at] == ' ' {
		at++
	}
	return at
}
