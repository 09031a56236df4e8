package hostdoor_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/pki"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/hostdoor"
	"github.com/distbot/distbot/queue/hostqueue"
)

// postgres opens a host's pool through the tunnel.
func postgres(t *testing.T, host *hostdoor.Host) *pgxpool.Pool {
	t.Helper()
	pool, err := host.Postgres(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// work runs a host's worker on a pool until the test ends.
func work(t *testing.T, pool *pgxpool.Pool, work func(context.Context, hostqueue.Task) error) *hostqueue.Worker {
	t.Helper()
	worker, err := hostqueue.NewWorker(t.Context(), hostqueue.WorkerConfig{
		Pool: pool, ClientID: "host", Capacity: 2, Work: work,
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := worker.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return worker
}

// dialTunnel connects for PostgreSQL without any client of it.
func (h *hub) dialTunnel(t *testing.T, config hostdoor.HostConfig) net.Conn {
	t.Helper()
	files := pki.ClientFiles{CA: config.CA, Certificate: config.Certificate, Key: config.Key}
	tlsConfig, err := files.TLS()
	if err != nil {
		t.Fatal(err)
	}
	tlsConfig.NextProtos = []string{hostdoor.ProtocolPostgres}
	conn, err := tls.Dial("tcp", h.addr, tlsConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// began is a connection whose client's first message is replaced.
type began struct {
	net.Conn
	startup []byte
}

// Write implements net.Conn.
func (c *began) Write(b []byte) (int, error) {
	first := c.startup
	if first == nil {
		return c.Conn.Write(b)
	}
	c.startup = nil
	_, err := c.Conn.Write(first)
	return len(b), err
}

// ask logs in with a startup message of these parameters and a host's password,
// and returns the first column of the answer to a query, or the refusal.
func ask(t *testing.T, conn net.Conn, host hostdoor.HostConfig, parameters map[string]string, sql string) string {
	t.Helper()
	config, err := pgconn.ParseConfig("postgres://host@127.0.0.1/builders?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	config.Password = password(t, host)
	startup := encode(t, &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: parameters})
	config.DialFunc = func(context.Context, string, string) (net.Conn, error) { return &began{conn, startup}, nil }
	session, err := pgconn.ConnectConfig(t.Context(), config)
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code + " " + refused.Message
	}
	if err != nil {
		t.Fatal(err)
	}
	// The session stays until the test ends.
	results, err := session.Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return string(results[0].Rows[0][0])
}

// password is that of a host's role.
func password(t *testing.T, host hostdoor.HostConfig) string {
	t.Helper()
	text, err := os.ReadFile(host.DatabasePassword)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func TestTunnel(t *testing.T) {
	t.Parallel()
	h := setup(t)

	t.Run("A worker works through it, and sees a cancellation within a second", func(t *testing.T) {
		t.Parallel()
		began, canceled := make(chan hostqueue.Task, 1), make(chan bool, 1)
		worker := work(t, postgres(t, h.enroll(t, "worker")), func(ctx context.Context, task hostqueue.Task) error {
			began <- task
			<-ctx.Done()
			canceled <- queue.Canceled(ctx)
			return ctx.Err()
		})
		want := hostqueue.Task{ID: 3, Attempt: 2}
		if err := h.queue.Deliver(t.Context(), hostqueue.Delivery{HostID: worker.HostID(), Task: want}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, receive(t, "the task", began)); diff != "" {
			t.Errorf("task (-want +got):\n%s", diff)
		}
		start := time.Now()
		if found, err := h.queue.Cancel(t.Context(), worker.HostID(), want); err != nil || !found {
			t.Fatalf("Cancel() = %v, %v", found, err)
		}
		if !receive(t, "the cancellation", canceled) {
			t.Error("the task's context ended for another reason")
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("it took %v, want at most a second", took)
		}
	})

	t.Run("Whatever a host asks for, it gets its own role and database", func(t *testing.T) {
		t.Parallel()
		config := h.config(t, "asking")
		var id int64
		if err := h.pool.QueryRow(t.Context(), "select id from hosts where name = 'asking'").Scan(&id); err != nil {
			t.Fatal(err)
		}
		for name, parameters := range map[string]map[string]string{
			"the hub's":      {"user": "distbot", "database": h.queue.Hub},
			"another host's": {"user": h.queue.Role(id + 1), "database": "postgres"},
			"none":           {},
			"settings":       {"user": "distbot", "options": "-c search_path=pg_catalog -c row_security=off", "search_path": "pg_catalog", "replication": "database"},
		} {
			got := ask(t, h.dialTunnel(t, config), config, parameters, "select concat_ws(' ', session_user, current_database(), current_setting('search_path'))")
			if want := h.queue.Role(id) + " " + h.queue.Database + " public"; got != want {
				t.Errorf("asking for %s: the session is %q, want %q", name, got, want)
			}
		}
	})

	t.Run("Encryption is refused, for it is there, and the session goes on", func(t *testing.T) {
		t.Parallel()
		config := h.config(t, "doubting")
		conn := h.dialTunnel(t, config)
		for _, request := range []pgproto3.FrontendMessage{&pgproto3.SSLRequest{}, &pgproto3.GSSEncRequest{}} {
			if _, err := conn.Write(encode(t, request)); err != nil {
				t.Fatal(err)
			}
			answer := make([]byte, 1)
			if _, err := io.ReadFull(conn, answer); err != nil || answer[0] != 'N' {
				t.Fatalf("%T: answer %q, %v, want N", request, answer, err)
			}
		}
		if got := ask(t, conn, config, map[string]string{"user": "a"}, "select 'here'"); got != "here" {
			t.Errorf("answer %q", got)
		}
	})

	t.Run("What is no startup message is refused", func(t *testing.T) {
		t.Parallel()
		config := h.config(t, "hostile")
		for name, test := range map[string]struct {
			sent []byte
			want string
		}{
			"a length that is too large":      {[]byte{0x7f, 0, 0, 0}, "length"},
			"a length that is too small":      {[]byte{0, 0, 0, 4}, "length"},
			"protocol 2":                      {[]byte{0, 0, 0, 9, 0, 2, 0, 0, 0}, "protocol 3"},
			"HTTP":                            {[]byte("GET / HTTP/1.1\r\n\r\n"), "length"},
			"a name without a value":          {append([]byte{0, 0, 0, 13, 0, 3, 0, 0}, "user\x00"...), "parameters"},
			"parameters without an end":       {append([]byte{0, 0, 0, 12, 0, 3, 0, 0}, "user"...), "parameters"},
			"parameters and something behind": {append([]byte{0, 0, 0, 11, 0, 3, 0, 0}, "\x00ab"...), "parameters"},
		} {
			conn := h.dialTunnel(t, config)
			if _, err := conn.Write(test.sent); err != nil {
				t.Fatal(err)
			}
			message, err := pgproto3.NewFrontend(conn, conn).Receive()
			refusal, ok := message.(*pgproto3.ErrorResponse)
			if err != nil || !ok || refusal.Severity != "FATAL" || !strings.Contains(refusal.Message, test.want) {
				t.Errorf("%s: answer %+v, %v, want a FATAL error about the %s", name, message, err, test.want)
			}
		}
	})

	t.Run("A cancel request is not passed on", func(t *testing.T) {
		t.Parallel()
		conn := h.dialTunnel(t, h.config(t, "canceling"))
		if _, err := conn.Write(encode(t, &pgproto3.CancelRequest{ProcessID: 1, SecretKey: []byte{1, 2, 3, 4}})); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("%d bytes, %v, want the end", n, err)
		}
	})

	t.Run("A host has a few connections", func(t *testing.T) {
		t.Parallel()
		config := h.config(t, "greedy")
		for range hostqueue.MaxConnections {
			if got := ask(t, h.dialTunnel(t, config), config, map[string]string{}, "select 'here'"); got != "here" {
				t.Fatalf("answer %q", got)
			}
		}
		const tooMany = "53300"
		if got := ask(t, h.dialTunnel(t, config), config, map[string]string{}, "select 'here'"); !strings.HasPrefix(got, tooMany+" distbot:") {
			t.Errorf("answer %q, want the hub's %s", got, tooMany)
		}
	})

	t.Run("A certificate alone does not do: the password counts", func(t *testing.T) {
		t.Parallel()
		config := h.config(t, "guessing")
		if err := os.WriteFile(config.DatabasePassword, []byte("wrong"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := postgres(t, newHost(t, config)).Ping(t.Context())
		if !hostdoor.WrongPassword(err) || hostdoor.Refused(err) {
			t.Errorf("error %v, want that the password is wrong and nothing else", err)
		}
	})

	t.Run("Large answers come whole", func(t *testing.T) {
		t.Parallel()
		var text string
		err := postgres(t, h.enroll(t, "large")).QueryRow(t.Context(), "select repeat('0123456789', 300000)").Scan(&text)
		if err != nil || text != strings.Repeat("0123456789", 300000) {
			t.Errorf("%d bytes, %v, want 3000000", len(text), err)
		}
	})

	t.Run("Errors of PostgreSQL come as they are", func(t *testing.T) {
		t.Parallel()
		_, err := postgres(t, h.enroll(t, "mistaken")).Exec(t.Context(), "delete from river_job")
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "42501" {
			t.Errorf("error %v, want SQLSTATE 42501", err)
		}
	})
}

func encode(t *testing.T, message pgproto3.FrontendMessage) []byte {
	t.Helper()
	text, err := message.Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
