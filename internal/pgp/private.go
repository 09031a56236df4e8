package pgp

import (
	"bytes"
	"crypto"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"
)

// PrivateKey makes signatures. Nothing of it but the embedded public key is
// ever printed.
type PrivateKey struct {
	*PublicKey
	key *packet.PrivateKey
}

// String hides the key from logs.
func (k *PrivateKey) String() string { return "private key of " + k.Fingerprint }

// GoString hides the key from logs.
func (k *PrivateKey) GoString() string { return k.String() }

// settings make everything deterministic but key generation: a random notation,
// the library's default, would make each signature differ.
func settings(at time.Time) *packet.Config {
	randomize := false
	return &packet.Config{
		DefaultHash: crypto.SHA256, DefaultCipher: packet.CipherAES256, Time: func() time.Time { return at },
		NonDeterministicSignaturesViaNotation: &randomize,
		// The most that the format can say; GnuPG reads it, too.
		S2KConfig: &s2k.Config{S2KMode: s2k.IteratedSaltedS2K, Hash: crypto.SHA256, S2KCount: 65011712},
	}
}

// Generate makes a key that signs and certifies, and no subkey: one key has one
// id everywhere. userID is "NAME <ADDRESS>" or either of them;
// created is cut to seconds; lifetime 0 means for ever, else it is cut to
// seconds, of which 32 bits count.
func Generate(algorithm Algorithm, userID string, created time.Time, lifetime time.Duration) (*PrivateKey, error) {
	created = created.UTC().Truncate(time.Second)
	config := settings(created)
	if lifetime < 0 || lifetime/time.Second > 1<<32-1 {
		return nil, fmt.Errorf("pgp: generate key: %s is no lifetime", lifetime)
	}
	config.KeyLifetimeSecs = uint32(lifetime / time.Second)
	switch algorithm {
	case Ed25519:
		config.Algorithm, config.Curve = packet.PubKeyAlgoEdDSA, packet.Curve25519
	case RSA4096:
		config.Algorithm, config.RSABits = packet.PubKeyAlgoRSA, 4096
	default:
		return nil, fmt.Errorf("pgp: generate key: %q is no algorithm: %s or %s", algorithm, Ed25519, RSA4096)
	}
	name, address, err := splitUserID(userID)
	if err != nil {
		return nil, err
	}
	made, err := openpgp.NewEntity(name, "", address, config)
	if err != nil {
		return nil, fmt.Errorf("pgp: generate key: %w", err)
	}
	made.Subkeys = nil
	return newPrivateKey(made)
}

func newPrivateKey(entity *openpgp.Entity) (*PrivateKey, error) {
	public, err := newPublicKey(entity)
	if err != nil {
		return nil, err
	}
	return &PrivateKey{PublicKey: public, key: entity.PrivateKey}, nil
}

// Encrypted is the key in ASCII armor, protected by a passphrase, as gpg
// exports and imports it. It must not be called while others use the key.
func (k *PrivateKey) Encrypted(passphrase []byte) (string, error) {
	if len(passphrase) == 0 {
		return "", fmt.Errorf("pgp: write private key: the passphrase is empty")
	}
	if err := k.key.EncryptWithConfig(passphrase, settings(k.Created)); err != nil {
		return "", fmt.Errorf("pgp: encrypt private key: %w", err)
	}
	var raw bytes.Buffer
	if err := k.entity.SerializePrivateWithoutSigning(&raw, nil); err != nil {
		return "", fmt.Errorf("pgp: write private key: %w", err)
	}
	if err := k.key.Decrypt(passphrase); err != nil {
		return "", fmt.Errorf("pgp: decrypt private key: %w", err)
	}
	return enarmor(privateKeyType, raw.Bytes())
}

// ParsePrivateKey reads what Encrypted wrote, or gpg --export-secret-keys of a
// key whose primary key signs. A key that is not encrypted is refused.
func ParsePrivateKey(armored, passphrase []byte) (*PrivateKey, error) {
	entities, err := parseKeys(armored, privateKeyType)
	if err != nil {
		return nil, err
	}
	if len(entities) != 1 || entities[0].PrivateKey == nil {
		return nil, fmt.Errorf("pgp: read private key: want one, got %d: %w", len(entities), ErrMalformed)
	}
	key := entities[0].PrivateKey
	if !key.Encrypted || key.Dummy() {
		return nil, fmt.Errorf("pgp: read private key: it is not protected by a passphrase, or is not there: %w", ErrMalformed)
	}
	if err := key.Decrypt(passphrase); err != nil {
		return nil, fmt.Errorf("pgp: read private key: %w", ErrPassphrase)
	}
	return newPrivateKey(entities[0])
}

// Sign makes a detached binary signature (type 0) of content, dated at, cut to
// seconds: one OpenPGP packet. It is verified before
// it is returned: a fault while an RSA signature is computed can give the key
// away.
func (k *PrivateKey) Sign(content []byte, at time.Time) ([]byte, error) {
	at = at.UTC().Truncate(time.Second)
	signature := &packet.Signature{
		SigType: packet.SigTypeBinary, PubKeyAlgo: k.key.PubKeyAlgo, Hash: crypto.SHA256, CreationTime: at,
		IssuerKeyId: &k.key.KeyId, IssuerFingerprint: k.key.Fingerprint,
	}
	sum := crypto.SHA256.New()
	sum.Write(content)
	if err := signature.Sign(sum, k.key, settings(at)); err != nil {
		return nil, fmt.Errorf("pgp: sign: %w", err)
	}
	var raw bytes.Buffer
	if err := signature.Serialize(&raw); err != nil {
		return nil, fmt.Errorf("pgp: sign: %w", err)
	}
	made, err := ParseSignature(raw.Bytes())
	if err != nil {
		return nil, err
	}
	if _, err := made.Verify(content, []*PublicKey{k.PublicKey}, at); err != nil {
		return nil, fmt.Errorf("pgp: sign: what was made does not verify: %w", err)
	}
	return raw.Bytes(), nil
}
