package hostdoor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/distbot/distbot/queue/hostqueue"
)

const (
	// maxStartup is PostgreSQL's own bound (MAX_STARTUP_PACKET_LENGTH).
	maxStartup = 10_000
	// Requests in place of a startup message, PostgreSQL's documentation, chapter
	// "Message Formats".
	cancelRequest  = 80877102
	sslRequest     = 80877103
	gssencRequest  = 80877104
	protocolThree  = 3 << 16
	protocolNumber = 0xffff0000

	// writeTimeout ends a tunnel whose one end takes nothing any more.
	writeTimeout = time.Minute
)

// startupParameters are what a client's startup message may set. Others, options
// and replication among them, are left out.
var startupParameters = []string{"application_name", "client_encoding"}

// SQLSTATEs of refusals.
const (
	codeProtocol = "08P01" // protocol_violation
	codeTooMany  = "53300" // too_many_connections
	codeUnknown  = "28000" // invalid_authorization_specification
	codeNoServer = "08001" // sqlclient_unable_to_establish_sqlconnection
)

// refusalPrefix tells the door's words from PostgreSQL's.
const refusalPrefix = "distbot: "

// refusal is why a tunnel is not made, for the client.
type refusal struct{ code, text string }

// Error implements error.
func (r *refusal) Error() string { return r.text }

// errCanceled says that the client asked to cancel a query of another
// connection. It is not told who it is then, so it is not done: a client that
// gives a query up closes its connection as well.
var errCanceled = errors.New("hostdoor: a cancel request is not passed on")

// tunnel leads a client to PostgreSQL as the role of its host, until one of them
// closes or ctx ends. It closes client.
func (d *Door) tunnel(ctx context.Context, client net.Conn, identity Identity) {
	defer client.Close()
	logger := d.config.Logger.With("host", identity.Host)
	server, err := d.meet(ctx, client, identity)
	if err != nil {
		var refused *refusal
		if errors.As(err, &refused) {
			refuse(client, refused)
		}
		if !errors.Is(err, errCanceled) {
			logger.Warn("did not lead a build host to PostgreSQL", "err", err)
		}
		return
	}
	defer server.Close()
	// Whatever closes one end closes the other.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _, _ = client.Close(), server.Close() })
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		_, _ = io.Copy(patient{server}, client)
	}()
	screen := screen{
		queue: hostqueue.Queue(identity.HostID),
		hears: func(pid uint32) (bool, error) { return d.config.Queue.Hears(ctx, pid) },
	}
	if err := screen.copy(patient{client}, server); err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) {
		logger.Debug("tunnel ended", "err", err)
	}
	cancel()
	<-done
}

// meet reads what the client wants and greets the server for it.
func (d *Door) meet(ctx context.Context, client net.Conn, identity Identity) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	if err := client.SetDeadline(deadline); err != nil {
		return nil, fmt.Errorf("hostdoor: read startup message: %w", err)
	}
	parameters, err := readStartup(client)
	if err != nil {
		return nil, err
	}
	if d.tunnelsOf(identity.HostID) > hostqueue.MaxConnections {
		return nil, &refusal{codeTooMany, fmt.Sprintf("the host has %d connections already", hostqueue.MaxConnections)}
	}
	config := d.config.Queue.Server()
	server, err := dialServer(ctx, &config.Config)
	if err != nil {
		d.config.Logger.Error("PostgreSQL does not answer the tunnel of a build host", "err", err)
		return nil, &refusal{codeNoServer, "the hub's PostgreSQL does not answer"}
	}
	startup := pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{
		"user": d.config.Queue.Role(identity.HostID), "database": d.config.Queue.Database,
	}}
	for _, name := range startupParameters {
		if value, ok := parameters[name]; ok {
			startup.Parameters[name] = value
		}
	}
	message, err := startup.Encode(nil)
	if err == nil {
		_, err = patient{server}.Write(message)
	}
	if err := errors.Join(err, client.SetDeadline(time.Time{})); err != nil {
		return nil, errors.Join(fmt.Errorf("hostdoor: greet PostgreSQL: %w", err), server.Close())
	}
	return server, nil
}

// readStartup reads the client's startup message and returns its parameters. It
// says no to encryption, which is there already.
func readStartup(client io.ReadWriter) (map[string]string, error) {
	// One request for each kind of encryption may come before it.
	for range 3 {
		body, err := readPacket(client)
		if err != nil {
			return nil, err
		}
		switch binary.BigEndian.Uint32(body) {
		case sslRequest, gssencRequest:
			if _, err := client.Write([]byte{'N'}); err != nil {
				return nil, fmt.Errorf("hostdoor: read startup message: %w", err)
			}
			continue
		case cancelRequest:
			return nil, errCanceled
		}
		if binary.BigEndian.Uint32(body)&protocolNumber != protocolThree {
			return nil, &refusal{codeProtocol, "this is no startup message of PostgreSQL's protocol 3"}
		}
		return startupParametersOf(body[4:])
	}
	return nil, &refusal{codeProtocol, "the startup message does not come"}
}

// readPacket reads a length and what follows it, at least four bytes.
func readPacket(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, fmt.Errorf("hostdoor: read startup message: %w", err)
	}
	length := binary.BigEndian.Uint32(head[:])
	if length < 8 || length > maxStartup {
		return nil, &refusal{codeProtocol, "the length of the startup message is wrong"}
	}
	body := make([]byte, length-4)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, fmt.Errorf("hostdoor: read startup message: %w", err)
	}
	return body, nil
}

// startupParametersOf reads names and values, each ended by a NUL, and one more
// NUL at the end.
func startupParametersOf(body []byte) (map[string]string, error) {
	wrong := &refusal{codeProtocol, "the parameters of the startup message are wrong"}
	parameters := map[string]string{}
	for {
		i := slices.Index(body, 0)
		if i < 0 {
			return nil, wrong
		}
		if i == 0 {
			if len(body) > 1 {
				return nil, wrong
			}
			return parameters, nil
		}
		name, rest := string(body[:i]), body[i+1:]
		j := slices.Index(rest, 0)
		if j < 0 {
			return nil, wrong
		}
		parameters[name] = string(rest[:j])
		body = rest[j+1:]
	}
}

// tunnelsOf counts the connections of a host that are tunnels, or become one.
func (d *Door) tunnelsOf(hostID int64) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.open {
		if c.identity.HostID == hostID && c.tunnel {
			n++
		}
	}
	return n
}

// refuse tells the client why, in PostgreSQL's words.
func refuse(client net.Conn, why *refusal) {
	message, err := (&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: why.code, Message: refusalPrefix + why.text}).Encode(nil)
	if err == nil {
		_, _ = patient{client}.Write(message)
	}
}

// patient is a connection whose peer has writeTimeout to take what is written.
type patient struct{ net.Conn }

// Write implements io.Writer.
func (p patient) Write(b []byte) (int, error) {
	if err := p.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return p.Conn.Write(b)
}
