package tags

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
)

// LastApplied returns the digest of the distribution file that was applied last,
// as it was noted then; empty when none was.
func LastApplied(ctx context.Context, conn db.DBTX) (digest string, err error) {
	digest, err = db.New(conn).LastApplied(ctx)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", fmt.Errorf("tags: read which distro.yaml was applied: %w", err)
	}
	return digest, nil
}

// NoteApplied notes, as part of the change, that it applies the installation's
// distribution file.
func (e *Edit) NoteApplied(ctx context.Context, d *Distro) error {
	if err := e.q.NoteApplied(ctx, d.Digest); err != nil {
		return fmt.Errorf("tags: note which distro.yaml was applied: %w", err)
	}
	return nil
}
