package tags

import (
	"cmp"
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
