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
	"github.com/distbot/distbot/repopublish/signer"
)

// ErrOtherRepomd is wrapped when a generation would get a second repomd.xml.
var ErrOtherRepomd = errors.New("another repomd.xml of the generation is recorded")

// SignRepomd records a generation's repomd.xml of an architecture and returns
// its repomd.xml.asc: the signatures of all of the keys that are not retired, in
// one armored block. Clients need to know one of them. The generation must be
// recorded as being made, outside of any open transaction: the signer looks.
//
// Errors wrap ErrOtherRepomd, ErrNoKey (also when every key is retired),
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
	rows, err := s.keysNamed(ctx, keys)
	if err != nil {
		return "", wrap(err)
	}
	var packets [][]byte
	for _, row := range rows {
		if row.RetiredAt != nil {
			continue
		}
		packet, err := s.signRepomd(ctx, generationID, arch, document, row)
		var refused *signer.RefusedError
		if errors.As(err, &refused) && refused.Code == signer.CodeRetiredKey {
			// Retired since its keys were read: now that is known here, too.
			if err := s.SyncKeys(ctx); err != nil {
				return "", wrap(err)
			}
			continue
		}
		if err != nil {
			return "", wrap(err)
		}
		packets = append(packets, packet)
	}
	if len(packets) == 0 {
		return "", wrap(fmt.Errorf("all keys are retired: %w", ErrNoKey))
	}
	return pgp.Armor(packets...)
}

// signRepomd signs with one key and records it.
func (s *Signing) signRepomd(ctx context.Context, generationID int64, arch string, document []byte, key db.SigningKey) ([]byte, error) {
	if s.Signer == nil {
		return nil, ErrNoSigner
	}
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
