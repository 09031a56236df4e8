package forge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
)

// maxSecretFile bounds a secret or token file, in bytes.
const maxSecretFile = 4096

// LogValue implements slog.LogValuer without giving the secret away.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// MarshalText implements encoding.TextMarshaler without giving the secret
// away: JSON would print the bytes in base64 otherwise.
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// ReadSecretFile reads a secret of at most 4096 bytes from a regular file that
// only its owner and group may read. One trailing line end is not part of the
// secret; an empty secret is an error.
func ReadSecretFile(path string) (Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("forge: read secret: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("forge: read secret: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("forge: read secret %s: not a regular file", path)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("forge: read secret %s: everyone may access it: chmod 600 it", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return nil, fmt.Errorf("forge: read secret: %w", err)
	}
	if len(data) > maxSecretFile {
		return nil, fmt.Errorf("forge: read secret %s: larger than %d bytes", path, maxSecretFile)
	}
	data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	if len(data) == 0 {
		return nil, fmt.Errorf("forge: read secret %s: empty", path)
	}
	return data, nil
}

// TokenSource returns an API token. It is asked for each request, so a token
// can be replaced while distbot runs. Drivers call it from many goroutines.
type TokenSource func() (string, error)

// TokenFile reads the token from a file each time it is asked, by the rules of
// ReadSecretFile. A token is printable ASCII without blanks.
func TokenFile(path string) TokenSource {
	return func() (string, error) {
		secret, err := ReadSecretFile(path)
		if err != nil {
			return "", err
		}
		token := string(secret)
		if err := CheckToken(token); err != nil {
			return "", fmt.Errorf("forge: read token %s: %w", path, err)
		}
		return token, nil
	}
}

// CheckToken returns an error unless the token can stand in a header: one to
// 4096 printable ASCII characters without blanks.
func CheckToken(token string) error {
	if token == "" || len(token) > maxSecretFile {
		return errors.New("token is empty or too long")
	}
	for _, b := range []byte(token) {
		if b <= ' ' || b > '~' {
			return errors.New("token has a blank or a character that is not ASCII")
		}
	}
	return nil
}
