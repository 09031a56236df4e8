// Package extra reads the extra settings of tags, which go by Koji's names. It
// knows what their keys mean and refuses to know tags.
package extra

import (
	"encoding/json"
	"fmt"
	"strings"
)

// macroPrefix begins the settings that set a macro in buildroots.
const macroPrefix = "rpm.macro."

// Macros returns the macros that a tag's extra settings, a JSON object of
// strings, set in its buildroots: rpm.macro.dist = .fc37 is dist → .fc37.
func Macros(settings []byte) (map[string]string, error) {
	var values map[string]string
	if err := json.Unmarshal(settings, &values); err != nil {
		return nil, fmt.Errorf("extra: read settings: %w", err)
	}
	macros := map[string]string{}
	for key, value := range values {
		if name, ok := strings.CutPrefix(key, macroPrefix); ok {
			macros[name] = value
		}
	}
	return macros, nil
}
