package github

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/distbot/distbot/forge"
)

// App is a GitHub App, installed on the accounts that own the repositories.
type App struct {
	// ID is the number that GitHub shows as App ID.
	ID int64
	// Key returns the private key as GitHub hands it out, an RSA key in PEM. It
	// is asked for whenever a token has to be made, so that it can be replaced
	// while distbot runs.
	Key func() (forge.Secret, error)
}

const (
	// jwtLife is how long a token signed by the App holds; GitHub takes at most
	// ten minutes (REST API, "Generating a JSON Web Token").
	jwtLife = 9 * time.Minute
	// jwtSkew is how far the clocks may be apart.
	jwtSkew = time.Minute
	// tokenLeft is how long an installation's token, which lives for an hour,
	// must still hold to be handed out: a clone takes its time.
	tokenLeft = 10 * time.Minute
	// maxAccounts bounds how many accounts' tokens are kept.
	maxAccounts = 1000
)

// appPermission is what the App itself needs.
const appPermission = `app_id and key_file of one App, installed on the repository's account`

// app knows how to be the App. Tokens are kept as long as they hold: an account
// has one installation, whose token is good for all its repositories.
type app struct {
	App

	mu     sync.Mutex
	tokens map[string]installationToken // by account in lower case
}

type installationToken struct {
	token   string
	expires time.Time
}

// newApp checks that the key is one.
func newApp(config App) (*app, error) {
	if config.ID <= 0 || config.Key == nil {
		return nil, errors.New("an App needs its ID and key")
	}
	a := &app{App: config, tokens: map[string]installationToken{}}
	if _, err := a.privateKey(); err != nil {
		return nil, err
	}
	return a, nil
}

// privateKey reads the key. Its errors show nothing of it.
func (a *app) privateKey() (*rsa.PrivateKey, error) {
	pem, err := a.Key()
	if err != nil {
		return nil, err
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM(pem)
	if err != nil {
		return nil, errors.New("the App's key is no RSA private key in PEM")
	}
	return key, nil
}

// sign makes the token with which the App speaks for itself (RFC 7519, RS256).
func (a *app) sign(now time.Time) (string, error) {
	key, err := a.privateKey()
	if err != nil {
		return "", err
	}
	return jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.RegisteredClaims{
		Issuer:    strconv.FormatInt(a.ID, 10),
		IssuedAt:  jwt.NewNumericDate(now.Add(-jwtSkew)),
		ExpiresAt: jwt.NewNumericDate(now.Add(jwtLife)),
	}).SignedString(key)
}

// account is who owns a repository.
func account(fullName string) string {
	owner, _, _ := strings.Cut(fullName, "/")
	return strings.ToLower(owner)
}

// known is the token that is kept for a repository, if it holds for long enough.
func (a *app) known(fullName string, now time.Time) (string, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	kept, ok := a.tokens[account(fullName)]
	return kept.token, ok && now.Add(tokenLeft).Before(kept.expires)
}

func (a *app) keep(fullName string, token installationToken) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.tokens) >= maxAccounts {
		clear(a.tokens)
	}
	a.tokens[account(fullName)] = token
}

// forget drops a token that GitHub does not take any more.
func (a *app) forget(fullName, token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tokens[account(fullName)].token == token {
		delete(a.tokens, account(fullName))
	}
}

// installationToken returns a token for a repository: the App asks where it is
// installed, and for a token of that installation. Its errors are those of
// forge.Forge.SetStatus; ErrNotFound says that the App is not installed there.
// Several may ask at once, and each gets one that holds.
func (f *Forge) installationToken(ctx context.Context, fullName string) (string, error) {
	if token, ok := f.app.known(fullName, f.now()); ok {
		return token, nil
	}
	owner, name, err := forge.SplitFullName(fullName)
	if err != nil {
		return "", fmt.Errorf("repository name %w", err)
	}
	signed, err := f.app.sign(f.now())
	if err != nil {
		return "", err
	}
	client, err := f.clientWith(signed)
	if err != nil {
		return "", err
	}
	installation, _, err := client.Apps.FindRepositoryInstallation(ctx, owner, name)
	if err != nil {
		return "", fmt.Errorf("find the App's installation: %w", f.callError(ctx, err, appPermission, signed))
	}
	if installation.GetID() <= 0 {
		return "", errors.New("find the App's installation: the answer is none")
	}
	made, _, err := client.Apps.CreateInstallationToken(ctx, installation.GetID(), nil)
	if err != nil {
		return "", fmt.Errorf("make the installation's token: %w", f.callError(ctx, err, appPermission, signed))
	}
	if err := forge.CheckToken(made.GetToken()); err != nil {
		return "", fmt.Errorf("make the installation's token: %w", err)
	}
	f.app.keep(fullName, installationToken{token: made.GetToken(), expires: made.GetExpiresAt().Time})
	return made.GetToken(), nil
}
