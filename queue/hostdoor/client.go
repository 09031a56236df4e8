package hostdoor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/pki"
	"github.com/distbot/distbot/queue/hostqueue"
)

// HostConfig is a host's side of the door, as keys of builder.yaml. Paths must
// be absolute, or relative to the working directory.
type HostConfig struct {
	// Hub is the https URL of the hub's builders.listen.
	Hub string `yaml:"hub"`
	// CA, Certificate and Key are PEM files; Key has mode 0600.
	CA          string `yaml:"ca"`
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	// DatabasePassword is a file, mode 0600, with the password of the host's
	// PostgreSQL role.
	DatabasePassword string `yaml:"database_password"`
}

// Host is a host's side of the door. Its methods may be called by several
// goroutines at once.
type Host struct {
	config HostConfig
	hub    *url.URL
	tls    *tls.Config
}

// NewHost checks the configuration and reads the files once, so that mistakes
// are told at once: a key that others may read is a *pki.ModeError. It connects
// to nobody.
func NewHost(config HostConfig) (*Host, error) {
	hub, err := url.Parse(config.Hub)
	if err != nil || hub.Scheme != "https" || hub.Hostname() == "" {
		return nil, fmt.Errorf("hostdoor: read configuration: hub: %q is no https URL", config.Hub)
	}
	files := pki.ClientFiles{CA: config.CA, Certificate: config.Certificate, Key: config.Key}
	tlsConfig, err := files.TLS()
	if err != nil {
		return nil, fmt.Errorf("hostdoor: read configuration: %w", err)
	}
	if _, err := pki.ReadSecret(config.DatabasePassword); err != nil {
		return nil, fmt.Errorf("hostdoor: read configuration: %w", err)
	}
	tlsConfig.ServerName = hub.Hostname()
	return &Host{config: config, hub: hub, tls: tlsConfig}, nil
}

// Transport makes HTTPS requests to the hub, by HTTP/1.1, the hub's only one.
func (h *Host) Transport() *http.Transport {
	return &http.Transport{
		TLSClientConfig:     h.tls.Clone(),
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: time.Minute, IdleConnTimeout: time.Minute,
	}
}

// Postgres opens a pool of connections through the tunnel, as the host's role in
// the hosts' database. It connects when it is first used.
func (h *Host) Postgres(ctx context.Context) (*pgxpool.Pool, error) {
	// The hub puts the host's role and database in place of these.
	config, err := pgxpool.ParseConfig("postgres://host@hub/builders?sslmode=disable")
	if err != nil {
		return nil, fmt.Errorf("hostdoor: open pool: %w", err)
	}
	// The environment's PG… variables are about other servers.
	address := h.address()
	config.ConnConfig.Host, config.ConnConfig.Fallbacks = h.hub.Hostname(), nil
	config.ConnConfig.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	config.ConnConfig.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return h.dialTunnel(ctx, address) }
	config.ConnConfig.RuntimeParams = map[string]string{"application_name": "distbot-builder"}
	config.ConnConfig.ConnectTimeout = 15 * time.Second
	// River listens on one besides.
	config.MaxConns = hostqueue.MaxConnections - 2
	config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		password, err := pki.ReadSecret(h.config.DatabasePassword)
		if err != nil {
			return err
		}
		c.Password = strings.TrimSpace(string(password))
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("hostdoor: open pool: %w", err)
	}
	return pool, nil
}

func (h *Host) address() string {
	port := h.hub.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(h.hub.Hostname(), port)
}

// dialTunnel connects to the hub for PostgreSQL.
func (h *Host) dialTunnel(ctx context.Context, address string) (net.Conn, error) {
	config := h.tls.Clone()
	config.NextProtos = []string{ProtocolPostgres}
	dialer := &tls.Dialer{NetDialer: &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}}, Config: config}
	return dialer.DialContext(ctx, "tcp", address)
}

// Check connects and returns nil if the hub knows this host's certificate. After
// an error of HTTP it tells, by Refused, whether the certificate was the reason.
func (h *Host) Check(ctx context.Context) error {
	conn, err := h.dialTunnel(ctx, h.address())
	if err != nil {
		return fmt.Errorf("hostdoor: connect to the hub: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	// With TLS 1.3 a client learns that it was refused when it reads. Who is not
	// refused gets an answer to the question for encryption: no, it is there.
	switch err := askForTLS(conn); {
	case errors.Is(err, errNoTLS):
		return nil
	case errors.Is(err, errNoAnswer):
		return fmt.Errorf("hostdoor: ask the hub: %w", ErrNoCredential)
	default:
		return fmt.Errorf("hostdoor: ask the hub: %w", err)
	}
}

// WrongPassword reports whether an error of a connection to PostgreSQL says that
// it does not take the password of this host's role.
func WrongPassword(err error) bool {
	const invalidPassword = "28P01" // invalid_password
	var told *pgconn.PgError
	return errors.As(err, &told) && told.Code == invalidPassword
}

// Refused reports whether an error of Check, or of a connection to PostgreSQL,
// says that the hub does not know this host's certificate: it was revoked, has
// ended, or is of another hub. Trying again does not help then; enrolling does.
func Refused(err error) bool {
	var told *pgconn.PgError
	if errors.Is(err, ErrNoCredential) || errors.As(err, &told) && told.Code == codeUnknown && strings.HasPrefix(told.Message, refusalPrefix) {
		return true
	}
	var remote *net.OpError
	if !errors.As(err, &remote) || remote.Op != "remote error" {
		return false
	}
	// crypto/tls has no type for a received alert.
	for _, alert := range []string{"bad certificate", "unknown certificate authority", "expired certificate", "revoked certificate"} {
		if strings.Contains(remote.Err.Error(), alert) {
			return true
		}
	}
	return false
}
