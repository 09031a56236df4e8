package signer

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/distbot/distbot/internal/pgp"
)

// Key is a key for everybody: nothing of it is secret.
type Key struct {
	Name string `json:"name"`
	// ID is 8 lower-case hex digits, as rpm and Koji name keys; Fingerprint 40.
	ID          string        `json:"id"`
	Fingerprint string        `json:"fingerprint"`
	Algorithm   pgp.Algorithm `json:"algorithm"`
	UserID      string        `json:"user_id"`
	Created     time.Time     `json:"created_at"`
	Expires     *time.Time    `json:"expires_at"`
	// Retired is when it was said that nothing is signed with it any more.
	Retired *time.Time `json:"retired_at"`
	// PublicKey is armored.
	PublicKey string `json:"public_key"`
}

// NewKey describes a public key under a name.
func NewKey(name string, public *pgp.PublicKey) (Key, error) {
	if err := CheckKeyName(name); err != nil {
		return Key{}, err
	}
	armored, err := public.Armored()
	if err != nil {
		return Key{}, fmt.Errorf("signer: describe key %s: %w", name, err)
	}
	return Key{
		Name: name, ID: public.ID(), Fingerprint: public.Fingerprint, Algorithm: public.Algorithm, UserID: public.UserID,
		Created: public.Created, Expires: public.Expires, PublicKey: armored,
	}, nil
}

// keyName becomes the name of a file.
var keyName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// CheckKeyName refuses what is no name of a key.
func CheckKeyName(name string) error {
	if !keyName.MatchString(name) {
		return fmt.Errorf("signer: %.80q is no name of a key: lower-case letters, digits, . _ and -, at most 63, beginning with a letter or digit", name)
	}
	return nil
}

// Files of the key directory.
const (
	keySuffix     = ".key"     // a private key, armored and encrypted
	retiredSuffix = ".retired" // when its key was retired, in RFC 3339
)

// Bounds of the files of keys.
const (
	maxKeyFile    = 64 << 10
	maxPassphrase = 4 << 10
)

// minPassphrase is the shortest passphrase that is taken, in bytes.
const minPassphrase = 8

// ReadPassphrase reads a file with a passphrase, less the newline at its end. It
// must be readable by our account alone; the error wraps ErrTooOpen otherwise.
func ReadPassphrase(path string) ([]byte, error) {
	text, err := readPrivate(path, maxPassphrase)
	if err != nil {
		return nil, fmt.Errorf("signer: read passphrase: %w", err)
	}
	passphrase := strings.TrimRight(string(text), "\r\n")
	if len(passphrase) < minPassphrase {
		return nil, fmt.Errorf("signer: read passphrase: %s has fewer than %d bytes", path, minPassphrase)
	}
	return []byte(passphrase), nil
}

// MakePassphrase writes a random passphrase of 256 bits where there is none.
func MakePassphrase(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	if err := writePrivate(path, []byte(rand.Text()+rand.Text()+"\n")); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("signer: make passphrase: %w", err)
	}
	return nil
}

// CreateKey makes a key in the key directory, which is made where it is not
// there. A key of that name is never overwritten: the error wraps fs.ErrExist.
func CreateKey(dir string, passphrase []byte, name, userID string, algorithm pgp.Algorithm, created time.Time, lifetime time.Duration) (Key, error) {
	if err := CheckKeyName(name); err != nil {
		return Key{}, err
	}
	wrap := func(err error) error { return fmt.Errorf("signer: make key %s: %w", name, err) }
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Key{}, wrap(err)
	}
	if err := checkPrivateDir(dir); err != nil {
		return Key{}, wrap(err)
	}
	path := filepath.Join(dir, name+keySuffix)
	// Said at once rather than after seconds of looking for primes.
	if _, err := os.Lstat(path); err == nil {
		return Key{}, wrap(fs.ErrExist)
	}
	private, err := pgp.Generate(algorithm, userID, created, lifetime)
	if err != nil {
		return Key{}, wrap(err)
	}
	secret, err := private.Encrypted(passphrase)
	if err != nil {
		return Key{}, wrap(err)
	}
	if err := writePrivate(path, []byte(secret)); err != nil {
		return Key{}, wrap(err)
	}
	return NewKey(name, private.PublicKey)
}

// RetireKey ends signing with a key, at once and for good, and returns since
// when. Signatures that were made with it stay valid. The error wraps
// fs.ErrNotExist where there is no such key.
func RetireKey(dir, name string, at time.Time) (time.Time, error) {
	if err := CheckKeyName(name); err != nil {
		return time.Time{}, err
	}
	wrap := func(err error) error { return fmt.Errorf("signer: retire key %s: %w", name, err) }
	if err := checkPrivateDir(dir); err != nil {
		return time.Time{}, wrap(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, name+keySuffix)); err != nil {
		return time.Time{}, wrap(err)
	}
	at = at.UTC().Truncate(time.Second)
	err := writePrivate(filepath.Join(dir, name+retiredSuffix), []byte(at.Format(time.RFC3339)+"\n"))
	if errors.Is(err, fs.ErrExist) {
		since, err := retiredAt(dir, name)
		if err != nil {
			return time.Time{}, wrap(err)
		}
		return *since, nil
	}
	if err != nil {
		return time.Time{}, wrap(err)
	}
	return at, nil
}

// KeyNames are the names of the keys in a key directory, as its files say; none
// where it can't be read.
func KeyNames(dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if name, isKey := strings.CutSuffix(e.Name(), keySuffix); isKey && keyName.MatchString(name) {
			names = append(names, name)
		}
	}
	return names
}

// retiredAt is when a key was retired, nil where it was not. A file that can't
// be read is an error: the key must not be used then.
func retiredAt(dir, name string) (*time.Time, error) {
	text, err := readPrivate(filepath.Join(dir, name+retiredSuffix), maxPassphrase)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%s%s: %w", name, retiredSuffix, err)
	}
	return &at, nil
}
