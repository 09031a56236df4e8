package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	maxRedirects   = 5
	connectTimeout = 15 * time.Second
	// headerTimeout is how long a server may think before it answers.
	headerTimeout = 60 * time.Second
	// stallTimeout is how long a download may stand still; how long it takes as
	// a whole is not bounded, as packages may be large and lines slow.
	stallTimeout = 60 * time.Second
)

// errRedirect is wrapped when a redirect is not followed.
var errRedirect = errors.New("redirect refused")

// NewClient returns a client that waits for nothing for ever, follows at most
// five redirects, only to HTTP and HTTPS, and none from HTTPS to HTTP.
func NewClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
			TLSHandshakeTimeout:    connectTimeout,
			ResponseHeaderTimeout:  headerTimeout,
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConnsPerHost:    8,
			IdleConnTimeout:        30 * time.Second,
			ForceAttemptHTTP2:      true,
			// Files are compressed already, and checked as they are.
			DisableCompression: true,
		},
		CheckRedirect: checkRedirect,
	}
}

func checkRedirect(next *http.Request, via []*http.Request) error {
	switch to, from := next.URL.Scheme, via[len(via)-1].URL.Scheme; {
	case len(via) > maxRedirects:
		return fmt.Errorf("more than %d redirects: %w", maxRedirects, errRedirect)
	case to != "http" && to != "https":
		return fmt.Errorf("to scheme %.40q: %w", to, errRedirect)
	case from == "https" && to != "https":
		return fmt.Errorf("from HTTPS to HTTP: %w", errRedirect)
	}
	return nil
}

// errStalled ends a download that stands still.
var errStalled = fmt.Errorf("nothing came for %s", stallTimeout)

// watched is a body that cancels its request when it stands still.
type watched struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

func watch(ctx context.Context, cancel context.CancelCauseFunc, body io.ReadCloser) *watched {
	return &watched{body, ctx, cancel, time.AfterFunc(stallTimeout, func() { cancel(errStalled) })}
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	w.timer.Reset(stallTimeout)
	if err != nil && !errors.Is(err, io.EOF) && w.ctx.Err() != nil {
		err = context.Cause(w.ctx)
	}
	return n, err
}

func (w *watched) Close() error {
	w.timer.Stop()
	w.cancel(nil)
	return w.ReadCloser.Close()
}
