package modulemd

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// ValueKind says which field of a [Value] is meant.
type ValueKind int

// The kinds of values. None is the zero value: nothing is there.
const (
	None ValueKind = iota
	Text
	List
	Map
)

// Value is any YAML value; scalars are the text they were written with.
type Value struct {
	Kind ValueKind        `json:"kind"`
	Text string           `json:"text,omitempty"`
	List []Value          `json:"list,omitempty"`
	Map  map[string]Value `json:"map,omitempty"`
}

// UnknownField is what a document says under a key that the format does not
// have.
type UnknownField struct {
	// Path is made of keys and dots, such as "data.surprise".
	Path  string `json:"path"`
	Value Value  `json:"value"`
}

// Get is the value under the keys, one mapping within the other; of Kind None
// if there is none.
func (v Value) Get(keys ...string) Value {
	for _, key := range keys {
		v = v.Map[key] // of what is not a mapping: nothing
	}
	return v
}

// Equal reports whether both are the same; the order of a mapping's keys does
// not matter, that of a list's entries does.
func (v Value) Equal(w Value) bool {
	return v.Kind == w.Kind && v.Text == w.Text &&
		slices.EqualFunc(v.List, w.List, Value.Equal) &&
		maps.EqualFunc(v.Map, w.Map, Value.Equal)
}

// valueOf converts a tree without aliases. A key that is not a scalar becomes
// its text in flow style.
func valueOf(n *yaml.Node) Value {
	switch n.Kind {
	case yaml.ScalarNode:
		return Value{Kind: Text, Text: n.Value}
	case yaml.SequenceNode:
		v := Value{Kind: List, List: make([]Value, 0, len(n.Content))}
		for _, c := range n.Content {
			v.List = append(v.List, valueOf(c))
		}
		return v
	case yaml.MappingNode:
		v := Value{Kind: Map, Map: make(map[string]Value, len(n.Content)/2)}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if n.Content[i].Kind != yaml.ScalarNode {
				key = valueOf(n.Content[i]).String()
			}
			v.Map[key] = valueOf(n.Content[i+1])
		}
		return v
	}
	return Value{}
}

// String is the value in one line, strings quoted; for people.
func (v Value) String() string {
	var b strings.Builder
	v.write(&b)
	return b.String()
}

func (v Value) write(b *strings.Builder) {
	switch v.Kind {
	case None:
		b.WriteString("nothing")
	case Text:
		b.WriteString(strconv.Quote(v.Text))
	case List:
		b.WriteByte('[')
		for i, item := range v.List {
			if i > 0 {
				b.WriteString(", ")
			}
			item.write(b)
		}
		b.WriteByte(']')
	case Map:
		b.WriteByte('{')
		for i, key := range slices.Sorted(maps.Keys(v.Map)) {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(strconv.Quote(key) + ": ")
			v.Map[key].write(b)
		}
		b.WriteByte('}')
	}
}

// xmd reads extra metadata: a mapping or a string. libmodulemd makes lists of
// one type only and drops entries of another when it writes; that is remarked.
func (r *reader) xmd(dst *Value, n *yaml.Node) (bool, error) {
	if n.Kind == yaml.SequenceNode {
		return true, reject(n, RuleForm, "data.xmd is a list")
	}
	if err := r.xmdKeys(n); err != nil {
		return true, err
	}
	*dst = valueOf(n)
	return true, nil
}

func (r *reader) xmdKeys(n *yaml.Node) error {
	if n.Kind == yaml.MappingNode {
		return r.pairs(n, "data.xmd", func(_, value *yaml.Node) error { return r.xmdKeys(value) })
	}
	first := ""
	for i, c := range n.Content {
		if err := r.xmdKeys(c); err != nil {
			return err
		}
		switch t := variantType(valueOf(c)); {
		case i == 0:
			first = t
		case t != first:
			r.remark(Note, c, RuleXMD, "data.xmd has a list with entries of several kinds; libmodulemd keeps only those like the first")
		}
	}
	return nil
}

// variantType is the GVariant type that libmodulemd gives a value: its lists
// hold values of one type, and "TRUE" and "FALSE" are booleans.
func variantType(v Value) string {
	switch v.Kind {
	case Map:
		return "a{sv}"
	case List:
		if len(v.List) == 0 {
			return "av"
		}
		return "a" + variantType(v.List[0])
	case Text:
		if v.Text == "TRUE" || v.Text == "FALSE" {
			return "b"
		}
	case None:
	}
	return "s"
}
