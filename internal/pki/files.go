package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxFile bounds what is read of a key or certificate.
const maxFile = 64 << 10

const (
	certBlock = "CERTIFICATE"
	keyBlock  = "PRIVATE KEY" // PKCS #8, RFC 7468 section 10
)

// ModeError says that a secret is open to others than its owner.
type ModeError struct {
	Path string
	Mode fs.FileMode
}

// Error implements error.
func (e *ModeError) Error() string {
	return fmt.Sprintf("pki: read %s: its mode is %04o, so others than its owner may use it: chmod 600 %s, or make a new one if others are on this machine",
		e.Path, e.Mode.Perm(), e.Path)
}

// EncodeCertificate returns a certificate's DER as PEM.
func EncodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: certBlock, Bytes: der})
}

// EncodeKey returns a key as PEM of PKCS #8.
func EncodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("pki: encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}), nil
}

// ReadSecret reads a file of at most 64 KiB that only its owner may have access
// to, and returns a *ModeError when others have any.
func ReadSecret(path string) ([]byte, error) {
	return readFile(path, func(info fs.FileInfo) error {
		if info.Mode().Perm()&0o077 != 0 {
			return &ModeError{Path: path, Mode: info.Mode()}
		}
		return nil
	})
}

// readFile reads a regular file that passes check, which sees the opened file
// and not what its name may lead to by then.
func readFile(path string, check func(fs.FileInfo) error) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("pki: read %s: %w", path, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("pki: read %s: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("pki: read %s: it is no regular file", path)
	}
	if err := check(info); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("pki: read %s: %w", path, err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("pki: read %s: it is larger than %d KiB", path, maxFile>>10)
	}
	return text, nil
}

// ReadKey reads a private key as EncodeKey wrote it, see ReadSecret.
func ReadKey(path string) (crypto.Signer, error) {
	text, err := ReadSecret(path)
	if err != nil {
		return nil, err
	}
	block, err := onlyBlock(text, keyBlock)
	if err != nil {
		return nil, fmt.Errorf("pki: read %s: %w", path, err)
	}
	key, err := x509.ParsePKCS8PrivateKey(block)
	if err != nil {
		return nil, fmt.Errorf("pki: read %s: %w", path, err)
	}
	signer, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("pki: read %s: it is a %T, not an ECDSA key", path, key)
	}
	return signer, nil
}

// ReadCertificate reads a PEM file that holds one certificate.
func ReadCertificate(path string) (*x509.Certificate, error) {
	text, err := readFile(path, func(fs.FileInfo) error { return nil })
	if err != nil {
		return nil, err
	}
	cert, err := ParseCertificate(text)
	if err != nil {
		return nil, fmt.Errorf("pki: read %s: %w", path, err)
	}
	return cert, nil
}

// ParseCertificate reads PEM that holds one certificate.
func ParseCertificate(text []byte) (*x509.Certificate, error) {
	block, err := onlyBlock(text, certBlock)
	if err != nil {
		return nil, fmt.Errorf("pki: parse certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(block)
	if err != nil {
		return nil, fmt.Errorf("pki: parse certificate: %w", err)
	}
	return cert, nil
}

// onlyBlock returns the content of the one PEM block of text.
func onlyBlock(text []byte, want string) ([]byte, error) {
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, errors.New("it holds no PEM block")
	case block.Type != want:
		return nil, fmt.Errorf("it holds a PEM block %q, not %q", block.Type, want)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, fmt.Errorf("it holds more than one PEM block %q", want)
	}
	return block.Bytes, nil
}

// WriteFile writes a file that is there whole or not at all, however the process
// ends, and that nobody could read with another mode than the given in between.
func WriteFile(path string, text []byte, mode fs.FileMode) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("pki: write %s: %w", path, err)
		}
	}()
	dir := filepath.Dir(path)
	file, err := os.CreateTemp(dir, unfinished(path)+"*") // has mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(text)
	if err := errors.Join(err, file.Chmod(mode), file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// unfinished is what the names of files begin with that WriteFile has begun.
func unfinished(path string) string { return "." + filepath.Base(path) + "-" }

// RemoveUnfinished removes what WriteFile left of a file when its process was
// killed. Nobody may write the file meanwhile.
func RemoveUnfinished(path string) error {
	dir := filepath.Dir(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("pki: remove unfinished files: %w", err)
	}
	for _, entry := range entries {
		random, ok := strings.CutPrefix(entry.Name(), unfinished(path))
		if !ok || !entry.Type().IsRegular() || random == "" || strings.Trim(random, "0123456789") != "" {
			continue
		}
		if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("pki: remove unfinished files: %w", err)
		}
	}
	return nil
}

// syncDir makes renames in a directory last.
func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
