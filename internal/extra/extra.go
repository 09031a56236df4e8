// Package extra reads the extra settings of tags, which go by Koji's names. It
// knows what their keys mean and refuses to know tags.
package extra

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// macroPrefix begins the settings that set a macro in buildroots.
const macroPrefix = "rpm.macro."

// Macros returns the macros that a tag's extra settings, a JSON object, set in
// its buildroots: rpm.macro.dist = .fc37 is dist → .fc37. Numbers and booleans
// are written as JSON does; null sets no macro, and anything else is an error.
func Macros(settings []byte) (map[string]string, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(settings, &values); err != nil {
		return nil, fmt.Errorf("extra: read settings: %w", err)
	}
	macros := map[string]string{}
	for key, value := range values {
		name, ok := strings.CutPrefix(key, macroPrefix)
		if !ok || string(value) == "null" {
			continue
		}
		text, err := scalar(value)
		if err != nil {
			return nil, fmt.Errorf("extra: setting %s: %w", key, err)
		}
		macros[name] = text
	}
	return macros, nil
}

// scalar is the text of a single JSON value.
func scalar(value json.RawMessage) (string, error) {
	switch value[0] {
	case '{', '[':
		return "", errors.New("a macro's value must be a text, a number or a boolean")
	case '"':
		var text string
		err := json.Unmarshal(value, &text)
		return text, err
	}
	return string(value), nil
}
