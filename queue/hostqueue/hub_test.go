package hostqueue

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/dbtest"
)

// patience bounds every wait of a test.
const patience = 20 * time.Second

// system is a hub's database, the hosts' beside it, and roles.
type system struct {
	url string
	hub *Hub
	// conn is connected to the hub's database as the hub.
	conn *pgxpool.Pool
}

func setup(t *testing.T) *system {
	t.Helper()
	s := &system{url: dbtest.NewURL(t)}
	s.hub = s.open(t, "hub")
	var err error
	if s.conn, err = pgxpool.New(t.Context(), s.url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.conn.Close)
	return s
}

// open opens the hub's side as one more hub.
func (s *system) open(t *testing.T, clientID string) *Hub {
	t.Helper()
	hub, err := OpenHub(t.Context(), HubConfig{URL: s.url, ClientID: clientID, Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := hub.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return hub
}

// role makes the role of a host.
func (s *system) role(t *testing.T, hostID int64) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), s.conn, func(tx pgx.Tx) error { return s.hub.SetRole(t.Context(), tx, hostID, "secret") })
	if err != nil {
		t.Fatal(err)
	}
}

// as is the URL of a database for a host's role.
func (s *system) as(t *testing.T, hostID int64, database string) string {
	t.Helper()
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	u.User, u.Path = url.UserPassword(s.hub.Role(hostID), "secret"), "/"+database
	return u.String()
}

// pool connects as a host.
func (s *system) pool(t *testing.T, hostID int64) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), s.as(t, hostID, s.hub.Database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// work runs a host's worker until the test ends.
func (s *system) work(t *testing.T, hostID int64, work func(context.Context, Task) error) *Worker {
	t.Helper()
	worker, err := NewWorker(t.Context(), WorkerConfig{
		Pool: s.pool(t, hostID), ClientID: fmt.Sprintf("host-%d", hostID), Capacity: 4, Work: work, Logger: testLogger(t),
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

// states are those of a host's jobs, in their order.
func (s *system) states(t *testing.T, hostID int64) []string {
	t.Helper()
	rows, err := s.hub.pool.Query(t.Context(), "select state::text from river_job where queue = $1 order by id", Queue(hostID))
	if err != nil {
		t.Fatal(err)
	}
	states, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return states
}

// await waits until what is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-deadline:
			t.Fatalf("%s: not so after %v", what, patience)
		case <-tick.C:
		}
	}
}

// received waits for something on a channel.
func received[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: did not come in %v", what, patience)
		panic("unreachable")
	}
}

func testLogger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}
