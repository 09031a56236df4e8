package tags

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
)

const (
	// tokenPrefix lets people and secret scanners recognise a token.
	tokenPrefix = "dbt_"
	// tokenBytes is how many random bytes a token has.
	tokenBytes = 32
	// maxTokenLife bounds a lifetime: who wants more wants a token without end.
	maxTokenLife = 10 * 365 * 24 * time.Hour
)

// ErrToken says that a token stands for nobody. It does not tell whether it is
// unknown, expired or revoked, or its user disabled: that is nobody's business
// who does not have a token.
var ErrToken = errors.New("tags: the token is not valid")

// Token is a new API token, the only time its text is known.
type Token struct {
	Text string
	// ExpiresAt is nil for a token without end.
	ExpiresAt *time.Time
}

// CreateToken makes a token that stands for a user, who may do it for
// themselves, an admin for everybody. Names are unique among a user's tokens in
// force. A lifetime of 0 has no end. Only the SHA-256 of the text is kept: it
// has 256 random bits, so the hash needs no salt and can't be guessed.
func (e *Edit) CreateToken(ctx context.Context, userName, name string, lifetime time.Duration) (Token, error) {
	user, err := e.tokenUser(ctx, userName)
	if err != nil {
		return Token{}, err
	}
	if err := checkName("token", name); err != nil {
		return Token{}, err
	}
	switch {
	case lifetime < 0 || lifetime > maxTokenLife:
		return Token{}, refuse(FaultGeneric, "a token may live up to 10 years, or without end")
	case user.Name == System:
		return Token{}, refuse(FaultGeneric, "user %s is the installation itself and needs no token", userName)
	case !user.Enabled:
		return Token{}, refuse(FaultGeneric, "user %s is disabled", userName)
	}
	if _, err := e.write(ctx, 0); err != nil {
		return Token{}, err
	}
	random := make([]byte, tokenBytes)
	_, _ = rand.Read(random) // It never returns an error.
	text := tokenPrefix + base64.RawURLEncoding.EncodeToString(random)
	digest := sha256.Sum256([]byte(text))
	if err := e.q.EndExpiredToken(ctx, db.EndExpiredTokenParams{UserID: user.ID, Name: name}); err != nil {
		return Token{}, fmt.Errorf("tags: add token %s of %s: %w", name, userName, err)
	}
	made, err := e.q.AddToken(ctx, db.AddTokenParams{UserID: user.ID, Name: name, Digest: digest[:], LifetimeSeconds: lifetime.Seconds()})
	if err != nil {
		return Token{}, fmt.Errorf("tags: add token %s of %s: %w", name, userName, err)
	}
	if len(made) == 0 {
		return Token{}, refuse(FaultGeneric, "user %s has a token %s already: revoke it, or choose another name", userName, name)
	}
	return Token{Text: text, ExpiresAt: made[0]}, nil
}

// tokenUser looks up the user of a token, and refuses users whose business it is
// not.
func (e *Edit) tokenUser(ctx context.Context, name string) (db.User, error) {
	if name != e.User.Name {
		if err := e.requirePerm(PermAdmin); err != nil {
			return db.User{}, err
		}
	}
	return e.account(ctx, name)
}

// RevokeToken ends a token. Its user may, and an admin.
func (e *Edit) RevokeToken(ctx context.Context, userName, name string) error {
	user, err := e.tokenUser(ctx, userName)
	if err != nil {
		return err
	}
	n, err := e.q.RevokeToken(ctx, db.RevokeTokenParams{UserID: user.ID, Name: name})
	if err != nil {
		return fmt.Errorf("tags: revoke token %s of %s: %w", name, userName, err)
	}
	if n == 0 {
		return refuse(FaultGeneric, "user %s has no token %s in force", userName, name)
	}
	_, err = e.write(ctx, 0)
	return err
}

// VerifyToken returns the user whom a token stands for, with the permissions
// held now, or an error that is ErrToken. The token is found by its digest in an
// index: how long that takes says nothing about the tokens there are. Safe for
// concurrent use as far as conn is.
func VerifyToken(ctx context.Context, conn db.DBTX, text string) (User, error) {
	if len(text) != len(tokenPrefix)+base64.RawURLEncoding.EncodedLen(tokenBytes) || !strings.HasPrefix(text, tokenPrefix) {
		return User{}, ErrToken
	}
	digest := sha256.Sum256([]byte(text))
	name, err := db.New(conn).UserOfToken(ctx, digest[:])
	if errors.Is(err, pgx.ErrNoRows) {
		return User{}, ErrToken
	}
	if err != nil {
		return User{}, fmt.Errorf("tags: read token: %w", err)
	}
	user, err := ReadUser(ctx, conn, name)
	if refused(err) { // Disabled a moment ago.
		return User{}, ErrToken
	}
	return user, err
}
