package repopublish

import (
	"context"
	"fmt"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/store"
)

// SignedCopy is SignedCopies of one package.
func (s *Signing) SignedCopy(ctx context.Context, rpmID int64, key string) (store.Blob, error) {
	copies, err := s.SignedCopies(ctx, []int64{rpmID}, key)
	return copies[rpmID], err
}

// RecordOwnSignatures records the signatures of one package, as an import does,
// and returns the names of the keys that made them.
func (s *Signing) RecordOwnSignatures(ctx context.Context, rpmID int64) ([]string, error) {
	q := db.New(s.Pool)
	rpm, err := q.RPMForSigning(ctx, rpmID)
	if err != nil {
		return nil, fmt.Errorf("package %d: %w", rpmID, err)
	}
	keys, err := countingKeys(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.recordOwn(ctx, q, keys, rpm)
}
