package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	maxRedirects   = 5
	connectTimeout = 15 * time.Second
	// headerTimeout is how long a server may think before it answers.
	headerTimeout = 60 * time.Second
	// defaultPatience is how long a download may be slower than minSpeed bytes in
	// a second, as for dnf (timeout, minrate); how long it takes as a whole is not
	// bounded, as packages may be large.
	defaultPatience = 30 * time.Second
	minSpeed        = 1000
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

// watched is a body that cancels its request when it comes too slowly.
type watched struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	read   atomic.Int64 // bytes, since it was looked at
}

func watch(ctx context.Context, cancel context.CancelCauseFunc, body io.ReadCloser, patience time.Duration) *watched {
	w := &watched{ReadCloser: body, ctx: ctx, cancel: cancel}
	go w.watch(patience)
	return w
}

// watch looks at the speed until the body is closed.
func (w *watched) watch(patience time.Duration) {
	tick := time.NewTicker(patience)
	defer tick.Stop()
	for {
		select {
		case <-w.ctx.Done():
			return
		case <-tick.C:
			if n := w.read.Swap(0); float64(n) < patience.Seconds()*minSpeed {
				w.cancel(fmt.Errorf("too slow: %d bytes in %s, at least %d B/s are expected", n, patience, minSpeed))
				return
			}
		}
	}
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	w.read.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) && w.ctx.Err() != nil {
		err = context.Cause(w.ctx)
	}
	return n, err
}

func (w *watched) Close() error {
	w.cancel(nil)
	return w.ReadCloser.Close()
}
