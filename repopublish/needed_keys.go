package repopublish

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/distbot/distbot/repopublish/signer"
)

// fingerprint is the one of a key, as a certificate of version 4 has it.
var fingerprint = regexp.MustCompile(`^[0-9A-Fa-f]{40}$`)

// parseNeed reads the setting that names needed keys: a name or a fingerprint,
// several with spaces between, or a list of them. Fingerprints may be written as
// gpg prints them, in upper case and in groups of four, where they stand alone;
// they are returned in lower case and without spaces, as the record has them.
// Nil where it is not set.
func parseNeed(value json.RawMessage) (keys []string, err error) {
	if value == nil {
		return nil, nil
	}
	var one string
	var written []string
	if err := json.Unmarshal(value, &one); err == nil {
		if written = strings.Fields(one); fingerprint.MatchString(strings.Join(written, "")) {
			written = []string{one}
		}
	} else if err := json.Unmarshal(value, &written); err != nil {
		return nil, errors.New("want the name or the fingerprint of a key, or a list of them")
	}
	if len(written) > maxSigningKeys {
		return nil, fmt.Errorf("%d keys, at most %d", len(written), maxSigningKeys)
	}
	for _, text := range written {
		key := text
		if digits := strings.Join(strings.Fields(text), ""); fingerprint.MatchString(digits) {
			key = strings.ToLower(digits)
		} else if signer.CheckKeyName(text) != nil {
			return nil, fmt.Errorf("%.80q is neither the name of a key nor a fingerprint of 40 digits", text)
		}
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}
