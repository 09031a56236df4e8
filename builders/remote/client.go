package remote

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildhost"
	"github.com/distbot/distbot/queue"
)

// Client is a hub that is reached over the network. It implements buildhost.Hub
// and is one session: a host that has lost its lease makes another. It is safe
// for concurrent use.
type Client struct {
	// URL is the hub's address for hosts, https://HOST:PORT.
	URL string
	// Lease, HTTP and Files show the host's certificate and have no time limits of
	// their own. Lease is for what keeps the host alive and nothing else, HTTP for
	// messages and logs, Files for files: none of them shares connections with
	// another, so that no number of files and no slow log holds a heartbeat up.
	// See NewTransport.
	Lease, HTTP, Files *http.Client
	// Refused tells which errors of a connection mean that the host's
	// credentials don't count any more; nil knows none.
	Refused func(error) bool
	// Repos serves repositories to drivers.
	Repos *RepoProxy
	// LogDir holds the logs of attempts while they are sent. It is the host's
	// alone.
	LogDir string
	Logger *slog.Logger

	// logEvery and answer stand for the constants logEvery and messageAnswer in
	// tests, and retryFor for the time in which what an attempt begins with is
	// asked for again.
	logEvery, retryFor, answer time.Duration

	mu      sync.Mutex
	session string
	host    string
}

var _ buildhost.Hub = (*Client)(nil)

// Connect implements buildhost.Hub. What info says of the name is not believed
// by anybody. It returns ErrIdentity when the hub does not accept the host's
// credentials.
func (c *Client) Connect(ctx context.Context, info queue.HostInfo) error {
	var answer connectAnswer
	if err := c.post(ctx, c.Lease, Prefix+"connect", "", info, &answer); err != nil {
		return fmt.Errorf("remote: connect to %s: %w", c.URL, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session, c.host = answer.Session, answer.Host
	return nil
}

// Probe tells what Connect would meet, and changes nothing at the hub: why the
// host would be given no work, "" when it would be, or the error of Connect.
func (c *Client) Probe(ctx context.Context, info queue.HostInfo) (string, error) {
	var answer probeAnswer
	if err := c.post(ctx, c.Lease, Prefix+"probe", "", info, &answer); err != nil {
		return "", fmt.Errorf("remote: probe %s: %w", c.URL, err)
	}
	return queue.OneLine(answer.Unready), nil
}

// Host is the name that the hub knows the host by, once it is connected.
func (c *Client) Host() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.host
}

// Heartbeat implements buildhost.Hub.
func (c *Client) Heartbeat(ctx context.Context, status queue.HostStatus) (queue.HostOrders, error) {
	var orders queue.HostOrders
	err := c.post(ctx, c.Lease, Prefix+"heartbeat", "", status, &orders)
	if errors.Is(err, ErrIdentity) {
		// Who is not the host any more has no lease either.
		err = fmt.Errorf("%w: %w", queue.ErrLostLease, err)
	}
	return orders, err
}

// Disconnect implements buildhost.Hub.
func (c *Client) Disconnect(ctx context.Context) error {
	return c.post(ctx, c.Lease, Prefix+"disconnect", "", nil, nil)
}

// Begin implements buildhost.Hub. The attempt's logs are sent while ctx lasts.
// While the hub can't be reached it is asked again: should it have opened the
// attempt, nobody but this host can work on it.
func (c *Client) Begin(ctx context.Context, claim queue.Claim) (buildhost.Attempt, error) {
	var answer beginAnswer
	err := again(ctx, cmp.Or(c.retryFor, retryFor), func() error {
		return c.post(ctx, c.HTTP, taskPath(claim, "begin"), "", nil, &answer)
	})
	if err != nil {
		return nil, err
	}
	if answer.Work.Claim != claim {
		return nil, fmt.Errorf("remote: begin %s: the hub answers with %s", claim, answer.Work.Claim)
	}
	return newAttempt(ctx, c, answer)
}

// request makes a request of the session.
func (c *Client) request(ctx context.Context, method, path, token string, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+path, body)
	if err != nil {
		return nil, fmt.Errorf("remote: ask the hub: %w", err)
	}
	c.mu.Lock()
	session := c.session
	c.mu.Unlock()
	if session != "" {
		r.Header.Set(headerSession, session)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	// What is compressed could be larger than it seems.
	r.Header.Set("Accept-Encoding", "identity")
	return r, nil
}

// do sends a request and returns an answer that is 2xx; its body is to be
// closed. Everything else is an error, see readProblem.
//
// A refusal of the certificate may be about one that was renewed meanwhile: the
// request is made once more, on a new connection, which shows the newest.
func (c *Client) do(client *http.Client, r *http.Request) (*http.Response, error) {
	response, err := c.doOnce(client, r)
	if !errors.Is(err, ErrIdentity) || r.Body != nil && r.Body != http.NoBody && r.GetBody == nil {
		return response, err
	}
	client.CloseIdleConnections()
	again := r.Clone(r.Context())
	if r.GetBody != nil {
		var bodyErr error
		if again.Body, bodyErr = r.GetBody(); bodyErr != nil {
			return nil, err
		}
	}
	return c.doOnce(client, again)
}

func (c *Client) doOnce(client *http.Client, r *http.Request) (*http.Response, error) {
	response, err := client.Do(r)
	if err != nil && c.Refused != nil && c.Refused(err) {
		return nil, fmt.Errorf("%w: %w", ErrIdentity, err)
	}
	if err != nil {
		var inURL *url.Error
		if errors.As(err, &inURL) {
			err = inURL.Err // the path says little, and is long
		}
		return nil, fmt.Errorf("remote: ask the hub: %w", err)
	}
	if response.StatusCode/100 != 2 {
		defer response.Body.Close()
		return nil, readProblem(response)
	}
	return response, nil
}

// messageAnswer bounds how long a message may wait for its answer. To check and
// store what a build left can take the hub some time.
const messageAnswer = 15 * time.Minute

// post sends a message and reads the answer into answer; nil ignores it.
func (c *Client) post(ctx context.Context, client *http.Client, path, token string, message, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.answer, messageAnswer))
	defer cancel()
	var body io.Reader
	if message != nil {
		text, err := json.Marshal(message)
		if err != nil {
			return fmt.Errorf("remote: write message: %w", err)
		}
		body = bytes.NewReader(text)
	}
	r, err := c.request(ctx, http.MethodPost, path, token, body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	return c.exchange(client, r, answer)
}

// exchange sends a request and reads the JSON it is answered with.
func (c *Client) exchange(client *http.Client, r *http.Request, answer any) error {
	response, err := c.do(client, r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxFinish))
	if err != nil {
		return fmt.Errorf("remote: read the hub's answer: %w", err)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("remote: read the hub's answer: %w", err)
	}
	return nil
}

// passing reports whether the same request may be answered otherwise later:
// the network failed, or the hub says so.
func passing(err error) bool {
	var answer *AnswerError
	var failure *builders.Failure
	switch {
	case errors.As(err, &answer):
		return answer.passing()
	case errors.As(err, &failure), errors.Is(err, queue.ErrLostAttempt), errors.Is(err, queue.ErrLostLease),
		errors.Is(err, queue.ErrTaskOver), errors.Is(err, queue.ErrHostTaken), errors.Is(err, ErrIdentity), errors.Is(err, errLocal):
		return false
	}
	return true
}

// errLocal marks errors of this host, which no answer of the hub can mend.
var errLocal = errors.New("remote: on this host")

// retryFor is how long what an attempt begins with is asked for again while the
// hub can't be reached or can't answer.
const retryFor = 2 * time.Minute

// again does something until it works, or fails for a reason that stays, or
// ctx or the time ends.
func again(ctx context.Context, most time.Duration, do func() error) error {
	deadline := time.Now().Add(most)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := do()
		if err == nil || !passing(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}
