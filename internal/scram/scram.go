// Package scram makes what PostgreSQL keeps of a password (SCRAM-SHA-256, RFC
// 5803), so that the password itself need not be sent to the server, whose log
// could keep it.
//
// It knows the form of a verifier and refuses to know roles.
package scram

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// iterations is PostgreSQL's own number.
const iterations = 4096

// Verifier is what PostgreSQL keeps of a password of ASCII characters, with a
// random salt: SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>, all
// base64.
func Verifier(password string) (string, error) {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("scram: %w", err)
	}
	keyed := func(text string) []byte {
		mac := hmac.New(sha256.New, salted)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	stored := sha256.Sum256(keyed("Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, encode(salt), encode(stored[:]), encode(keyed("Server Key"))), nil
}
