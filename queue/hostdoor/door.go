package hostdoor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/pki"
	"github.com/distbot/distbot/queue/hostqueue"
)

// The ALPN protocols of the listener.
const (
	ProtocolPostgres = "distbot-postgres"
	protocolHTTP2    = "h2"
	protocolHTTP1    = "http/1.1"
)

const (
	// handshakeTimeout bounds what a client may take to say who it is and what
	// it wants.
	handshakeTimeout = 10 * time.Second
	// maxUnknown bounds connections whose client is not known yet, maxOfHost
	// those of one host, of any kind.
	maxUnknown = 256
	maxOfHost  = 128
)

// Config says what a Door needs.
type Config struct {
	// Pool is connected to the hub's database.
	Pool *pgxpool.Pool
	CA   *pki.CA
	// Names are the DNS names and IP addresses that hosts call the hub by.
	Names []string
	// Queue is where tunnels lead.
	Queue  *hostqueue.Hub
	Logger *slog.Logger
}

// Door is the hub's side. Its methods may be called by several goroutines at
// once.
type Door struct {
	config Config
	tls    *tls.Config
	http   *httpListener

	mu   sync.Mutex
	open map[*conn]struct{}
}

// New makes a Door; Serve opens it.
func New(config Config) (*Door, error) {
	cert, err := config.CA.NewServerCertificate(config.Names)
	if err != nil {
		return nil, fmt.Errorf("hostdoor: new: %w", err)
	}
	return &Door{
		config: config,
		tls:    config.CA.ServerTLS(cert, protocolHTTP2, protocolHTTP1, ProtocolPostgres),
		http:   newHTTPListener(),
		open:   map[*conn]struct{}{},
	}, nil
}

// HTTP is the listener of the connections that speak HTTP, all of them *tls.Conn
// after their handshake, for http.Server.Serve; its handler should be wrapped by
// Identify. It ends with Serve.
func (d *Door) HTTP() net.Listener { return d.http }

// Serve accepts connections until ctx ends, then closes the listener and every
// connection, tunnels and HTTP alike, and returns when all tunnels have ended.
// The error is nil at ctx's end. It may be called once.
func (d *Door) Serve(ctx context.Context, listener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer d.closeAll()
	defer d.http.Close()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	d.http.addr = listener.Addr()
	running.Go(func() { d.watchRevocations(ctx) })

	unknown := make(chan struct{}, maxUnknown)
	for {
		raw, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		var temporary net.Error
		if errors.As(err, &temporary) && !errors.Is(err, net.ErrClosed) {
			// Too many open files, for example: others may close some.
			d.config.Logger.Warn("could not accept a build host's connection", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("hostdoor: accept: %w", err)
		}
		select {
		case unknown <- struct{}{}:
			running.Go(func() { d.admit(ctx, raw, func() { <-unknown }) })
		default:
			_ = raw.Close()
		}
	}
}

// conn is an accepted connection below TLS. It counts as open until it is
// closed, by whomever.
type conn struct {
	net.Conn
	door *Door
	once sync.Once
	// identity and tunnel are set under door.mu.
	identity Identity
	tunnel   bool
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.once.Do(func() {
		c.door.mu.Lock()
		delete(c.door.open, c)
		c.door.mu.Unlock()
	})
	return c.Conn.Close()
}

// errTooMany says that a host has as many connections as it may.
var errTooMany = fmt.Errorf("the host has %d connections already", maxOfHost)

// admit does the handshake and hands the connection to those who serve it.
// known is called when the client is known, or gone.
func (d *Door) admit(ctx context.Context, raw net.Conn, known func()) {
	keepAlive(raw)
	c := &conn{Conn: raw, door: d}
	config := d.tls.Clone()
	handshake, cancel := context.WithTimeout(ctx, handshakeTimeout)
	// An alert tells the client that its certificate is bad, which ends a host for
	// good: trouble of ours closes the connection without one.
	var trouble error
	config.VerifyConnection = func(state tls.ConnectionState) error {
		err := d.recognize(handshake, c, pki.FingerprintOf(state.PeerCertificates[0]))
		if errors.Is(err, ErrNoCredential) {
			return err
		}
		trouble = err
		return nil
	}
	client := tls.Server(c, config)
	err := client.HandshakeContext(handshake)
	cancel()
	if err != nil {
		linger(raw)
	} else {
		err = trouble
	}
	known()
	if err != nil {
		_ = c.Close()
		d.config.Logger.Info("refused a connection to the build hosts' port", "remote", raw.RemoteAddr(), "err", err)
		return
	}
	if client.ConnectionState().NegotiatedProtocol == ProtocolPostgres {
		d.mu.Lock()
		c.tunnel = true
		d.mu.Unlock()
		d.tunnel(ctx, client, c.identity)
		return
	}
	if !d.http.give(client) {
		_ = client.Close()
	}
}

// recognize finds out who shows the certificate. The connection counts as open
// before the table is asked: a revocation that comes after the answer finds it.
func (d *Door) recognize(ctx context.Context, c *conn, fingerprint pki.Fingerprint) error {
	d.mu.Lock()
	c.identity.Fingerprint = fingerprint
	d.open[c] = struct{}{}
	d.mu.Unlock()
	identity, err := d.lookup(ctx, fingerprint)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for other := range d.open {
		if other.identity.HostID == identity.HostID {
			n++
		}
	}
	if n >= maxOfHost {
		return errTooMany
	}
	c.identity = identity
	return nil
}

// closeAll closes every connection.
func (d *Door) closeAll() { d.closeThose(func(*conn) bool { return true }) }

// closeThose closes the connections that match and returns whose they were.
func (d *Door) closeThose(match func(*conn) bool) []Identity {
	d.mu.Lock()
	var chosen []*conn
	var whose []Identity
	for c := range d.open {
		if match(c) {
			chosen, whose = append(chosen, c), append(whose, c.identity)
		}
	}
	d.mu.Unlock()
	for _, c := range chosen {
		_ = c.Close()
	}
	return whose
}

// keepAlive makes the kernel notice within half a minute that a host is gone.
func keepAlive(raw net.Conn) {
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3})
	}
}

const (
	lingerTime  = time.Second
	lingerBytes = 64 << 10
)

// linger lets a refused client read why. Closing a connection on which something
// unread lies resets it, and a client with TLS 1.3 may speak before it is heard:
// the alert would be lost.
func linger(raw net.Conn) {
	tcp, ok := raw.(*net.TCPConn)
	if !ok || tcp.CloseWrite() != nil || tcp.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, tcp, lingerBytes)
}

// httpListener hands connections on.
type httpListener struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newHTTPListener() *httpListener {
	return &httpListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

// give hands a connection to Accept and reports whether somebody took it.
func (l *httpListener) give(c net.Conn) bool {
	select {
	case l.conns <- c:
		return true
	case <-l.done:
		return false
	}
}

// Accept implements net.Listener.
func (l *httpListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *httpListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements net.Listener.
func (l *httpListener) Addr() net.Addr { return l.addr }
