package hostdoor_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/queue/hostdoor"
)

// connected is a host with an HTTP request that waits and a session of
// PostgreSQL. The channels say how they end.
type connected struct {
	host   *hostdoor.Host
	client *http.Client
	pool   *pgxpool.Pool
	http   chan error
	tunnel chan error
}

func (h *hub) connect(t *testing.T, host *hostdoor.Host) connected {
	t.Helper()
	c := connected{host: host, client: client(t, host), pool: postgres(t, host), http: make(chan error, 1), tunnel: make(chan error, 1)}
	response, err := c.client.Get("https://" + h.addr + "/stay") //nolint:bodyclose // closed by the one who reads it
	if err != nil {
		t.Fatal(err)
	}
	conn, err := c.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "listen nothing"); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer response.Body.Close()
		_, err := response.Body.Read(make([]byte, 1))
		c.http <- err
	}()
	go func() {
		defer conn.Release()
		_, err := conn.Conn().WaitForNotification(t.Context())
		c.tunnel <- err
	}()
	return c
}

// ends waits until both connections have ended.
func (c connected) ends(t *testing.T) {
	t.Helper()
	if err := receive(t, "the end of the HTTP connection", c.http); err == nil {
		t.Error("the HTTP connection said something")
	}
	if err := receive(t, "the end of the tunnel", c.tunnel); err == nil {
		t.Error("the tunnel said something")
	}
}

// refused checks that the host gets in no more.
func (h *hub) refused(t *testing.T, c connected) {
	t.Helper()
	if status, body, err := h.who(c.client); err == nil && status != http.StatusForbidden {
		t.Errorf("HTTP: %d %q, want a refusal", status, body)
	}
	if err := c.host.Check(t.Context()); !hostdoor.Refused(err) {
		t.Errorf("Check() = %v, want a refusal of the certificate", err)
	}
	if err := c.pool.Ping(t.Context()); !hostdoor.Refused(err) {
		t.Errorf("PostgreSQL: %v, want a refusal of the certificate", err)
	}
}

func TestRevocation(t *testing.T) {
	t.Parallel()
	h := setup(t)

	t.Run("Ends a host's connections within a second, and no other's", func(t *testing.T) {
		t.Parallel()
		lost, kept := h.connect(t, h.enroll(t, "lost")), h.connect(t, h.enroll(t, "kept"))
		start := time.Now()
		if _, err := h.desk.Revoke(t.Context(), "lost", "test", "stolen"); err != nil {
			t.Fatal(err)
		}
		lost.ends(t)
		within(t, "the end of both connections", start, revokedWithin)
		h.refused(t, lost)
		if err := kept.pool.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if status, _, err := h.who(kept.client); err != nil || status != http.StatusOK {
			t.Errorf("the other host: %d, %v", status, err)
		}
		select {
		case err := <-kept.http:
			t.Errorf("the other host's request ended: %v", err)
		case err := <-kept.tunnel:
			t.Errorf("the other host's tunnel ended: %v", err)
		default:
		}
	})

	t.Run("That nobody announced ends them soon", func(t *testing.T) {
		t.Parallel()
		c := h.connect(t, h.enroll(t, "quiet"))
		_, err := h.pool.Exec(t.Context(), `update host_credentials set revoked_at = now(), revoked_by = 'test', revoke_reason = ''
			where host_id = (select id from hosts where name = 'quiet')`)
		if err != nil {
			t.Fatal(err)
		}
		c.ends(t)
		h.refused(t, c)
	})

	t.Run("Counts for the next request of an open connection", func(t *testing.T) {
		t.Parallel()
		c := client(t, h.enroll(t, "busy"))
		if status, _, err := h.who(c); err != nil || status != http.StatusOK {
			t.Fatalf("%d, %v", status, err)
		}
		_, err := h.pool.Exec(t.Context(), `update host_credentials set not_after = now()
			where host_id = (select id from hosts where name = 'busy')`)
		if err != nil {
			t.Fatal(err)
		}
		// The connection is still open, or was closed just now.
		if status, body, err := h.who(c); err == nil && status != http.StatusForbidden {
			t.Errorf("%d %q, want 403", status, body)
		}
	})

	t.Run("A host that enrolls again gets in again", func(t *testing.T) {
		t.Parallel()
		h.enroll(t, "back")
		if _, err := h.desk.Revoke(t.Context(), "back", "test", "lost"); err != nil {
			t.Fatal(err)
		}
		host := h.enroll(t, "back")
		if status, _, err := h.who(client(t, host)); err != nil || status != http.StatusOK {
			t.Errorf("HTTP: %d, %v", status, err)
		}
		if err := postgres(t, host).Ping(t.Context()); err != nil {
			t.Errorf("PostgreSQL: %v", err)
		}
	})
}
