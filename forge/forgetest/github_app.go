package forgetest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The Apps that a fake GitHub knows. Both are installed on every account until
// Uninstall: the first may write checks, the second only read them.
const (
	AppID       = 1001
	ReaderAppID = 1002
)

// InstallationToken is the first token that a fake GitHub makes for an
// installation; later ones have a number behind it.
const InstallationToken = "ghs_000000000000000000000000installation"

// maxJWT is how long GitHub lets an App's own token hold.
const maxJWT = 10 * time.Minute

// appKeys are made once: that takes a while.
var appKeys = sync.OnceValues(func() (keys [3]*rsa.PrivateKey, err error) {
	for i := range keys {
		if keys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return keys, err
		}
	}
	return keys, nil
})

// keyOf returns the key of an App, or, for any other id, one that no App has.
func keyOf(id int64) (*rsa.PrivateKey, error) {
	keys, err := appKeys()
	if err != nil {
		return nil, err
	}
	switch id {
	case AppID:
		return keys[0], nil
	case ReaderAppID:
		return keys[1], nil
	}
	return keys[2], nil
}

// AppKey returns the private key of an App in PEM, or, for any other id, a key
// that no App has.
func AppKey(tb testing.TB, id int64) []byte {
	tb.Helper()
	key, err := keyOf(id)
	if err != nil {
		tb.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

// apps is what a fake GitHub knows of its Apps.
type apps struct {
	// life is how long tokens of installations hold; an hour at GitHub.
	life          time.Duration
	installations []installation // by id, from 1
	uninstalled   map[string]bool
	tokens        map[string]issued
	made          int
}

type installation struct {
	app     int64
	account string
}

type issued struct {
	installation int
	expires      time.Time
}

func newApps() apps {
	return apps{life: time.Hour, uninstalled: map[string]bool{}, tokens: map[string]issued{}}
}

// LetTokensLive sets how long the tokens of installations hold that are made
// from now on.
func (s *Server) LetTokensLive(life time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps.life = life
}

// RevokeTokens makes all tokens of installations useless, and gives the
// installations other ids, as when an App is installed anew.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.apps.tokens)
	for i := range s.apps.installations {
		s.apps.installations[i] = installation{}
	}
}

// Uninstall takes the Apps from an account.
func (s *Server) Uninstall(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps.uninstalled[account] = true
	clear(s.apps.tokens)
}

// TokensMade is how many tokens were made for installations.
func (s *Server) TokensMade() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.apps.made
}

// install returns the id of an App's installation on an account.
func (a *apps) install(app int64, account string) int {
	for i, known := range a.installations {
		if known == (installation{app, account}) {
			return i + 1
		}
	}
	a.installations = append(a.installations, installation{app, account})
	return len(a.installations)
}

// caller is who makes a request.
type caller struct {
	// app is the id of the App whose token this is, 0 for a person's token.
	app int64
	// itself is true for the App itself, false for one of its installations.
	itself bool
	// account is where the installation is.
	account string
	write   bool
}

// callerOf reads the credentials of a request.
func (s *Server) callerOf(r *http.Request) (caller, bool) {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), s.dialect.scheme+" ")
	if !found {
		return caller{}, false
	}
	switch token {
	case WriteToken, ReadToken:
		return caller{write: token == WriteToken}, true
	}
	if !s.dialect.apps {
		return caller{}, false
	}
	if known, ok := s.apps.tokens[token]; ok && time.Now().Before(known.expires) {
		at := s.apps.installations[known.installation-1]
		return caller{app: at.app, account: at.account, write: at.app == AppID}, true
	}
	app, err := verifyJWT(token)
	return caller{app: app, itself: true}, err == nil
}

// verifyJWT returns the App that signed a token for itself, by GitHub's rules.
func verifyJWT(token string) (int64, error) {
	var claims jwt.RegisteredClaims
	var app int64
	_, err := jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) {
		var err error
		if app, err = strconv.ParseInt(claims.Issuer, 10, 64); err != nil {
			return nil, err
		}
		if app != AppID && app != ReaderAppID {
			return nil, errors.New("no such App")
		}
		key, err := keyOf(app)
		if err != nil {
			return nil, err
		}
		return &key.PublicKey, nil
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	if err != nil {
		return 0, err
	}
	if claims.IssuedAt == nil || claims.ExpiresAt.Sub(claims.IssuedAt.Time) > maxJWT {
		return 0, errors.New("'Expiration time' claim ('exp') is too far in the future")
	}
	return app, nil
}

// appItself answers everybody but Apps that speak for themselves.
func (s *Server) appItself(w http.ResponseWriter, r *http.Request) (caller, bool) {
	who, ok := s.callerOf(r)
	if !ok || !who.itself {
		answer(w, http.StatusUnauthorized, message("A JSON web token could not be decoded"))
		return who, false
	}
	return who, valid(w, r)
}

// installationOf answers GET /repos/{owner}/{name}/installation.
func (s *Server) installationOf(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, ok := s.appItself(w, r)
	if !ok || !s.repository(w, r) {
		return
	}
	account := strings.ToLower(r.PathValue("owner"))
	if s.apps.uninstalled[account] {
		answer(w, http.StatusNotFound, message("Not Found"))
		return
	}
	id := s.apps.install(who.app, account)
	answer(w, http.StatusOK, map[string]any{
		"id": id, "app_id": who.app, "app_slug": "distbot", "target_id": 1, "target_type": "Organization", "single_file_name": nil,
		"repository_selection": "all", "access_tokens_url": fmt.Sprintf("%s/app/installations/%d/access_tokens", s.APIURL, id),
		"html_url": s.URL, "repositories_url": s.URL, "events": []string{"push"}, "account": nil, "permissions": permissionsOf(who.app),
		"created_at": "2026-11-20T10:49:24Z", "updated_at": "2026-11-20T10:49:24Z", "suspended_by": nil, "suspended_at": nil,
	})
}

func permissionsOf(app int64) map[string]any {
	if app == AppID {
		return map[string]any{"checks": "write", "contents": "read", "metadata": "read"}
	}
	return map[string]any{"checks": "read", "contents": "read", "metadata": "read"}
}

// makeToken answers POST /app/installations/{id}/access_tokens.
func (s *Server) makeToken(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, ok := s.appItself(w, r)
	if !ok {
		return
	}
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || id < 1 || id > len(s.apps.installations) || s.apps.installations[id-1].app != who.app ||
		s.apps.uninstalled[s.apps.installations[id-1].account] {
		answer(w, http.StatusNotFound, message("Not Found"))
		return
	}
	token := InstallationToken
	if s.apps.made++; s.apps.made > 1 {
		token += strconv.Itoa(s.apps.made)
	}
	expires := time.Now().Add(s.apps.life)
	s.apps.tokens[token] = issued{installation: id, expires: expires}
	answer(w, http.StatusCreated, map[string]any{
		"token": token, "expires_at": expires.UTC().Format(time.RFC3339), "permissions": permissionsOf(who.app), "repository_selection": "all",
	})
}
