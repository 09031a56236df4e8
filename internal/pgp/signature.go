package pgp

import (
	"bytes"
	"crypto"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// MaxSignature bounds one signature packet, in bytes. One of RSA-4096 has 570.
const MaxSignature = 16 << 10

// Signature is a detached signature that was read. What it says is true only
// once it was verified.
type Signature struct {
	// KeyID is 16 lower-case hex digits.
	KeyID   string
	Created time.Time

	packet *packet.Signature
}

// ParseSignature reads one signature packet of version 4 over binary content,
// and nothing after it. Errors wrap ErrMalformed.
func ParseSignature(raw []byte) (*Signature, error) {
	if len(raw) > MaxSignature {
		return nil, fmt.Errorf("pgp: read signature: %d bytes, at most %d: %w", len(raw), MaxSignature, ErrMalformed)
	}
	rest := bytes.NewReader(raw)
	p, err := packet.Read(rest)
	if err != nil {
		return nil, malformed("read signature", err)
	}
	s, ok := p.(*packet.Signature)
	switch {
	case !ok:
		return nil, fmt.Errorf("pgp: read signature: it is another packet: %w", ErrMalformed)
	case rest.Len() > 0:
		return nil, fmt.Errorf("pgp: read signature: %d bytes follow it: %w", rest.Len(), ErrMalformed)
	case s.Version != 4 || s.SigType != packet.SigTypeBinary:
		return nil, fmt.Errorf("pgp: read signature: version %d type %d, want 4 and 0: %w", s.Version, s.SigType, ErrMalformed)
	case s.IssuerKeyId == nil:
		return nil, fmt.Errorf("pgp: read signature: it does not name its key: %w", ErrMalformed)
	}
	return &Signature{KeyID: fmt.Sprintf("%016x", *s.IssuerKeyId), Created: s.CreationTime.UTC(), packet: s}, nil
}

// strong says whether signatures over a hash count. SHA-1 and MD5 have
// collisions.
func strong(h crypto.Hash) bool {
	switch h {
	case crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA3_256, crypto.SHA3_512:
		return h.Available()
	}
	return false
}

// Verify returns the key among keys that made the signature of content. The signature must be dated within the life of its key, not after now,
// and the key must not be revoked. A key that has expired since still counts:
// that is how rpm and dnf see it, and old packages stay installable.
//
// The error wraps ErrUnknownKey or ErrBadSignature.
func (s *Signature) Verify(content []byte, keys []*PublicKey, now time.Time) (*PublicKey, error) {
	signer, key, ok := s.find(keys, now)
	if !ok {
		return nil, fmt.Errorf("pgp: verify: key %s: %w", s.KeyID, ErrUnknownKey)
	}
	if !strong(s.packet.Hash) {
		return nil, fmt.Errorf("pgp: verify: hash %s is too weak: %w", s.packet.Hash, ErrBadSignature)
	}
	// A signature has not expired before it was made.
	later := now
	if s.Created.After(now) {
		later = s.Created
	}
	if s.Created.After(now.Add(clockSkew)) || s.packet.SigExpired(later) {
		return nil, fmt.Errorf("pgp: verify: dated %s: %w", s.Created.Format(time.RFC3339), ErrBadSignature)
	}
	sum, err := s.packet.PrepareVerify()
	if err != nil {
		return nil, fmt.Errorf("pgp: verify: %w: %w", err, ErrBadSignature)
	}
	sum.Write(content)
	if err := key.VerifySignature(sum, s.packet); err != nil {
		return nil, fmt.Errorf("pgp: verify: key %s: %w: %w", s.KeyID, err, ErrBadSignature)
	}
	return signer, nil
}

// find looks for the key or subkey that the signature names, among those that
// could sign when it was made.
func (s *Signature) find(keys []*PublicKey, now time.Time) (*PublicKey, *packet.PublicKey, bool) {
	for _, key := range keys {
		found, ok := key.entity.SigningKeyById(s.Created, *s.packet.IssuerKeyId)
		if !ok || found.PublicKey.KeyId != *s.packet.IssuerKeyId {
			continue
		}
		if s.Created.Before(found.PublicKey.CreationTime) || key.entity.Revoked(now) || found.Revoked(now) {
			continue
		}
		if f := s.packet.IssuerFingerprint; f != nil && !bytes.Equal(f, found.PublicKey.Fingerprint) {
			continue
		}
		return key, found.PublicKey, true
	}
	return nil, nil, false
}

// Armor puts signatures of the same bytes into one block of ASCII armor, such
// as repomd.xml.asc: who verifies it needs to know one of the keys.
func Armor(signatures ...[]byte) (string, error) {
	return enarmor(signatureType, bytes.Join(signatures, nil))
}

// IsRSA says whether the signature is one of RSA, for which rpm has a tag of its
// own.
func (s *Signature) IsRSA() bool {
	return s.packet.PubKeyAlgo == packet.PubKeyAlgoRSA || s.packet.PubKeyAlgo == packet.PubKeyAlgoRSASignOnly
}
