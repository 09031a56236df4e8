package tags

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// mapping is a mapping being written, in the order in which it is set.
type mapping struct{ content []*yaml.Node }

func (m *mapping) set(key string, value *yaml.Node) { m.content = append(m.content, text(key), value) }

// setText adds a key unless its text is empty.
func (m *mapping) setText(key, value string) {
	if value != "" {
		m.set(key, text(value))
	}
}

// setFlag adds a key unless it is as it would be without.
func (m *mapping) setFlag(key string, value, standard bool) {
	if value != standard {
		m.set(key, scalar("!!bool", strconv.FormatBool(value)))
	}
}

// block writes a line for each key.
func (m *mapping) block() *yaml.Node {
	style := yaml.Style(0)
	if len(m.content) == 0 {
		style = yaml.FlowStyle
	}
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: style, Content: m.content}
}

// flow writes everything on one line.
func (m *mapping) flow() *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: yaml.FlowStyle, Content: m.content}
}

// item writes the item of a list: the value alone where the first key, its name,
// is all there is.
func (m *mapping) item() *yaml.Node {
	if len(m.content) == 2 {
		return m.content[1]
	}
	return m.flow()
}

func scalar(tag, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
}

func number(n int32) *yaml.Node { return scalar("!!int", strconv.FormatInt(int64(n), 10)) }

// text is a text; one that is not of one line is quoted, as the block styles
// lose some blanks.
func text(value string) *yaml.Node {
	node := scalar("!!str", value)
	if strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) {
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}

// longestLine is how long a list on one line may be, more or less.
const longestLine = 100

// list writes items, on one line if they are short.
func list(items []*yaml.Node) *yaml.Node {
	node := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: items}
	length := 0
	for _, item := range items {
		length += 2 + utf8.RuneCountInString(item.Value)
		for _, part := range item.Content {
			length += 2 + utf8.RuneCountInString(part.Value)
		}
	}
	if length <= longestLine {
		node.Style = yaml.FlowStyle
	}
	return node
}

func texts(values []string) *yaml.Node {
	var items []*yaml.Node
	for _, value := range values {
		items = append(items, text(value))
	}
	return list(items)
}

// setting writes the JSON value of an extra setting. A macro that is no text
// needs its YAML tag.
func setting(key string, value json.RawMessage) (*yaml.Node, error) {
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	node, err := jsonNode(decoder)
	if err != nil {
		return nil, fmt.Errorf("tags: export: extra setting %s: %w", key, err)
	}
	if strings.HasPrefix(key, macroPrefix) && node.Kind == yaml.ScalarNode && node.Tag != "!!str" && node.Tag != "!!null" {
		node.Style |= yaml.TaggedStyle
	}
	return node, nil
}

// jsonNode reads one JSON value, its keys in their order.
func jsonNode(decoder *json.Decoder) (*yaml.Node, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case string:
		return text(v), nil
	case bool:
		return scalar("!!bool", strconv.FormatBool(v)), nil
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return scalar("!!float", v.String()), nil
		}
		return scalar("!!int", v.String()), nil
	case json.Delim:
		return jsonNodes(decoder, v)
	}
	return scalar("!!null", "null"), nil
}

// jsonNodes reads what follows the opening bracket of a list or an object. Of a
// key that is there twice the last value counts, as in JSON.
func jsonNodes(decoder *json.Decoder, open json.Delim) (*yaml.Node, error) {
	node := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
	if open == '{' {
		node.Kind, node.Tag = yaml.MappingNode, "!!map"
	}
	places := map[string]int{}
	for decoder.More() {
		child, err := jsonNode(decoder)
		if err != nil {
			return nil, err
		}
		if open == '[' {
			node.Content = append(node.Content, child)
			continue
		}
		value, err := jsonNode(decoder)
		if err != nil {
			return nil, err
		}
		if place, there := places[child.Value]; there {
			node.Content[place] = value
			continue
		}
		node.Content = append(node.Content, child, value)
		places[child.Value] = len(node.Content) - 1
	}
	_, err := decoder.Token() // the closing bracket
	return node, err
}
