package tags

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// macroPrefix begins the extra settings that set a macro in buildroots.
const macroPrefix = "rpm.macro."

// maxSettingDepth bounds how deeply lists and mappings of a setting are nested.
const maxSettingDepth = 100

// setting makes JSON of an extra setting. A macro is text, so it is kept as it is
// written, 1.10 and yes too, unless a YAML tag says what else it is.
func (r *distroReader) setting(key string, node *yaml.Node) json.RawMessage {
	macro := strings.HasPrefix(key, macroPrefix)
	if macro && node.Kind == yaml.ScalarNode && node.Style&yaml.TaggedStyle == 0 && !isNull(node) {
		return quoteJSON(node.Value)
	}
	var out bytes.Buffer
	r.writeJSON(&out, node, maxSettingDepth)
	return out.Bytes()
}

// writeJSON writes a node as JSON. After a mistake it writes null.
func (r *distroReader) writeJSON(out *bytes.Buffer, node *yaml.Node, depth int) {
	node = resolve(node)
	if depth == 0 {
		r.add(node.Line, "extra settings may be nested %d levels deep", maxSettingDepth)
		out.WriteString("null")
		return
	}
	comma := func(i int) {
		if i > 0 {
			out.WriteByte(',')
		}
	}
	switch node.Kind {
	case yaml.MappingNode:
		out.WriteByte('{')
		i := 0
		r.pairs(node, func(key, value *yaml.Node) {
			comma(i)
			i++
			out.Write(quoteJSON(key.Value))
			out.WriteByte(':')
			r.writeJSON(out, value, depth-1)
		})
		out.WriteByte('}')
	case yaml.SequenceNode:
		out.WriteByte('[')
		for i, item := range node.Content {
			comma(i)
			r.writeJSON(out, item, depth-1)
		}
		out.WriteByte(']')
	default:
		value, err := scalarJSON(node)
		if err != nil {
			r.add(node.Line, "%v", err)
			value = []byte("null")
		}
		out.Write(value)
	}
}

// scalarJSON is the JSON of a single value, numbers as they are written where
// JSON has that spelling.
func scalarJSON(node *yaml.Node) ([]byte, error) {
	switch tag := node.ShortTag(); tag {
	case "!!null":
		return []byte("null"), nil
	case "!!str", "!!timestamp":
		return quoteJSON(node.Value), nil
	case "!!int", "!!float":
		if json.Valid([]byte(node.Value)) && strings.Trim(node.Value, "+-.eE0123456789") == "" {
			return []byte(node.Value), nil
		}
	case "!!bool":
	default:
		return nil, fmt.Errorf("JSON has no values of the type %q", tag)
	}
	var value any
	if err := node.Decode(&value); err != nil {
		return nil, fmt.Errorf("%q is no %s", node.Value, strings.TrimPrefix(node.ShortTag(), "!!"))
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, errors.New("JSON has no infinite numbers and none that are not a number")
	}
	return text, nil
}

// quoteJSON is a JSON string.
func quoteJSON(text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil {
		return []byte(`""`) // a string always has JSON
	}
	return quoted
}
