package tags

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxNodes bounds what a file's aliases may stand for, written out.
const maxNodes = 500_000

// writtenOut reports whether a tree has at most maxNodes nodes with every
// alias replaced by what it stands for.
func writtenOut(tree *yaml.Node) bool {
	left := maxNodes
	var walk func(node *yaml.Node) bool
	walk = func(node *yaml.Node) bool {
		if left--; left < 0 {
			return false
		}
		if node.Kind == yaml.AliasNode {
			return walk(node.Alias)
		}
		for _, child := range node.Content {
			if !walk(child) {
				return false
			}
		}
		return true
	}
	return walk(tree)
}

// resolve replaces an alias by what it stands for.
func resolve(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" }

// problem is a mistake in the file.
type problem struct {
	line int
	text string
}

// problems collects mistakes.
type problems struct{ list []problem }

func (p *problems) add(line int, format string, args ...any) {
	p.list = append(p.list, problem{line, fmt.Sprintf(format, args...)})
}

// yamlReader reads nodes into values. It goes on after a mistake, so that all of
// them are told at once. What is empty leaves a value as it is.
type yamlReader struct {
	problems
	// path are the keys that lead to what is being read.
	path []string
}

// expected complains that a node is something else than what is expected, and
// says of which key it is the value.
func (r *yamlReader) expected(what string, node *yaml.Node) {
	r.add(node.Line, "%s%s is expected, not %s", r.where(), what, shown(node))
}

// where begins a complaint: the keys that lead to the place, nothing at the top.
func (r *yamlReader) where() string {
	if len(r.path) == 0 {
		return ""
	}
	return shortened(strings.Join(r.path, "."), maxShownPath) + ": "
}

// Bounds of what is shown of a file in complaints, in characters.
const (
	maxShownPath  = 120
	maxShownValue = 40
)

// shown is a node in words, a single value as it is written.
func shown(node *yaml.Node) string {
	switch node = resolve(node); node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return "`" + shortened(node.Value, maxShownValue) + "`"
}

// shortened is text without control characters and with at most n characters.
func shortened(text string, n int) string {
	quoted := strconv.Quote(text)
	runes := []rune(quoted[1 : len(quoted)-1])
	if len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return string(runes)
}

// pairs calls read for each key of a mapping. Unlike yaml.v3, which forgets
// about them below a custom decoder, it refuses keys that are there twice.
func (r *yamlReader) pairs(node *yaml.Node, read func(key, value *yaml.Node)) {
	node = resolve(node)
	if isNull(node) {
		return
	}
	if node.Kind != yaml.MappingNode {
		r.expected("a mapping", node)
		return
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := resolve(node.Content[i]), resolve(node.Content[i+1])
		if key.Kind != yaml.ScalarNode {
			r.add(node.Content[i].Line, "%sa single value is expected as a key", r.where())
			continue
		}
		if line, there := lines[key.Value]; there {
			r.add(node.Content[i].Line, "mapping key %q already defined at line %d", key.Value, line)
			continue
		}
		lines[key.Value] = node.Content[i].Line
		r.path = append(r.path, key.Value)
		read(key, value)
		r.path = r.path[:len(r.path)-1]
	}
}

// field is a key of a mapping and what reads its value.
type field struct {
	key  string
	read func(value *yaml.Node)
}

// fields reads a mapping that has these keys and no others.
func (r *yamlReader) fields(node *yaml.Node, fields ...field) {
	r.pairs(node, func(key, value *yaml.Node) {
		for _, f := range fields {
			if f.key == key.Value {
				f.read(value)
				return
			}
		}
		known := make([]string, len(fields))
		for i, f := range fields {
			known[i] = f.key
		}
		r.add(key.Line, "unknown key %q: expected one of %s", key.Value, strings.Join(known, ", "))
	})
}

// items calls read for each item of a list.
func (r *yamlReader) items(node *yaml.Node, read func(item *yaml.Node)) {
	node = resolve(node)
	if isNull(node) {
		return
	}
	if node.Kind != yaml.SequenceNode {
		r.expected("a list", node)
		return
	}
	for _, item := range node.Content {
		item = resolve(item)
		if isNull(item) {
			r.add(item.Line, "%san item of the list is empty", r.where())
			continue
		}
		read(item)
	}
}

// text takes the text of a scalar as it is written: 1.10 stays 1.10.
func (r *yamlReader) text(node *yaml.Node) Text {
	node = resolve(node)
	switch {
	case isNull(node):
		return Text{line: node.Line}
	case node.Kind != yaml.ScalarNode:
		r.expected("a single value", node)
	}
	return Text{Value: node.Value, line: node.Line}
}

// texts reads a list of scalars. It is nil only when there is none.
func (r *yamlReader) texts(node *yaml.Node) []Text {
	if isNull(resolve(node)) {
		return nil
	}
	list := []Text{}
	r.items(node, func(item *yaml.Node) { list = append(list, r.text(item)) })
	return list
}

// flag reads true or false.
func (r *yamlReader) flag(into *bool) func(*yaml.Node) {
	return func(node *yaml.Node) {
		node = resolve(node)
		switch {
		case isNull(node):
		case node.Kind == yaml.ScalarNode && node.Style == 0 && strings.EqualFold(node.Value, "true"):
			*into = true
		case node.Kind == yaml.ScalarNode && node.Style == 0 && strings.EqualFold(node.Value, "false"):
			*into = false
		default:
			r.expected("true or false", node)
		}
	}
}

// number reads a whole number of 32 bits that is not less than least.
func (r *yamlReader) number(node *yaml.Node, least int32) *int32 {
	node = resolve(node)
	if isNull(node) {
		return nil
	}
	n, err := strconv.ParseInt(node.Value, 10, 32)
	if node.Kind != yaml.ScalarNode || err != nil || n < int64(least) {
		r.expected(fmt.Sprintf("a whole number between %d and %d", least, math.MaxInt32), node)
		return nil
	}
	small := int32(n)
	return &small
}

// textInto reads a scalar into a place.
func (r *yamlReader) textInto(into *Text) func(*yaml.Node) {
	return func(node *yaml.Node) { *into = r.text(node) }
}

// textsInto reads a list of scalars into a place.
func (r *yamlReader) textsInto(into *[]Text) func(*yaml.Node) {
	return func(node *yaml.Node) { *into = r.texts(node) }
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
