package repopublish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/pgp"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/repopublish/signer"
)

// SigningKeysExtra is the extra setting of a tag that names the keys of its
// repository: a name, or a list of names. Those that are retired or have expired
// are passed over, and nothing is published where none is left: with the first
// that is left packages are signed, with all that are, repomd.xml. All of the list
// are in the file of public keys. It is not inherited: a tag that buildroots are
// made from need not be signed, though it inherits from one that is.
const SigningKeysExtra = "repo.signing_keys"

// maxSigningKeys bounds how many keys a tag may name.
const maxSigningKeys = 8

// SigningKeysOf returns the names of the keys of a tag's repository, the one that
// packages are signed with first; none where it is not signed.
func SigningKeysOf(ctx context.Context, reader tagview.Reader, tagID int64) ([]string, error) {
	extra, err := reader.Extra(ctx, tagID)
	if err != nil {
		return nil, err
	}
	names, err := parseSigningKeys(extra[SigningKeysExtra])
	if err != nil {
		return nil, fmt.Errorf("repopublish: setting %s of tag %d: %w", SigningKeysExtra, tagID, err)
	}
	return names, nil
}

// parseSigningKeys reads the setting's value; nil where it is not set.
func parseSigningKeys(value json.RawMessage) (names []string, err error) {
	if value == nil {
		return nil, nil
	}
	var one string
	if err := json.Unmarshal(value, &one); err == nil {
		names = strings.Fields(one)
	} else if err := json.Unmarshal(value, &names); err != nil {
		return nil, errors.New("want the name of a key, or a list of names")
	}
	if len(names) > maxSigningKeys {
		return nil, fmt.Errorf("%d keys, at most %d", len(names), maxSigningKeys)
	}
	seen := map[string]bool{}
	for _, name := range names {
		if err := signer.CheckKeyName(name); err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, fmt.Errorf("the key %s is named twice", name)
		}
		seen[name] = true
	}
	return names, nil
}

// KeyTakenError says that a key can't have a name, since another key has it or
// has had it, or has another name.
type KeyTakenError struct{ Name, Fingerprint string }

// Error implements error.
func (e *KeyTakenError) Error() string {
	return fmt.Sprintf("the key %s can't be named %s: another key has that name, or the key another one, or the signer has it; keys are never renamed", e.Fingerprint, e.Name)
}

// SyncKeys makes the signer's keys known to the database, and notes which are
// retired. A key that can't have its name there is logged and left out, so that
// it keeps no other from being used; what needs it fails with *KeyTakenError.
// Errors wrap ErrNoSigner or are the signer's or the database's.
func (s *Signing) SyncKeys(ctx context.Context) error {
	_, err := s.syncKeys(ctx)
	return err
}

// syncKeys is SyncKeys, and returns the keys that were left out by their names.
func (s *Signing) syncKeys(ctx context.Context) (taken map[string]*KeyTakenError, err error) {
	if s.Signer == nil {
		return nil, fmt.Errorf("repopublish: read the signer's keys: %w", ErrNoSigner)
	}
	keys, err := s.Signer.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("repopublish: read the signer's keys: %w", err)
	}
	taken = map[string]*KeyTakenError{}
	for _, key := range keys {
		err := s.saveKey(ctx, key, true)
		var other *KeyTakenError
		if errors.As(err, &other) {
			taken[key.Name] = other
			s.logger().Error("repopublish: a key of the signer can't be used", "key", key.Name, "fingerprint", key.Fingerprint, "error", other)
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	return taken, nil
}

// TrustKey makes a key of somebody else known, so that its signatures on
// packages that come with them count, or makes them count again after
// RetireTrusted. armored is one public key. The error wraps *KeyTakenError for
// a name or key that is known otherwise, the signer's own keys among them.
func (s *Signing) TrustKey(ctx context.Context, name string, armored []byte) (signer.Key, error) {
	public, err := pgp.ParsePublicKeys(armored)
	if err != nil {
		return signer.Key{}, err
	}
	if len(public) != 1 {
		return signer.Key{}, fmt.Errorf("repopublish: trust key %s: the file has %d keys, want one", name, len(public))
	}
	key, err := signer.NewKey(name, public[0])
	if err != nil {
		return signer.Key{}, err
	}
	return key, s.saveKey(ctx, key, false)
}

func (s *Signing) saveKey(ctx context.Context, key signer.Key, own bool) error {
	_, err := db.New(s.Pool).SaveSigningKey(ctx, db.SaveSigningKeyParams{
		Name: key.Name, Fingerprint: key.Fingerprint, Algorithm: string(key.Algorithm), UserID: key.UserID, PublicKey: key.PublicKey,
		Own: own, CreatedAt: key.Created, ExpiresAt: key.Expires, RetiredAt: key.Retired,
	})
	var taken *pgconn.PgError
	if errors.Is(err, pgx.ErrNoRows) || errors.As(err, &taken) && taken.Code == "23505" { // unique_violation
		err = &KeyTakenError{key.Name, key.Fingerprint}
	}
	if err != nil {
		return fmt.Errorf("repopublish: save key: %w", err)
	}
	return nil
}

// RetireTrusted ends that new packages count by the signature of somebody else's
// key. Keys of the signer are retired where they lie. The error wraps ErrNoKey.
func (s *Signing) RetireTrusted(ctx context.Context, name string) error {
	at := s.now().UTC().Truncate(time.Second)
	n, err := db.New(s.Pool).RetireTrustedKey(ctx, db.RetireTrustedKeyParams{Name: name, RetiredAt: &at})
	if err == nil && n == 0 {
		err = ErrNoKey
	}
	if err != nil {
		return fmt.Errorf("repopublish: retire key %s: %w", name, err)
	}
	return nil
}

// Keys returns all keys that the database knows, by name.
func (s *Signing) Keys(ctx context.Context) ([]KnownKey, error) {
	rows, err := db.New(s.Pool).ListSigningKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("repopublish: list keys: %w", err)
	}
	keys := make([]KnownKey, len(rows))
	for i, row := range rows {
		keys[i] = knownKey(row)
	}
	return keys, nil
}

// KnownKey is a key of the signer, or one of somebody else that is trusted.
type KnownKey struct {
	signer.Key
	// Own says that the signer has the private half.
	Own bool `json:"own"`
}

func knownKey(row db.SigningKey) KnownKey {
	return KnownKey{Own: row.Own, Key: signer.Key{
		Name: row.Name, ID: row.Fingerprint[len(row.Fingerprint)-8:], Fingerprint: row.Fingerprint, Algorithm: pgp.Algorithm(row.Algorithm),
		UserID: row.UserID, Created: row.CreatedAt, Expires: row.ExpiresAt, Retired: row.RetiredAt, PublicKey: row.PublicKey,
	}}
}

// PublicKeyFile is the file of public keys for clients, gpgkey= in a .repo file:
// one armored block for each of the names, in their order, also of keys that are
// retired. The error wraps ErrNoKey and names what is not known; it is the signer's
// or the database's where those could not be asked.
func (s *Signing) PublicKeyFile(ctx context.Context, names []string) (string, error) {
	rows, err := s.keysNamed(ctx, names)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, row := range rows {
		text.WriteString(row.PublicKey)
	}
	return text.String(), nil
}

// keysNamed returns keys in the order of their names; it asks the signer once
// for those that are not known. The error wraps ErrNoKey where the signer does not
// know them either, and not where it, or the database, could not be asked.
func (s *Signing) keysNamed(ctx context.Context, names []string) ([]db.SigningKey, error) {
	keys, unknown, err := s.knownNamed(ctx, names)
	if err != nil || len(unknown) == 0 {
		return keys, err
	}
	var taken map[string]*KeyTakenError
	if s.Signer != nil {
		if taken, err = s.syncKeys(ctx); err != nil {
			// Whether there are such keys nobody can tell: not ErrNoKey.
			return nil, fmt.Errorf("repopublish: key %s is not known here, and the signer can't be asked: %w", strings.Join(unknown, " and "), err)
		}
		if keys, unknown, err = s.knownNamed(ctx, names); err != nil || len(unknown) == 0 {
			return keys, err
		}
	}
	for _, name := range unknown {
		if err := taken[name]; err != nil {
			return nil, fmt.Errorf("repopublish: use key %s: %w", name, err)
		}
	}
	return nil, fmt.Errorf("repopublish: keys %s: %w", strings.Join(unknown, ", "), ErrNoKey)
}

// knownNamed returns the keys that the database knows, in the order of their
// names, and the names that it does not know.
func (s *Signing) knownNamed(ctx context.Context, names []string) (keys []db.SigningKey, unknown []string, err error) {
	rows, err := db.New(s.Pool).SigningKeysByName(ctx, names)
	if err != nil {
		return nil, nil, fmt.Errorf("repopublish: read keys: %w", err)
	}
	for _, name := range names {
		i := slices.IndexFunc(rows, func(row db.SigningKey) bool { return row.Name == name })
		if i < 0 {
			unknown = append(unknown, name)
			continue
		}
		keys = append(keys, rows[i])
	}
	return keys, unknown, nil
}

// ownKeys returns keys that the signer can be asked to sign with, in the order of
// their names, retired ones too. A name that somebody else's key has is a
// *KeyTakenError where the signer has a key of that name, ErrNoKey otherwise.
func (s *Signing) ownKeys(ctx context.Context, names []string) ([]db.SigningKey, error) {
	if s.Signer == nil {
		return nil, ErrNoSigner
	}
	keys, err := s.keysNamed(ctx, names)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if key.Own {
			continue
		}
		taken, err := s.syncKeys(ctx)
		if err != nil {
			return nil, err
		}
		if err := taken[key.Name]; err != nil {
			return nil, fmt.Errorf("repopublish: sign with key %s: %w", key.Name, err)
		}
		return nil, fmt.Errorf("repopublish: sign with key %s: it is one of somebody else, and of the signer %w", key.Name, ErrNoKey)
	}
	return keys, nil
}

// ownKey returns a key that the signer can be asked to sign with.
func (s *Signing) ownKey(ctx context.Context, name string) (db.SigningKey, *pgp.PublicKey, error) {
	rows, err := s.ownKeys(ctx, []string{name})
	if err != nil {
		return db.SigningKey{}, nil, err
	}
	public, err := pgp.ParsePublicKeys([]byte(rows[0].PublicKey))
	if err != nil {
		return db.SigningKey{}, nil, err
	}
	return rows[0], public[0], nil
}
