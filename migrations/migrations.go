// Package migrations brings a database to the schema this program expects.
//
// It knows River's own migrations and the numbered SQL files beside it, and
// nothing of what the tables mean. River's come first, then ours, each in a
// transaction of its own, all under one advisory lock, so that any number of
// processes may start at once.
package migrations

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed *.sql
var files embed.FS

// lockKey is the advisory lock that orders migrating processes.
const lockKey = 0x64697374626f74 // "distbot"

// Migration is one numbered file.
type Migration struct {
	Version int
	Name    string
	SQL     string
}

// digest pins the text of an applied migration.
func (m Migration) digest() string {
	sum := sha256.Sum256([]byte(m.SQL))
	return hex.EncodeToString(sum[:])
}

// ChangedError says that a migration was edited after it had been applied.
// The database was made by another version of this program; a new file must
// carry the change instead.
type ChangedError struct {
	Migration Migration
	Applied   string
}

// Error implements error.
func (e *ChangedError) Error() string {
	return fmt.Sprintf("migrations: %s was changed after it had been applied (database has %.12s, this program %.12s)",
		e.Migration.Name, e.Applied, e.Migration.digest())
}

// TooNewError says that the database has migrations this program has not.
type TooNewError struct{ Database, Program int }

// Error implements error.
func (e *TooNewError) Error() string {
	return fmt.Sprintf("migrations: the database is at version %d, this program knows %d: run a newer distbot", e.Database, e.Program)
}

// All returns our migrations in order.
func All() ([]Migration, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("migrations: list: %w", err)
	}
	all := make([]Migration, 0, len(names))
	for i, name := range names {
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 {
			return nil, fmt.Errorf("migrations: %s: want number %04d", name, i+1)
		}
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("migrations: read %s: %w", name, err)
		}
		all = append(all, Migration{Version: version, Name: name, SQL: string(text)})
	}
	return all, nil
}

// Hash identifies the schema: it changes with every change of any migration.
func Hash() string {
	sum := sha256.New()
	names, _ := fs.Glob(files, "*.sql")
	for _, name := range names {
		text, _ := files.ReadFile(name)
		fmt.Fprintf(sum, "%s %d\n", name, len(text))
		sum.Write(text)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

// Made reports whether the database at url has a schema of this program, of
// whatever version. Where it does not, Up would make one.
func Made(ctx context.Context, url string) (made bool, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return false, fmt.Errorf("migrations: connect: %w", err)
	}
	// The connection has nothing to lose.
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := conn.QueryRow(ctx, "select to_regclass('schema_migrations') is not null").Scan(&made); err != nil {
		return false, fmt.Errorf("migrations: look for schema_migrations: %w", err)
	}
	return made, nil
}

// Up applies what is missing in the database at url. It must run before any
// pool is opened that other code uses: changing a table under cached plans
// fails them. It returns *ChangedError or *TooNewError when database and
// program do not belong together.
func Up(ctx context.Context, url string) error {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("migrations: parse database url: %w", err)
	}
	config.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("migrations: connect: %w", err)
	}
	defer pool.Close()

	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("migrations: connect: %w", err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", lockKey); err != nil {
		return fmt.Errorf("migrations: lock: %w", err)
	}
	defer func() {
		// The lock also ends with the connection.
		_, _ = conn.Exec(context.WithoutCancel(ctx), "select pg_advisory_unlock($1)", lockKey)
	}()

	river, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return fmt.Errorf("migrations: river: %w", err)
	}
	if _, err := river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrations: river: %w", err)
	}
	return apply(ctx, conn.Conn())
}

// apply runs our migrations on a connection that holds the lock.
func apply(ctx context.Context, conn *pgx.Conn) error {
	const table = `create table if not exists schema_migrations (
		version integer primary key, name text not null, sha256 text not null,
		applied_at timestamptz not null default now())`
	if _, err := conn.Exec(ctx, table); err != nil {
		return fmt.Errorf("migrations: create schema_migrations: %w", err)
	}
	rows, err := conn.Query(ctx, "select version, sha256 from schema_migrations order by version")
	if err != nil {
		return fmt.Errorf("migrations: read schema_migrations: %w", err)
	}
	applied := map[int]string{}
	var version, newest int
	var digest string
	if _, err := pgx.ForEachRow(rows, []any{&version, &digest}, func() error {
		applied[version] = digest
		newest = max(newest, version)
		return nil
	}); err != nil {
		return fmt.Errorf("migrations: read schema_migrations: %w", err)
	}
	all, err := All()
	if err != nil {
		return err
	}
	if newest > len(all) {
		return &TooNewError{Database: newest, Program: len(all)}
	}
	for _, m := range all {
		if was, ok := applied[m.Version]; ok {
			if was != m.digest() {
				return &ChangedError{Migration: m, Applied: was}
			}
			continue
		}
		if err := applyOne(ctx, conn, m); err != nil {
			return err
		}
	}
	return nil
}

func applyOne(ctx context.Context, conn *pgx.Conn, m Migration) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, m.SQL); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "insert into schema_migrations (version, name, sha256) values ($1, $2, $3)",
			m.Version, m.Name, m.digest())
		return err
	})
	if err != nil {
		return fmt.Errorf("migrations: apply %s: %w", m.Name, err)
	}
	return nil
}
