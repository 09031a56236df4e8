package pgp

import (
	"bufio"
	"bytes"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// maxKeyBytes bounds a file of keys.
const maxKeyBytes = 1 << 20

const (
	publicKeyType  = "PGP PUBLIC KEY BLOCK"
	privateKeyType = "PGP PRIVATE KEY BLOCK"
	signatureType  = "PGP SIGNATURE"
)

// PublicKey is a certificate: a primary key with its names, and subkeys where
// somebody else made it. Its fields are for reading.
type PublicKey struct {
	// Fingerprint is that of the primary key, 40 lower-case hex digits.
	Fingerprint string
	// Algorithm is that of the primary key: "ed25519", "rsa" and its bits, or
	// the name of another.
	Algorithm Algorithm
	UserID    string
	Created   time.Time
	// Expires is nil for a key that does not.
	Expires *time.Time

	entity *openpgp.Entity
}

// ID is how rpm and Koji name the key: the last 8 hex digits of its
// fingerprint. Two keys may share one; a fingerprint is nobody else's.
func (k *PublicKey) ID() string { return k.Fingerprint[len(k.Fingerprint)-8:] }

// Armored is the key as a file for rpm --import: one block of ASCII armor.
func (k *PublicKey) Armored() (string, error) {
	var raw bytes.Buffer
	if err := k.entity.Serialize(&raw); err != nil {
		return "", fmt.Errorf("pgp: write public key: %w", err)
	}
	return enarmor(publicKeyType, raw.Bytes())
}

// ParsePublicKeys reads one or more blocks of armored public keys, together at
// most 1 MiB. A version other than 4, a key without a valid self-signature and
// a private key are errors that wrap ErrMalformed.
func ParsePublicKeys(armored []byte) ([]*PublicKey, error) {
	entities, err := parseKeys(armored, publicKeyType)
	if err != nil {
		return nil, err
	}
	keys := make([]*PublicKey, len(entities))
	for i, entity := range entities {
		if keys[i], err = newPublicKey(entity); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// parseKeys reads all armored blocks, which must be of one type.
func parseKeys(armored []byte, kind string) (all openpgp.EntityList, err error) {
	if len(armored) > maxKeyBytes {
		return nil, fmt.Errorf("pgp: read keys: %d bytes, at most %d: %w", len(armored), maxKeyBytes, ErrMalformed)
	}
	// The decoder goes on with a reader that is buffered already.
	rest := bufio.NewReader(bytes.NewReader(armored))
	for {
		block, err := armor.Decode(rest)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, malformed("read keys", err)
		}
		if block.Type != kind {
			return nil, fmt.Errorf("pgp: read keys: got a block %.40q, want %q: %w", block.Type, kind, ErrMalformed)
		}
		raw, err := io.ReadAll(block.Body)
		if err != nil {
			return nil, malformed("read keys", err)
		}
		entities, err := openpgp.ReadKeyRing(bytes.NewReader(raw))
		if err != nil {
			return nil, malformed("read keys", err)
		}
		all = append(all, entities...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("pgp: read keys: there is none: %w", ErrMalformed)
	}
	return all, nil
}

func newPublicKey(entity *openpgp.Entity) (*PublicKey, error) {
	primary := entity.PrimaryKey
	if primary.Version != 4 {
		return nil, fmt.Errorf("pgp: read key: version %d, want 4: %w", primary.Version, ErrMalformed)
	}
	self, identity := entity.PrimarySelfSignature()
	if self == nil || identity == nil {
		return nil, fmt.Errorf("pgp: read key %x: no self-signature: %w", primary.Fingerprint, ErrMalformed)
	}
	k := &PublicKey{
		Fingerprint: hex.EncodeToString(primary.Fingerprint), Algorithm: algorithmOf(primary),
		UserID: identity.Name, Created: primary.CreationTime.UTC(), entity: entity,
	}
	if life := self.KeyLifetimeSecs; life != nil && *life != 0 {
		at := k.Created.Add(time.Duration(*life) * time.Second)
		k.Expires = &at
	}
	return k, nil
}

func algorithmOf(key *packet.PublicKey) Algorithm {
	switch key.PubKeyAlgo {
	case packet.PubKeyAlgoEdDSA, packet.PubKeyAlgoEd25519:
		return Ed25519
	case packet.PubKeyAlgoDSA:
		return "dsa"
	case packet.PubKeyAlgoECDSA:
		return "ecdsa"
	}
	if public, ok := key.PublicKey.(*rsa.PublicKey); ok {
		return Algorithm(fmt.Sprintf("rsa%d", public.N.BitLen()))
	}
	return Algorithm(fmt.Sprintf("algorithm %d", key.PubKeyAlgo))
}

func enarmor(kind string, raw []byte) (string, error) {
	var text strings.Builder
	w, err := armor.Encode(&text, kind, nil)
	if err != nil {
		return "", fmt.Errorf("pgp: armor: %w", err)
	}
	if _, err := w.Write(raw); err != nil {
		return "", fmt.Errorf("pgp: armor: %w", err)
	}
	if err := w.Close(); err != nil {
		return "", fmt.Errorf("pgp: armor: %w", err)
	}
	return text.String() + "\n", nil
}

func malformed(what string, err error) error {
	return fmt.Errorf("pgp: %s: %w: %w", what, err, ErrMalformed)
}
