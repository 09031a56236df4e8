package modulemd

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// bestWidth is the column after which libyaml breaks lines where it may.
const bestWidth = 80

// maxSimpleKey is how long a mapping's key may be without a "? " before it.
const maxSimpleKey = 128

type emitKind int

const (
	emitScalar emitKind = iota
	emitMap
	emitList
)

// emitNode is a tree to write. Made by plain, str, folded, quoted, mapping and
// sequence.
type emitNode struct {
	kind  emitKind
	text  string
	style scalarStyle
	flow  bool // of a list: [a, b]
	items []*emitNode
	// keys are the keys of a mapping's items.
	keys []*emitNode
}

// plain is a scalar without quotes if it can be.
func plain(text string) *emitNode { return &emitNode{text: text, style: stylePlain} }

// str is a string: quoted where a reader of YAML might take it for a number.
func str(text string) *emitNode {
	if looksLikeNumber(text) {
		return quoted(text)
	}
	return plain(text)
}

// folded is a scalar of the form ">".
func folded(text string) *emitNode { return &emitNode{text: text, style: styleFolded} }

// quoted is a scalar in double quotes.
func quoted(text string) *emitNode { return &emitNode{text: text, style: styleDouble} }

// strings of a list, in flow style or one to a line.
func stringList(items []string, flow bool) *emitNode {
	n := &emitNode{kind: emitList, flow: flow}
	for _, item := range items {
		n.items = append(n.items, str(item))
	}
	return n
}

func mapping() *emitNode { return &emitNode{kind: emitMap} }

// put adds a key that needs no quotes and its value to a mapping.
func (n *emitNode) put(key string, value *emitNode) { n.putNode(plain(key), value) }

func (n *emitNode) putNode(key, value *emitNode) {
	n.keys = append(n.keys, key)
	n.items = append(n.items, value)
}

// putText adds a string unless it is empty.
func (n *emitNode) putText(key, text string) {
	if text != "" {
		n.put(key, str(text))
	}
}

// putSet adds a list unless it is empty, sorted, each entry once.
func (n *emitNode) putSet(key string, items []string, flow bool) {
	if len(items) > 0 {
		n.put(key, stringList(asSet(items), flow))
	}
}

// asSet sorts a copy and removes repetitions; sets that were read are returned
// as they are.
func asSet(items []string) []string {
	for i := 1; i < len(items); i++ {
		if items[i-1] >= items[i] {
			return slices.Compact(slices.Sorted(slices.Values(items)))
		}
	}
	return items
}

// looksLikeNumber is libmodulemd 2.15's rule for which strings to quote: empty
// ones and numbers of YAML 1.2, less carefully.
func looksLikeNumber(s string) bool {
	if s == "" || s == ".nan" {
		return true
	}
	if s[0] == '+' || s[0] == '-' {
		s = s[1:]
	}
	switch {
	case s == ".inf":
		return true
	case strings.HasPrefix(s, "0x"):
		return s != "0x" && strings.Trim(s[2:], "0123456789abcdefABCDEF") == ""
	case strings.HasPrefix(s, "0o"):
		return s != "0o" && strings.Trim(s[2:], "01234567") == ""
	}
	return looksDecimal(s)
}

func looksDecimal(s string) bool {
	fraction := strings.HasPrefix(s, ".")
	if fraction {
		s = s[1:]
	}
	if s == "" {
		return false
	}
	exponent, sign := false, false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && !fraction:
			fraction = true
		case (c == 'e' || c == 'E') && fraction && !exponent:
			exponent = true
		case (c == '+' || c == '-') && exponent && !sign:
			sign = true
		case c < '0' || c > '9':
			return false
		}
	}
	return true
}

// emitter writes YAML as libyaml does with the settings of libmodulemd: indent
// 2, width 80, Unicode allowed.
type emitter struct {
	out    []byte
	column int
	// blank: the last character was a blank, or part of an indentation.
	blank bool
	// fresh: nothing but indentation and indicators such as "- " are on the
	// line.
	fresh bool
}

// appendCanonical appends a document in canonical style.
func appendCanonical(b []byte, root *emitNode) []byte {
	e := &emitter{out: append(b, "---\n"...), blank: true, fresh: true}
	e.node(root, 0, place{})
	return append(e.out, "\n...\n"...)
}

// place says where a node is written.
type place struct {
	inMapping, inFlow, isKey bool
}

// node writes a node whose surroundings are indented by indent.
func (e *emitter) node(n *emitNode, indent int, at place) {
	switch {
	case n.kind == emitScalar:
		e.scalar(n, indent+2, at)
	case len(n.items) == 0 && n.kind == emitMap:
		e.indicator("{", true)
		e.indicator("}", false)
	case n.kind == emitMap:
		e.mapping(n, indent)
	case n.flow || at.inFlow || len(n.items) == 0:
		e.flowList(n, indent+2)
	default:
		e.list(n, indent, at)
	}
}

func (e *emitter) mapping(n *emitNode, indent int) {
	for i, key := range n.keys {
		e.line(indent)
		at := place{inMapping: true}
		if len(key.text) <= maxSimpleKey && !strings.ContainsFunc(key.text, isBreak) {
			at.isKey = true
			e.scalar(key, indent+2, at)
			e.put(':')
			e.blank, e.fresh = false, false
		} else {
			e.indicator("?", true)
			e.fresh = true
			e.scalar(key, indent+2, at)
			e.line(indent)
			e.indicator(":", true)
			e.fresh = true
		}
		e.value(n.items[i], indent)
	}
}

// value writes the value of a mapping whose keys are indented by indent.
func (e *emitter) value(n *emitNode, indent int) {
	at := place{inMapping: true}
	if n.kind == emitMap && len(n.items) > 0 {
		e.node(n, indent+2, at)
		return
	}
	e.node(n, indent, at)
}

// list writes a list with one entry on a line; in a mapping it is not indented,
// unless it begins on the line of its key's "? ".
func (e *emitter) list(n *emitNode, indent int, at place) {
	if !at.inMapping || e.fresh {
		indent += 2
	}
	for _, item := range n.items {
		e.line(indent)
		e.indicator("-", true)
		e.fresh = true
		if item.kind == emitMap && len(item.items) > 0 {
			e.node(item, indent+2, place{})
			continue
		}
		e.node(item, indent, place{})
	}
}

func (e *emitter) flowList(n *emitNode, indent int) {
	e.indicator("[", true)
	e.blank = true
	for i, item := range n.items {
		if i > 0 {
			e.indicator(",", false)
		}
		if e.column > bestWidth {
			e.line(indent)
		}
		e.node(item, indent, place{inFlow: true})
	}
	e.indicator("]", false)
}

// line begins a new line with the indentation, unless the position is there.
func (e *emitter) line(indent int) {
	if !e.fresh || e.column > indent || e.column == indent && !e.blank {
		e.newline()
	}
	for e.column < indent {
		e.put(' ')
	}
	e.blank, e.fresh = true, true
}

// indicator writes punctuation, after a blank if it needs one.
func (e *emitter) indicator(s string, needsBlank bool) {
	if needsBlank && !e.blank {
		e.put(' ')
	}
	for _, c := range s {
		e.put(c)
	}
	e.blank, e.fresh = false, false
}

func (e *emitter) put(c rune) {
	e.out = utf8.AppendRune(e.out, c)
	e.column++
}

func (e *emitter) newline() {
	e.out = append(e.out, '\n')
	e.column = 0
}

// lineBreak writes a line break of a text as it is.
func (e *emitter) lineBreak(c rune) {
	if c == '\n' {
		e.newline()
		return
	}
	e.out = utf8.AppendRune(e.out, c)
	e.column = 0
}
