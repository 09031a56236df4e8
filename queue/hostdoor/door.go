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
	protocolHTTP1    = "http/1.1"
)

const (
	// handshakeTimeout bounds what a client may take to say who it is and what
	// it wants.
	handshakeTimeout = 10 * time.Second
	// maxOfHost bounds the connections of one host, of any kind.
	maxOfHost = 128
	// warnEvery is how often at most the log tells that places are short.
	warnEvery = time.Minute
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
		tls:    config.CA.ServerTLS(cert, protocolHTTP1, ProtocolPostgres),
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

	var unknown strangers
	var warned time.Time
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
		c := &conn{Conn: raw, door: d}
		greeting, drop := context.WithCancel(ctx)
		var full bool
		c.place, full = unknown.enter(raw.RemoteAddr(), func() {
			drop()
			_ = c.Close()
		})
		// Each of those that go is no news: they may be thousands in a second.
		if full && time.Since(warned) >= warnEvery {
			warned = time.Now()
			d.config.Logger.Warn("the build hosts' port is crowded with connections that don't say who they are; the oldest are dropped", "remote", raw.RemoteAddr())
		}
		running.Go(func() {
			defer drop()
			d.admit(ctx, greeting, c)
		})
	}
}

// conn is an accepted connection below TLS. It counts as open until it is
// closed, by whomever.
type conn struct {
	net.Conn
	door *Door
	once sync.Once
	// place is among strangers, until the client is known.
	place *place
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
		c.place.leave()
	})
	return c.Conn.Close()
}

// errTooMany says that a host has as many connections as it may.
var errTooMany = fmt.Errorf("the host has %d connections already", maxOfHost)

// admit does the handshake, finds out who the client is and hands the connection
// to those who serve it. Nothing is asked about a certificate before the client
// has shown that the key is its own, which is when the handshake is complete.
// greeting is a part of ctx that ends when the connection loses its place.
func (d *Door) admit(ctx, greeting context.Context, c *conn) {
	keepAlive(c.Conn)
	client := tls.Server(c, d.tls)
	err := d.greet(greeting, c, client)
	if greeting.Err() != nil || err == nil && !c.place.leave() {
		_ = c.Close()
		return
	}
	unknown := errors.Is(err, ErrNoCredential)
	if err != nil {
		d.config.Logger.Info("refused a connection to the build hosts' port", "remote", c.RemoteAddr(), "err", err)
	}
	if err != nil && !unknown {
		_ = c.Close()
		return
	}
	if client.ConnectionState().NegotiatedProtocol != ProtocolPostgres {
		// Identify tells a client that is unknown.
		if !d.http.give(client) {
			_ = client.Close()
		}
		return
	}
	if unknown {
		turnAway(client, c.Conn)
		return
	}
	d.mu.Lock()
	c.tunnel = true
	d.mu.Unlock()
	d.tunnel(ctx, client, c.identity)
}

// greet does the handshake and recognizes the client.
func (d *Door) greet(ctx context.Context, c *conn, client *tls.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := client.HandshakeContext(ctx); err != nil {
		linger(c.Conn)
		return err
	}
	return d.recognize(ctx, c, pki.FingerprintOf(client.ConnectionState().PeerCertificates[0]))
}

// turnAway tells a client that wants to speak to PostgreSQL that it is unknown,
// which ends a host for good, and closes the connection.
func turnAway(client *tls.Conn, raw net.Conn) {
	defer client.Close()
	if client.SetDeadline(time.Now().Add(handshakeTimeout)) != nil {
		return
	}
	// Whatever it asks, that is the answer.
	if _, err := readPacket(client); err != nil {
		return
	}
	refuse(client, &refusal{codeUnknown, noCredential})
	if client.CloseWrite() == nil {
		linger(raw)
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
