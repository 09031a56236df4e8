package pgp

import (
	"fmt"
	"net/mail"
	"strings"
	"unicode"
)

// maxUserID bounds a user ID, in bytes.
const maxUserID = 200

// splitUserID takes "NAME <ADDRESS>", or either of them, apart.
func splitUserID(text string) (name, address string, err error) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxUserID || strings.ContainsFunc(text, unicode.IsControl) {
		return "", "", fmt.Errorf("pgp: user id: %.80q is none: want NAME <ADDRESS>", text)
	}
	if open := strings.IndexByte(text, '<'); open >= 0 {
		name, address = strings.TrimSpace(text[:open]), text[open:]
		parsed, err := mail.ParseAddress(address)
		if err != nil || strings.ContainsAny(name, "()>") {
			return "", "", fmt.Errorf("pgp: user id: %.80q is none: want NAME <ADDRESS>", text)
		}
		return name, parsed.Address, nil
	}
	if strings.ContainsAny(text, "()>") {
		return "", "", fmt.Errorf("pgp: user id: %.80q is none: want NAME <ADDRESS>", text)
	}
	return text, "", nil
}
