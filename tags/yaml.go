package tags

import (
	"cmp"
	"iter"
	"maps"
	"reflect"
	"slices"

	"gopkg.in/yaml.v3"
)

// maxNodes bounds what a file's aliases may stand for, written out. yaml.v3 has
// a bound of its own, which each custom decoder starts counting for anew.
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

// pairs are the keys of a mapping and their values; nothing for other nodes.
func pairs(node *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		if node.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			if !yield(node.Content[i], node.Content[i+1]) {
				return
			}
		}
	}
}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.Tag == "!!null" }

// emptyItem returns the line of a list's item that is nothing, 0 for none:
// decoders are not told of it.
func emptyItem(node *yaml.Node) (line int) {
	for _, child := range node.Content {
		if node.Kind == yaml.SequenceNode && isNull(child) {
			return child.Line
		}
		if line := emptyItem(child); line > 0 {
			return line
		}
	}
	return 0
}

// findLines gives their lines to what has a name and nothing more, of which
// decoders are not told either.
func (d *Distro) findLines(root *yaml.Node) {
	for section, names := range pairs(root) {
		if names.Kind == yaml.AliasNode {
			names = names.Alias
		}
		for key, value := range pairs(names) {
			if !isNull(value) {
				continue
			}
			switch section.Value {
			case "external_repos":
				d.ExternalRepos[key.Value] = ExternalRepo{line: key.Line}
			case "tags":
				d.Tags[key.Value] = Tag{line: key.Line}
			case "targets":
				d.Targets[key.Value] = Target{line: key.Line}
			}
		}
	}
}

// yamlKeys lists the keys a pointer to a struct decodes.
func yamlKeys(into any) []string {
	t := reflect.TypeOf(into).Elem()
	var keys []string
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
