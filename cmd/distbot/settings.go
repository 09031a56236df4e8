package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// settingsFile is a configuration file while it is read: what is wrong with it is
// collected, to be told all at once.
type settingsFile struct {
	tree     yaml.Node
	mistakes []settingMistake
	// broken are lines with a value of a wrong kind. What would follow of its
	// absence is no mistake of its own.
	broken map[int]bool
	// unread says that a key is there twice: nothing beside it was read, and what
	// the defaults in its place lack is no mistake of the file.
	unread bool
}

// settingMistake is one mistake; line is 0 for what is not in the file.
type settingMistake struct {
	line int
	text string
}

// readSettings reads a file's text into a struct with the defaults. Unknown keys
// and values of a wrong kind are collected; only a text that is no YAML is an
// error.
func readSettings(text []byte, into any) (*settingsFile, error) {
	f := &settingsFile{broken: map[int]bool{}}
	if err := yaml.Unmarshal(text, &f.tree); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	err := decoder.Decode(into)
	var wrong *yaml.TypeError
	switch {
	case err == nil || errors.Is(err, io.EOF):
	case errors.As(err, &wrong):
		for _, text := range wrong.Errors {
			f.addDecoded(text)
		}
	default:
		return nil, err
	}
	return f, nil
}

var (
	// lineOf is how the decoder's complaints begin.
	lineOf = regexp.MustCompile(`^line ([0-9]+): `)
	// unknownField is its complaint about a key, which names a type of ours.
	unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)
	// doubledKey is its complaint about a key that is there twice.
	doubledKey = regexp.MustCompile(`^mapping key .* already defined at line [0-9]+$`)
	// wrongType is its complaint about a value, which does the same.
	wrongType = regexp.MustCompile("cannot unmarshal !!\\w+( `[^`]*`)? into \\S+")
)

// addDecoded notes a complaint of the decoder in an administrator's words.
func (f *settingsFile) addDecoded(text string) {
	line := 0
	if match := lineOf.FindStringSubmatch(text); match != nil {
		line, _ = strconv.Atoi(match[1]) // digits; 0 if it were too many
		text = strings.TrimPrefix(text, match[0])
	}
	f.unread = f.unread || doubledKey.MatchString(text)
	if unknownField.MatchString(text) {
		text = unknownField.ReplaceAllString(text, `unknown key "$1"`)
	} else {
		f.broken[line] = true
	}
	f.mistakes = append(f.mistakes, settingMistake{line, wrongType.ReplaceAllString(text, "the value$1 is not what this key takes")})
}

// add notes a mistake in the setting at a path of keys and places in lists, such
// as "forges", 0, "url". Its line is that of the part of the path that is there.
func (f *settingsFile) add(path []any, format string, args ...any) {
	line := f.line(path)
	if f.unread {
		return
	}
	if !f.broken[line] || line == 0 {
		f.mistakes = append(f.mistakes, settingMistake{line, fmt.Sprintf(format, args...)})
	}
}

// line is where the last part of a path that is there lies; 0 for none.
func (f *settingsFile) line(path []any) int {
	if len(f.tree.Content) == 0 {
		return 0
	}
	node, line := f.tree.Content[0], 0
	for _, part := range path {
		if node.Kind == yaml.AliasNode {
			node = node.Alias
		}
		next := (*yaml.Node)(nil)
		switch part := part.(type) {
		case int:
			if node.Kind == yaml.SequenceNode && part < len(node.Content) {
				next = node.Content[part]
			}
		case string:
			for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
				if node.Content[i].Value == part {
					next = node.Content[i+1]
				}
			}
		}
		if next == nil {
			break
		}
		node, line = next, next.Line
	}
	return line
}

// err tells all mistakes in the order of their lines; nil if there are none.
func (f *settingsFile) err() error {
	slices.SortStableFunc(f.mistakes, func(a, b settingMistake) int { return cmp.Compare(a.line, b.line) })
	lines := make([]string, len(f.mistakes))
	for i, m := range f.mistakes {
		lines[i] = m.text
		if m.line > 0 {
			lines[i] = fmt.Sprintf("line %d: %s", m.line, m.text)
		}
	}
	switch len(lines) {
	case 0:
		return nil
	case 1:
		return errors.New(lines[0])
	}
	return fmt.Errorf("%d mistakes:\n  %s", len(lines), strings.Join(lines, "\n  "))
}

// wrongValue is how UnmarshalYAML refuses a value without keeping the decoder from
// reading on.
func wrongValue(node *yaml.Node, format string, args ...any) error {
	return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %s", node.Line, fmt.Sprintf(format, args...))}}
}
