package rpmsig

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/distbot/distbot/internal/pgp"
	"github.com/distbot/distbot/internal/rpmfile"
)

// maxSignatures bounds how many signatures of one RPM are tried: each costs the
// time of hashing its header.
const maxSignatures = 16

// Verified is what is known of an RPM whose signatures were checked.
type Verified struct {
	Package *rpmfile.Package
	// SHA256 and Size are those of the whole file.
	SHA256 string
	Size   int64
	// By are the valid signatures of the header by keys that are known, the first
	// of each key; there is at least one.
	By []SignedBy
}

// SignedBy is a valid signature.
type SignedBy struct {
	Key *pgp.PublicKey
	// At is when it was made, as it says itself.
	At time.Time
}

// Verify reads a whole RPM and returns by which of the keys it is signed: the
// header by the signature, the payload by its SHA-256 in the header. Signatures
// of other keys don't matter; a bad one of a key that is known is an error.
//
// Errors wrap ErrUnsigned (no signature), pgp.ErrUnknownKey (none by one of the
// keys), pgp.ErrBadSignature, rpmfile.ErrDigest (another payload), ErrNotCovered,
// ErrMalformed, an error of package rpmfile, that of r or of ctx.
func Verify(ctx context.Context, r io.Reader, keys []*pgp.PublicKey, now time.Time) (*Verified, error) {
	whole := sha256.New()
	in := io.TeeReader(&stoppable{ctx: ctx, r: r}, whole)
	head, err := ReadHead(in)
	if err != nil {
		return nil, err
	}
	pkg, err := head.Parse()
	if err != nil {
		return nil, err
	}
	if err := Covered(pkg); err != nil {
		return nil, err
	}
	by, err := head.signers(keys, now)
	if err != nil {
		return nil, fmt.Errorf("rpmsig: verify %s: %w", pkg.NEVRA, err)
	}
	payload := sha256.New()
	n, err := io.Copy(payload, in)
	if err != nil {
		return nil, fmt.Errorf("rpmsig: verify %s: %w", pkg.NEVRA, err)
	}
	if got := hex.EncodeToString(payload.Sum(nil)); got != pkg.PayloadDigest {
		return nil, fmt.Errorf("rpmsig: verify %s: payload has SHA-256 %s, the header says %.64q: %w", pkg.NEVRA, got, pkg.PayloadDigest, rpmfile.ErrDigest)
	}
	return &Verified{Package: pkg, SHA256: hex.EncodeToString(whole.Sum(nil)), Size: head.Size() + n, By: by}, nil
}

// signers are the keys that signed the main header.
func (h *Head) signers(keys []*pgp.PublicKey, now time.Time) (by []SignedBy, err error) {
	signatures, err := h.Signatures()
	if err != nil {
		return nil, err
	}
	if len(signatures) == 0 {
		return nil, ErrUnsigned
	}
	if len(signatures) > maxSignatures {
		return nil, fmt.Errorf("%d signatures, at most %d: %w", len(signatures), maxSignatures, ErrMalformed)
	}
	seen := map[string]bool{}
	var unknown error
	for _, raw := range signatures {
		signature, err := pgp.ParseSignature(raw)
		if err != nil {
			return nil, err
		}
		key, err := signature.Verify(h.header, keys, now)
		switch {
		case errors.Is(err, pgp.ErrUnknownKey):
			unknown = err
		case err != nil:
			return nil, err
		case !seen[key.Fingerprint]:
			seen[key.Fingerprint] = true
			by = append(by, SignedBy{key, signature.Created})
		}
	}
	if len(by) == 0 {
		return nil, unknown
	}
	return by, nil
}

// Copy writes the RPM that r holds with another signature header, as
// WithSignature or a former copy gave it; nothing is held in memory but its
// head. Errors are those of ReadHead, w and ctx.
func Copy(ctx context.Context, w io.Writer, r io.Reader, signatureHeader []byte) error {
	r = &stoppable{ctx: ctx, r: r}
	head, err := ReadHead(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, io.MultiReader(bytes.NewReader(head.lead), bytes.NewReader(signatureHeader), bytes.NewReader(head.header), r))
	if err != nil {
		return fmt.Errorf("rpmsig: copy: %w", err)
	}
	return nil
}

// stoppable ends with its context.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (s *stoppable) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.r.Read(p)
}
