package repomd

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// The checksums that documents and packages are trusted by, as repodata names
// them. Older ones, such as SHA-1 and MD5, can be made to fit.
const (
	SHA256 = "sha256"
	SHA512 = "sha512"
)

// NewHash returns the hash of a checksum type. The error wraps ErrChecksum for
// types that are not trusted.
func NewHash(kind string) (hash.Hash, error) {
	switch kind {
	case SHA256:
		return sha256.New(), nil
	case SHA512:
		return sha512.New(), nil
	}
	return nil, fmt.Errorf("repomd: checksum of type %.40q is not trusted, expected sha256 or sha512: %w", kind, ErrChecksum)
}

// IsChecksum says whether text is a checksum of the type in lower-case hex.
func IsChecksum(kind, text string) bool {
	size := map[string]int{SHA256: sha256.Size, SHA512: sha512.Size}[kind]
	return size > 0 && len(text) == hex.EncodedLen(size) && strings.Trim(text, "0123456789abcdef") == ""
}

// Checksum is the checksum of the file, with its type. The error wraps
// ErrChecksum when repomd.xml has none that is trusted.
func (d Data) Checksum() (kind, text string, err error) {
	switch {
	case d.SHA256 != "":
		return SHA256, d.SHA256, nil
	case d.SHA512 != "":
		return SHA512, d.SHA512, nil
	}
	return "", "", fmt.Errorf("repomd: %s: repomd.xml gives neither SHA-256 nor SHA-512: %w", d.Type, ErrChecksum)
}

// verify returns an error wrapping ErrChecksum unless text is the file.
func (d Data) verify(text []byte) error {
	kind, want, err := d.Checksum()
	if err != nil {
		return err
	}
	sum, err := NewHash(kind)
	if err != nil {
		return err
	}
	sum.Write(text)
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		return fmt.Errorf("repomd: read %s: %s is %s, repomd.xml says %s: %w", d.Type, kind, got, want, ErrChecksum)
	}
	return nil
}
