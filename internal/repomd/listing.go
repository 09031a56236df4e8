package repomd

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// ReadPackages is ReadPrimary of the document that a record of type primary
// describes: r gives the file as it lies in the repository. The record must have
// a SHA-256, and the file must be it, or the error wraps ErrMalformed; what visit
// saw counts only when ReadPackages returns nil.
func ReadPackages(record Data, r io.Reader, visit func(PrimaryPackage) error) error {
	if record.SHA256 == "" {
		return fmt.Errorf("repomd: read %.200q: repomd.xml gives no SHA-256: %w", record.Href, ErrMalformed)
	}
	sum := sha256.New()
	packed := io.TeeReader(r, sum)
	plain, err := Decompress(record.Href, packed)
	if err != nil {
		return err
	}
	err = ReadPrimary(plain, visit)
	if err := errors.Join(err, plain.Close()); err != nil {
		return err
	}
	// Padding behind what was decompressed is part of the file.
	if _, err := io.Copy(io.Discard, io.LimitReader(packed, MaxDocumentBytes)); err != nil {
		return fmt.Errorf("repomd: read %.200q: %w", record.Href, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != record.SHA256 {
		return fmt.Errorf("repomd: read %.200q: SHA-256 %s, repomd.xml says %s: %w", record.Href, got, record.SHA256, ErrMalformed)
	}
	return nil
}

// PackagePlace is where a repository has a package.
type PackagePlace struct {
	SHA256 string
	Href   string // path relative to the repository
	Size   int64  // bytes
}
