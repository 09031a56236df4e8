package forge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// Sign returns the HMAC-SHA256 of body under secret in lowercase hex: what
// every forge puts in its signature header, some with a prefix (RFC 2104).
func Sign(body []byte, secret Secret) string {
	return hex.EncodeToString(mac(body, secret))
}

// VerifySignature is Forge.Verify for the one header called name, whose value
// is prefix followed by 64 hex digits in either case. An empty secret never
// matches, whatever the header says: the forges sign with it when a hook has
// no secret, and so could anyone.
func VerifySignature(header http.Header, name, prefix string, body []byte, secrets []Secret) error {
	values := header.Values(name)
	if len(values) != 1 {
		return ErrUnauthenticated
	}
	digits, found := strings.CutPrefix(values[0], prefix)
	if !found || len(digits) != hex.EncodedLen(sha256.Size) {
		return ErrUnauthenticated
	}
	got, err := hex.DecodeString(digits)
	if err != nil {
		return ErrUnauthenticated
	}
	for _, secret := range secrets {
		if len(secret) > 0 && hmac.Equal(got, mac(body, secret)) {
			return nil
		}
	}
	return ErrUnauthenticated
}

func mac(body []byte, secret Secret) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write(body)
	return h.Sum(nil)
}
