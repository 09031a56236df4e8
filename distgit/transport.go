package distgit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	gitfile "github.com/go-git/go-git/v5/plumbing/transport/file"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// Bounds of what a git server may answer besides the pack.
const (
	maxAdvertisement = 64 << 20
	maxErrorBody     = 64 << 10
)

// session is one conversation with a git server: the advertised refs, and at
// most one pack.
type session struct {
	transport.UploadPackSession
	advertised *packp.AdvRefs
	// watch is nil for the file transport.
	watch *watchedTransport
}

// dial connects to remote and reads the refs it advertises; an empty
// repository advertises none. The caller closes the session.
func (m *Mirrors) dial(ctx context.Context, remote Remote) (*session, error) {
	at, err := remote.fetchURL()
	if err != nil {
		return nil, err
	}
	endpoint, err := transport.NewEndpoint(at.String())
	if err != nil {
		return nil, fmt.Errorf("%w: it cannot be parsed", ErrNotAllowed)
	}
	s := &session{}
	client := gitfile.NewClient(transport.UploadPackServiceName, transport.ReceivePackServiceName)
	var auth transport.AuthMethod
	if at.Scheme == "file" {
		endpoint = &transport.Endpoint{Protocol: "file", Path: at.Path}
	} else {
		s.watch = &watchedTransport{base: m.transport(), origin: at, maxPack: m.packLimits().packBytes}
		client = githttp.NewClientWithOptions(
			&http.Client{Transport: s.watch, CheckRedirect: s.watch.checkRedirect},
			&githttp.ClientOptions{RedirectPolicy: githttp.FollowInitialRedirects})
		if auth, err = credentials(ctx, remote); err != nil {
			return nil, err
		}
	}
	if s.UploadPackSession, err = client.NewUploadPackSession(endpoint, auth); err != nil {
		return nil, err
	}
	s.advertised, err = s.AdvertisedReferencesContext(ctx)
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		s.advertised, err = packp.NewAdvRefs(), nil
	}
	if err != nil {
		_ = s.Close()
		return nil, s.explain(err)
	}
	return s, nil
}

// credentials asks remote for its user and password.
func credentials(ctx context.Context, remote Remote) (transport.AuthMethod, error) {
	if remote.Auth == nil {
		return nil, nil
	}
	user, password, err := remote.Auth(ctx)
	if err != nil {
		return nil, fmt.Errorf("get the credentials: %w", err)
	}
	if user == "" && password == "" {
		return nil, nil
	}
	return &githttp.BasicAuth{Username: user, Password: password}, nil
}

// heads are the advertised branches: full ref name → commit.
func (s *session) heads() refSet {
	heads := make(refSet)
	for name, commit := range s.advertised.References {
		if strings.HasPrefix(name, headsPrefix) && validRef(name) {
			heads[name] = commit
		}
	}
	return heads
}

// offersAnyCommit reports whether the server gives out commits that no ref it
// advertises points to.
func (s *session) offersAnyCommit() bool {
	return s.advertised.Capabilities.Supports(capability.AllowReachableSHA1InWant) ||
		s.advertised.Capabilities.Supports(capability.AllowTipSHA1InWant)
}

// download asks for wants, given that haves are here already, and installs the
// pack in the repository at dir.
func (s *session) download(ctx context.Context, dir string, wants, haves []plumbing.Hash, limits packLimits) error {
	request := packp.NewUploadPackRequestFromCapabilities(s.advertised.Capabilities)
	request.Wants, request.Haves = wants, haves
	if s.advertised.Capabilities.Supports(capability.NoProgress) {
		if err := request.Capabilities.Set(capability.NoProgress); err != nil {
			return err
		}
	}
	response, err := s.UploadPack(ctx, request)
	if err != nil {
		return s.explain(err)
	}
	var pack io.Reader = response
	switch {
	case request.Capabilities.Supports(capability.Sideband64k):
		pack = sideband.NewDemuxer(sideband.Sideband64k, response)
	case request.Capabilities.Supports(capability.Sideband):
		pack = sideband.NewDemuxer(sideband.Sideband, response)
	}
	err = installPack(ctx, dir, pack, limits)
	if closeErr := response.Close(); err == nil && closeErr != nil {
		err = closeErr
	}
	return s.explain(err)
}

// explain replaces go-git's error by what was seen on the wire where that says
// more, since go-git does not keep the cause of every error.
func (s *session) explain(err error) error {
	if err == nil {
		return nil
	}
	if s.watch != nil && s.watch.err != nil {
		return s.watch.err
	}
	if errors.Is(err, transport.ErrRepositoryNotFound) {
		return ErrRepositoryNotFound
	}
	return err
}

// watchedTransport bounds and judges the HTTP responses of one session. It
// serves one goroutine, like the session.
type watchedTransport struct {
	base    http.RoundTripper
	origin  *url.URL
	maxPack int64
	// err is what went wrong last.
	err error
}

// RoundTrip implements http.RoundTripper.
func (w *watchedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Scheme != w.origin.Scheme || !sameHost(request.URL, w.origin) {
		w.err = fmt.Errorf("redirect to another host: %w", ErrNotAllowed)
		return nil, w.err
	}
	response, err := w.base.RoundTrip(request)
	if err != nil {
		w.err = &TemporaryError{Err: err}
		return nil, err
	}
	body := &watchedBody{ReadCloser: response.Body, watch: w}
	switch status := response.StatusCode; {
	case status == http.StatusNotFound || status == http.StatusGone:
		w.err = ErrRepositoryNotFound
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		w.err = &TemporaryError{After: retryAfter(response.Header), Err: fmt.Errorf("the forge refuses the credentials or their rate (HTTP %d)", status)}
	case temporaryStatus(status):
		w.err = &TemporaryError{After: retryAfter(response.Header), Err: fmt.Errorf("the forge answers HTTP %d", status)}
	case status >= 400:
		w.err = fmt.Errorf("the forge answers HTTP %d", status)
	}
	switch {
	case response.StatusCode >= 300:
		body.limited = io.LimitReader(response.Body, maxErrorBody)
	case request.Method == http.MethodGet:
		body.limited = newCappedReader(response.Body, maxAdvertisement, "bytes of advertised refs")
	default: // the pack, its sideband headers and acknowledgements
		body.limited = newCappedReader(response.Body, w.maxPack+w.maxPack/8+maxErrorBody, "bytes in the answer with the pack")
	}
	response.Body = body
	return response, nil
}

// checkRedirect stops at a redirect that leaves the forge.
func (w *watchedTransport) checkRedirect(request *http.Request, _ []*http.Request) error {
	if request.URL.Scheme != w.origin.Scheme || !sameHost(request.URL, w.origin) {
		w.err = fmt.Errorf("redirect to another host: %w", ErrNotAllowed)
		return w.err
	}
	return nil
}

// watchedBody is a bounded response body that reports its errors to the
// transport.
type watchedBody struct {
	io.ReadCloser
	limited io.Reader
	watch   *watchedTransport
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.limited.Read(p)
	if err != nil && err != io.EOF {
		b.watch.err = err
	}
	return n, err
}
