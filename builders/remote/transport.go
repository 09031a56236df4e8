package remote

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// maxFileConnections is how many files move between a host and the hub at a
// time.
const maxFileConnections = 40

// NewTransport fits a transport that reaches the hub to what hosts ask: answers
// may take long, since packages are checked and sources fetched meanwhile; the
// connection may break at any moment, and must not be taken for a living one
// then. HTTP/1.1 gives each request a connection of its own, which ends with the
// request's context.
func NewTransport(base *http.Transport) *http.Transport {
	t := base.Clone()
	t.ForceAttemptHTTP2, t.TLSNextProto = false, map[string]func(string, *tls.Conn) http.RoundTripper{}
	if t.TLSClientConfig != nil {
		t.TLSClientConfig.NextProtos = []string{"http/1.1"}
	}
	t.DialContext = (&net.Dialer{
		Timeout:         10 * time.Second,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
	}).DialContext
	t.TLSHandshakeTimeout = 10 * time.Second
	t.ResponseHeaderTimeout = 0
	t.ExpectContinueTimeout = 10 * time.Second
	t.MaxConnsPerHost, t.MaxIdleConnsPerHost = maxFileConnections, 8
	t.DisableCompression = true
	return t
}
