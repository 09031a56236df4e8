// Package dbtest gives each test a PostgreSQL database of its own with the
// current schema.
//
// It knows how to share one server among all test processes of a machine and
// how to copy databases quickly. It refuses to know what is in them. Nothing but
// tests may import it.
//
// The first test process starts a server (see package pglocal) in a directory
// below os.TempDir() and makes a template database by running the migrations;
// its name carries their hash. Later processes find both. The server stops when
// the last test process ends; the directory stays, so that the next run starts
// in a tenth of a second. Without PostgreSQL the tests fail; they are never
// skipped.
//
// Database names carry a number, and whoever uses a database holds an advisory
// lock on that number, which ends with its process. What a killed test process
// left behind is recognised by its number being free, and is removed by the next
// process that starts.
package dbtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/pglocal"
	"github.com/distbot/distbot/migrations"
)

const (
	// openTimeout bounds the start of the server and the making of the template.
	openTimeout = 2 * time.Minute
	// statementTimeout bounds making and dropping one database.
	statementTimeout = time.Minute
)

// ofProcess is the one server of this process. Test processes have no end that
// a package could hook into, nor a place that would own the server, hence the
// package variable; the end of the process releases everything.
var ofProcess = sync.OnceValues(func() (*server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	major, err := pglocal.Version(ctx)
	if err != nil {
		return nil, err
	}
	dir := fmt.Sprintf("distbot-test-postgres-%d-%d-scram", major, os.Geteuid())
	return open(ctx, options{
		postgres: pglocal.Config{Dir: filepath.Join(os.TempDir(), dir), MaxConnections: 1000},
		migrate:  migrations.Up,
		schema:   migrations.Hash(),
	})
})

// New returns a pool on a new database with the current schema. Pool and
// database end with the test, which must have returned all connections by then.
// It may be called by tests that run in parallel.
func New(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(context.Background(), NewURL(t))
	if err != nil {
		t.Fatalf("dbtest: open pool: %v", err)
	}
	t.Cleanup(func() {
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			pool.Close() // Waits for connections that are in use.
		}()
		select {
		case <-closed:
		case <-time.After(10 * time.Second):
			t.Errorf("dbtest: close pool: %d connections are still in use 10 s after the end of the test "+
				"(rows not closed, a goroutine still running?)", pool.Stat().AcquiredConns())
		}
	})
	return pool
}

// Migrate gives a database the current schema that the test made itself, on a
// server of its own.
func Migrate(t testing.TB, url string) {
	t.Helper()
	if err := migrations.Up(t.Context(), url); err != nil {
		t.Fatalf("dbtest: %v", err)
	}
}

// NewURL returns the connection string of a new database with the current
// schema, for tests whose subject opens its own connections. The database is
// dropped, and its connections are cut, when the test ends; so are the database
// and the roles of build hosts that the test made beside it. It may be called by
// tests that run in parallel.
func NewURL(t testing.TB) string {
	t.Helper()
	s, err := ofProcess()
	if err != nil {
		t.Fatalf("dbtest: no test database (is PostgreSQL installed? run scripts/setup): %v", err)
	}
	return s.newURL(t)
}

func (s *server) newURL(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), statementTimeout)
	defer cancel()
	name, err := s.create(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), statementTimeout)
		defer cancel()
		if err := errors.Join(s.drop(ctx, name), s.dropBeside(ctx, name)); err != nil {
			t.Error(err)
		}
	})
	return s.postgres.DatabaseURL(name)
}
