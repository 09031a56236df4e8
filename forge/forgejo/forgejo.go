// Package forgejo is the forge driver for Forgejo and Gitea.
//
// It knows their webhook payloads, with its own types (GitHub's do not fit:
// an issue comment's repository owner is a string here), and the few calls of
// their API v1 that commit statuses need. It refuses to know any other forge:
// their deliveries also carry X-GitHub-* and X-Gogs-* headers, which are never
// looked at.
//
// What each event looks like was recorded from Gitea 1.26
// (testdata/webhooks/gitea). Forgejo differs in two things: it adds
// X-Forgejo-* headers, and hooks of its own type carry full refs in create and
// delete.
package forgejo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/distbot/distbot/forge"
)

// Config says which instance to talk to.
type Config struct {
	// URL is the instance's public address, its ROOT_URL: clone URLs in
	// deliveries begin with it. Required.
	URL string
	// Token returns an access token with scope write:repository of a user with
	// write access to the repositories. Without it statuses can't be sent and
	// repositories are cloned anonymously.
	Token forge.TokenSource
	// HTTPClient is used for the API. Its redirect policy is replaced. The
	// default is a client with a time-out of 30 seconds.
	HTTPClient *http.Client
	// Now is the clock for Retry-After dates; time.Now by default.
	Now func() time.Time
}

// Forge is the driver. Create it with New.
type Forge struct {
	origin forge.Origin
	token  forge.TokenSource
	client *http.Client
	now    func() time.Time
}

var _ forge.Forge = (*Forge)(nil)

// New returns a driver for the instance; it does not connect.
func New(config Config) (*Forge, error) {
	origin, err := forge.ParseOrigin(config.URL)
	if err != nil {
		return nil, fmt.Errorf("forgejo: configure: %w", err)
	}
	client := &http.Client{Timeout: 30 * time.Second}
	if config.HTTPClient != nil {
		copied := *config.HTTPClient
		client = &copied
	}
	// The driver follows redirects itself: see call.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	f := &Forge{origin: origin, token: config.Token, client: client, now: config.Now}
	if f.now == nil {
		f.now = time.Now
	}
	return f, nil
}

// Kind implements forge.Forge.
func (f *Forge) Kind() forge.Kind { return forge.KindForgejo }

// Verify implements forge.Forge. Forgejo signs in X-Forgejo-Signature and
// repeats the signature in X-Gitea-Signature, which is Gitea's own; both are
// bare hex.
func (f *Forge) Verify(header http.Header, body []byte, secrets []forge.Secret) error {
	return forge.VerifySignature(header, headerName(header, "Signature"), "", body, secrets)
}

// Delivery implements forge.Forge.
func (f *Forge) Delivery(header http.Header) (forge.Delivery, error) {
	return forge.ReadDelivery(header, headerName(header, "Delivery"), headerName(header, "Event"))
}

// headerName is Forgejo's own header in a delivery that has any of its own,
// else Gitea's: a delivery whose own signature was taken away is not verified
// by the other.
func headerName(header http.Header, suffix string) string {
	for _, own := range []string{"X-Forgejo-Signature", "X-Forgejo-Event", "X-Forgejo-Delivery"} {
		if len(header.Values(own)) > 0 {
			return "X-Forgejo-" + suffix
		}
	}
	return "X-Gitea-" + suffix
}

// CloneURL implements forge.Forge.
func (f *Forge) CloneURL(repo forge.Repository) string { return f.origin.CloneURL(repo.FullName) }

// CloneAuth implements forge.Forge: the token is the password of any user.
func (f *Forge) CloneAuth(context.Context, forge.Repository) (user, password string, err error) {
	if f.token == nil {
		return "", "", nil
	}
	token, err := f.token()
	if err != nil {
		return "", "", fmt.Errorf("forgejo: authenticate clone: %w", err)
	}
	return "distbot", token, nil
}

var errNoToken = errors.New("no token is configured")
