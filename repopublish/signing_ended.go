package repopublish

import (
	"context"
	"errors"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/repopublish/signer"
)

// errEnded is returned for a key that nothing is signed with any more.
var errEnded = errors.New("the key is retired or has expired")

// unlessEnded calls sign for a key that may sign, as far as the database knows.
// The signer knows better: a key that was retired there since is noted. The error
// is errEnded, without more, where the key signs nothing any more.
func (s *Signing) unlessEnded(ctx context.Context, key db.SigningKey, sign func() error) error {
	if s.hasEnded(key) {
		return errEnded
	}
	err := sign()
	var refused *signer.RefusedError
	if !errors.As(err, &refused) || refused.Code != signer.CodeRetiredKey && refused.Code != signer.CodeExpiredKey {
		return err
	}
	s.logger().Info("repopublish: a key signs nothing any more", "key", key.Name, "reason", refused.Text)
	if err := s.SyncKeys(ctx); err != nil {
		return err
	}
	return errEnded
}

// hasEnded says whether nothing is signed with a key, as far as the database
// knows.
func (s *Signing) hasEnded(key db.SigningKey) bool {
	return key.RetiredAt != nil || key.ExpiresAt != nil && !s.now().Before(*key.ExpiresAt)
}
