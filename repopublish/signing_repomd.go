package repopublish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/pgp"
	"github.com/distbot/distbot/internal/store"
)

// ErrOtherRepomd is wrapped when a generation would get a second repomd.xml.
var ErrOtherRepomd = errors.New("another repomd.xml of the generation is recorded")

// SignRepomd records a generation's repomd.xml of an architecture and returns
// its repomd.xml.asc: the signatures of all of the keys that are neither retired
// nor expired, in one armored block. Clients need to know one of them. The
// generation must be recorded as being made, outside of any open transaction: the
// signer looks.
//
// Errors wrap ErrOtherRepomd, ErrNoKey (also when no key signs any more),
// ErrNoSigner, signer.ErrUnreachable or *signer.RefusedError. To call it again
// gives the same bytes.
func (s *Signing) SignRepomd(ctx context.Context, generationID int64, arch string, document []byte, keys []string) (string, error) {
	wrap := func(err error) error {
		return fmt.Errorf("repopublish: sign repomd.xml of generation %d, %s: %w", generationID, arch, err)
	}
	sum := sha256.Sum256(document)
	n, err := db.New(s.Pool).RecordRepomd(ctx, db.RecordRepomdParams{GenerationID: generationID, Arch: arch, Sha256: hex.EncodeToString(sum[:])})
	if err == nil && n == 0 {
		err = ErrOtherRepomd
	}
	if err != nil {
		return "", wrap(err)
	}
	rows, err := s.ownKeys(ctx, keys)
	if err != nil {
		return "", wrap(err)
	}
	var packets [][]byte
	for _, row := range rows {
		err := s.unlessEnded(ctx, row, func() error {
			packet, err := s.signRepomd(ctx, generationID, arch, document, row)
			if err == nil {
				packets = append(packets, packet)
			}
			return err
		})
		if err != nil && !errors.Is(err, errEnded) {
			return "", wrap(err)
		}
	}
	if len(packets) == 0 {
		return "", wrap(fmt.Errorf("every key is retired or has expired: %w", ErrNoKey))
	}
	return pgp.Armor(packets...)
}

// signRepomd signs with one key and records it.
func (s *Signing) signRepomd(ctx context.Context, generationID int64, arch string, document []byte, key db.SigningKey) ([]byte, error) {
	signature, err := s.Signer.SignRepomd(ctx, key.Name, document)
	if err != nil {
		return nil, err
	}
	public, err := pgp.ParsePublicKeys([]byte(key.PublicKey))
	if err != nil {
		return nil, err
	}
	if err := s.verify(signature.Packet, document, public[0]); err != nil {
		return nil, err
	}
	return signature.Packet, db.New(s.Pool).SaveRepomdSignature(ctx, db.SaveRepomdSignatureParams{
		GenerationID: generationID, Arch: arch, KeyID: key.ID, Signature: signature.Packet, SignedAt: signature.SignedAt,
		AuditSeq: signature.Receipt.Seq, AuditHash: signature.Receipt.Hash,
	})
}

// putBytes puts a small file into the store.
func (s *Signing) putBytes(ctx context.Context, content []byte) (store.Blob, error) {
	return s.Store.Put(ctx, bytes.NewReader(content), "", int64(len(content)))
}
