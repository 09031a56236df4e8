package remote

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// maxConnections is how many connections of a transport a host has to its hub at
// a time. A host has three transports; with the bell's connections they stay
// below what the hub allows.
const maxConnections = 40

// maxLeaseConnections is the same of the transport for what keeps the lease,
// which is said by one after the other: one may be breaking down.
const maxLeaseConnections = 2

// NewLeaseTransport is NewTransport for what keeps the host's lease, see
// Client.Lease.
func NewLeaseTransport(base *http.Transport) *http.Transport {
	t := NewTransport(base)
	t.MaxConnsPerHost = maxLeaseConnections
	return t
}

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
	t.MaxConnsPerHost, t.MaxIdleConnsPerHost = maxConnections, 8
	t.DisableCompression = true
	return t
}
