package tagview

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Difference is a field that a change gave another value.
type Difference struct {
	Field string
	// Old and New are JSON, null where the field had or has no value.
	Old, New json.RawMessage
}

// Differences returns the fields that a change gave other values, by name: of
// what was changed only, nil for what was added or removed, or changed to the
// same (Koji's list-history prints them below the line of a change).
func (c Change) Differences() []Difference {
	var was, values map[string]json.RawMessage
	if c.Action != Changed || json.Unmarshal(c.Was, &was) != nil || json.Unmarshal(c.Values, &values) != nil {
		return nil
	}
	var list []Difference
	for _, field := range slices.Sorted(maps.Keys(values)) {
		if !bytes.Equal(was[field], values[field]) {
			list = append(list, Difference{Field: field, Old: was[field], New: values[field]})
		}
	}
	return list
}

// String is "field old -> new". Long values are cut; they are whole in JSON.
func (d Difference) String() string { return d.Field + " " + inWords(d.Old) + " -> " + inWords(d.New) }

// mostOfValue is how many characters of a value a line shows.
const mostOfValue = 100

// plain are strings that need no quotes.
var plain = regexp.MustCompile(`^[\w./:@+-]+$`)

// inWords writes a JSON value for people: none, yes, no, numbers and plain words
// as they are, all else in quotes or as JSON.
func inWords(value json.RawMessage) string {
	var v any
	if json.Unmarshal(value, &v) != nil {
		return "none"
	}
	text := string(value)
	switch v := v.(type) {
	case nil:
		return "none"
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case string:
		// A word that reads like a value of another kind is quoted.
		if text = v; !plain.MatchString(v) || v == "none" || v == "yes" || v == "no" {
			text = strconv.Quote(v)
		}
	}
	if utf8.RuneCountInString(text) > mostOfValue {
		text = string([]rune(text)[:mostOfValue]) + "…"
	}
	return text
}

// differences is ": " and what a change gave other values, "" when nothing.
func (c Change) differences() string {
	var texts []string
	for _, d := range c.Differences() {
		texts = append(texts, d.String())
	}
	if len(texts) == 0 {
		return ""
	}
	return ": " + strings.Join(texts, ", ")
}
