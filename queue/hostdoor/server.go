package hostdoor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// dialServer connects to PostgreSQL as the hub's own URL says, with its TLS, up
// to where the startup message is sent. Of several hosts and kinds of encryption
// the first that answers is taken.
func dialServer(ctx context.Context, config *pgconn.Config) (net.Conn, error) {
	tries := []*pgconn.FallbackConfig{{Host: config.Host, Port: config.Port, TLSConfig: config.TLSConfig}}
	var errs []error
	for _, try := range append(tries, config.Fallbacks...) {
		server, err := dialOne(ctx, config, try)
		if err == nil {
			return server, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("hostdoor: connect to PostgreSQL: %w", errors.Join(errs...))
}

func dialOne(ctx context.Context, config *pgconn.Config, try *pgconn.FallbackConfig) (net.Conn, error) {
	network, address := pgconn.NetworkAddress(try.Host, try.Port)
	server, err := config.DialFunc(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if try.TLSConfig == nil {
		return server, nil
	}
	if deadline, ok := ctx.Deadline(); ok {
		err = server.SetDeadline(deadline)
	}
	if err == nil && config.SSLNegotiation != "direct" {
		err = askForTLS(server)
	}
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	encrypted := tls.Client(server, try.TLSConfig)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, server.Close())
	}
	if err := server.SetDeadline(time.Time{}); err != nil {
		return nil, errors.Join(err, server.Close())
	}
	return encrypted, nil
}

var (
	// errNoTLS says that the server does not encrypt, which the hub's URL asks for.
	errNoTLS = errors.New("the server does not speak TLS")
	// errNoAnswer says that it sends an error instead of an answer.
	errNoAnswer = errors.New("the server refuses to say whether it speaks TLS")
)

// askForTLS sends an SSLRequest and reads the one byte of the answer, no more:
// what follows belongs to TLS.
func askForTLS(server net.Conn) error {
	request, err := (&pgproto3.SSLRequest{}).Encode(nil)
	if err != nil {
		return err
	}
	if _, err := server.Write(request); err != nil {
		return err
	}
	var answer [1]byte
	if _, err := io.ReadFull(server, answer[:]); err != nil {
		return err
	}
	switch answer[0] {
	case 'S':
		return nil
	case 'E':
		return errNoAnswer
	}
	return errNoTLS
}
