// Package github is the forge driver for GitHub and GitHub Enterprise Server.
//
// It knows GitHub's webhook payloads, and its APIs for commit statuses, for check
// runs and for Apps, all through go-github, which no other package imports. It
// refuses to know any other forge, although Gitea and Forgejo send X-GitHub-* headers too: which driver
// reads a delivery is decided by the endpoint it arrived at.
package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/distbot/distbot/forge"
)

// maxAnswer bounds an answer of the API, in bytes: 100 statuses with their
// creators are some 200 kB.
const maxAnswer = 4 << 20

// Config says which GitHub to talk to.
type Config struct {
	// URL is the address of the web site, where clone URLs begin;
	// https://github.com by default.
	URL string
	// APIURL is the address of the REST API. The default is
	// https://api.github.com for github.com, else URL with /api/v3.
	APIURL string
	// Token returns an access token that may write commit statuses. Without it,
	// and without App, statuses can't be sent and repositories are cloned
	// anonymously.
	Token forge.TokenSource
	// App is who distbot is at GitHub, instead of the owner of Token: then
	// statuses are check runs, with their details.
	App *App
	// HTTPClient is used for the API. Its redirect policy is replaced. The
	// default is a client with a time-out of 30 seconds.
	HTTPClient *http.Client
	// Now is the clock for Retry-After dates; time.Now by default.
	Now func() time.Time
}

// Forge is the driver. Create it with New.
type Forge struct {
	origin forge.Origin
	api    forge.Origin
	token  forge.TokenSource // nil for an App
	app    *app
	client *http.Client
	now    func() time.Time
}

var _ forge.Forge = (*Forge)(nil)

// New returns a driver; it does not connect.
func New(config Config) (*Forge, error) {
	if config.URL == "" {
		config.URL = "https://github.com"
	}
	origin, err := forge.ParseOrigin(config.URL)
	if err != nil {
		return nil, fmt.Errorf("github: configure: %w", err)
	}
	if config.APIURL == "" {
		config.APIURL = defaultAPI(origin)
	}
	api, err := forge.ParseOrigin(config.APIURL)
	if err != nil {
		return nil, fmt.Errorf("github: configure api: %w", err)
	}
	f := &Forge{origin: origin, api: api, token: config.Token, now: config.Now}
	if f.now == nil {
		f.now = time.Now
	}
	f.client = f.boundedClient(config.HTTPClient)
	if config.App == nil {
		return f, nil
	}
	if config.Token != nil {
		return nil, errors.New("github: configure: an App has no token")
	}
	if f.app, err = newApp(*config.App); err != nil {
		return nil, fmt.Errorf("github: configure: %w", err)
	}
	return f, nil
}

func defaultAPI(origin forge.Origin) string {
	if origin.String() == "https://github.com" {
		return "https://api.github.com"
	}
	return origin.String() + "/api/v3"
}

// boundedClient copies base and makes it read answers of at most maxAnswer
// bytes, which go-github does not, and follow redirects only within the API
// and only with the same method: go-github adds the token to every request,
// and net/http would turn a POST into a GET that sets nothing.
func (f *Forge) boundedClient(base *http.Client) *http.Client {
	client := http.Client{Timeout: 30 * time.Second}
	if base != nil {
		client = *base
	}
	transport := client.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	client.Transport = boundedTransport{transport}
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if len(via) > 3 || !f.api.Same(req.URL) || req.Method != via[0].Method {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return &client
}

type boundedTransport struct{ base http.RoundTripper }

func (t boundedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(req)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	}
	return resp, err
}

// withClient calls the API for a repository by call, and maps its error to those
// of forge.Forge.SetStatus. An App whose token does not hold any more, which
// GitHub may take back at any time, gets another one, once.
func (f *Forge) withClient(ctx context.Context, fullName string, call func(*github.Client) error) error {
	for again := f.app != nil; ; again = false {
		token, err := f.tokenFor(ctx, fullName)
		if err != nil {
			return err
		}
		client, err := f.clientWith(token)
		if err != nil {
			return err
		}
		if err = call(client); err == nil {
			return nil
		}
		if refusal, ok := refusalOf(err); again && ok && refusal.StatusCode == http.StatusUnauthorized {
			f.app.forget(fullName, token)
			continue
		}
		return f.callError(ctx, err, f.permission(), token)
	}
}

func (f *Forge) permission() string {
	if f.app != nil {
		return checksPermission
	}
	return statusPermission
}

// tokenFor returns the token for a repository's API and content.
func (f *Forge) tokenFor(ctx context.Context, fullName string) (string, error) {
	if f.app != nil {
		return f.installationToken(ctx, fullName)
	}
	if f.token == nil {
		return "", errors.New("no token is configured")
	}
	return f.token()
}

// clientWith returns go-github's client for one call. It is not kept: it
// remembers rate limits, and waiting is the caller's business.
func (f *Forge) clientWith(token string) (*github.Client, error) {
	if err := forge.CheckToken(token); err != nil {
		return nil, err
	}
	base, err := url.Parse(f.api.String() + "/")
	if err != nil {
		return nil, err
	}
	client := github.NewClient(f.client).WithAuthToken(token)
	client.BaseURL = base
	client.UserAgent = "distbot"
	return client, nil
}

// Kind implements forge.Forge.
func (f *Forge) Kind() forge.Kind { return forge.KindGitHub }

// Verify implements forge.Forge. It reads X-Hub-Signature-256 only; the SHA-1
// in X-Hub-Signature is never looked at.
func (f *Forge) Verify(header http.Header, body []byte, secrets []forge.Secret) error {
	return forge.VerifySignature(header, github.SHA256SignatureHeader, "sha256=", body, secrets)
}

// Delivery implements forge.Forge.
func (f *Forge) Delivery(header http.Header) (forge.Delivery, error) {
	return forge.ReadDelivery(header, github.DeliveryIDHeader, github.EventTypeHeader)
}

// CloneURL implements forge.Forge.
func (f *Forge) CloneURL(repo forge.Repository) string { return f.origin.CloneURL(repo.FullName) }

// CloneAuth implements forge.Forge. The user name is the one GitHub documents
// for tokens of any type; an App's token is good for at least tokenLeft.
func (f *Forge) CloneAuth(ctx context.Context, repo forge.Repository) (user, password string, err error) {
	if f.token == nil && f.app == nil {
		return "", "", nil
	}
	token, err := f.tokenFor(ctx, repo.FullName)
	if err != nil {
		return "", "", fmt.Errorf("github: authenticate clone: %w", err)
	}
	return "x-access-token", token, nil
}

// noCommit is how GitHub says, with 422, that a commit is gone.
func noCommit(message string) bool { return strings.HasPrefix(message, "No commit found for SHA") }
