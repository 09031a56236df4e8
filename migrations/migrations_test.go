package migrations_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/migrations"
)

// emptyDatabase returns a connection to a database without any table, and its
// connection string.
func emptyDatabase(t *testing.T) (*pgx.Conn, string) {
	t.Helper()
	url := dbtest.NewURL(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), "drop schema public cascade; create schema public"); err != nil {
		t.Fatal(err)
	}
	return conn, url
}

// schema describes every column, index and applied migration of a database.
func schema(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
		select 'column ' || table_name || '.' || column_name || ' ' || data_type || coalesce(' default ' || column_default, '')
		from information_schema.columns where table_schema = 'public'
		union all select 'index ' || indexdef from pg_indexes where schemaname = 'public'
		union all select 'migration ' || version || ' ' || name || ' ' || sha256 || ' ' || applied_at from schema_migrations
		union all select 'river ' || version || ' ' || created_at from river_migration
		order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func versions(t *testing.T, conn *pgx.Conn) []int {
	t.Helper()
	rows, err := conn.Query(t.Context(), "select version from schema_migrations order by version")
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func allVersions(t *testing.T) []int {
	t.Helper()
	all, err := migrations.All()
	if err != nil {
		t.Fatal(err)
	}
	var list []int
	for _, m := range all {
		list = append(list, m.Version)
	}
	return list
}

// upTo applies River's migrations and the first n of ours, as an older program
// has.
func upTo(t *testing.T, conn *pgx.Conn, url string, n int) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	river, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := river.Migrate(t.Context(), rivermigrate.DirectionUp, nil); err != nil {
		t.Fatal(err)
	}
	all, err := migrations.All()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `create table schema_migrations (
		version integer primary key, name text not null, sha256 text not null, applied_at timestamptz not null default now())`); err != nil {
		t.Fatal(err)
	}
	for _, m := range all[:n] {
		if _, err := conn.Exec(t.Context(), m.SQL); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(m.SQL))
		if _, err := conn.Exec(t.Context(), "insert into schema_migrations (version, name, sha256) values ($1, $2, $3)",
			m.Version, m.Name, hex.EncodeToString(sum[:])); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUp(t *testing.T) {
	t.Parallel()

	t.Run("makes the whole schema in an empty database", func(t *testing.T) {
		t.Parallel()
		conn, url := emptyDatabase(t)
		if made, err := migrations.Made(t.Context(), url); made || err != nil {
			t.Errorf("made %v, %v before it was", made, err)
		}
		if err := migrations.Up(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		if made, err := migrations.Made(t.Context(), url); !made || err != nil {
			t.Errorf("made %v, %v after it was", made, err)
		}
		if diff := cmp.Diff(allVersions(t), versions(t, conn)); diff != "" {
			t.Errorf("applied versions (-want +got):\n%s", diff)
		}
		for table, want := range map[string]int{
			// The event gives the first user, beside the installation itself, the permission admin.
			"events": 1, "user_perms": 1, "users": 2,
			"tasks": 0, "deliveries": 0, "tags": 0, "builds": 0, "repo_generations": 0, "reports": 0, "river_job": 0,
		} {
			var n int
			if err := conn.QueryRow(t.Context(), "select count(*) from "+table).Scan(&n); err != nil || n != want {
				t.Errorf("table %s: %d rows, %v; want %d", table, n, err, want)
			}
		}
	})

	t.Run("changes nothing the second time", func(t *testing.T) {
		t.Parallel()
		conn, url := emptyDatabase(t)
		if err := migrations.Up(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		first := schema(t, conn)
		if err := migrations.Up(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, schema(t, conn)); diff != "" {
			t.Errorf("schema after the second run (-first +second):\n%s", diff)
		}
	})

	t.Run("applies each migration once when four processes start at the same time", func(t *testing.T) {
		t.Parallel()
		conn, url := emptyDatabase(t)
		var starters errgroup.Group
		for range 4 {
			starters.Go(func() error { return migrations.Up(t.Context(), url) })
		}
		if err := starters.Wait(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(allVersions(t), versions(t, conn)); diff != "" {
			t.Errorf("applied versions (-want +got):\n%s", diff)
		}
	})

	t.Run("leaves the advisory lock free", func(t *testing.T) {
		t.Parallel()
		conn, url := emptyDatabase(t)
		if err := migrations.Up(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		var held int
		if err := conn.QueryRow(t.Context(), `select count(*) from pg_locks where locktype = 'advisory'
			and database = (select oid from pg_database where datname = current_database())`).Scan(&held); err != nil || held != 0 {
			t.Errorf("%d advisory locks are held, %v; want none", held, err)
		}
	})

	t.Run("refuses a database whose migration is not the one of this program", func(t *testing.T) {
		t.Parallel()
		conn, url := emptyDatabase(t)
		if err := migrations.Up(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "update schema_migrations set sha256 = repeat('0', 64) where version = 2"); err != nil {
			t.Fatal(err)
		}
		err := migrations.Up(t.Context(), url)
		var changed *migrations.ChangedError
		if !errors.As(err, &changed) {
			t.Fatalf("got error %v, want *ChangedError", err)
		}
		if changed.Migration.Version != 2 || !strings.Contains(err.Error(), changed.Migration.Name) {
			t.Errorf("error %q is about migration %d, want it to name migration 2", err, changed.Migration.Version)
		}
	})

	t.Run("refuses a database of a newer program", func(t *testing.T) {
		t.Parallel()
		conn, url := emptyDatabase(t)
		if err := migrations.Up(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "insert into schema_migrations (version, name, sha256) values (999, '0999_later.sql', 'x')"); err != nil {
			t.Fatal(err)
		}
		err := migrations.Up(t.Context(), url)
		var newer *migrations.TooNewError
		if !errors.As(err, &newer) {
			t.Fatalf("got error %v, want *TooNewError", err)
		}
		if newer.Database != 999 || newer.Program != len(allVersions(t)) {
			t.Errorf("got versions %d and %d, want 999 and %d", newer.Database, newer.Program, len(allVersions(t)))
		}
	})

	t.Run("applies only what an older database lacks", func(t *testing.T) {
		t.Parallel()
		conn, url := emptyDatabase(t)
		if err := migrations.Up(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "drop table reports; delete from schema_migrations where version = 7"); err != nil {
			t.Fatal(err)
		}
		if err := migrations.Up(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(allVersions(t), versions(t, conn)); diff != "" {
			t.Errorf("applied versions (-want +got):\n%s", diff)
		}
		if _, err := conn.Exec(t.Context(), "select from reports"); err != nil {
			t.Errorf("the last migration was not applied again: %v", err)
		}
	})

	t.Run("says which database it could not reach and keeps the password to itself", func(t *testing.T) {
		t.Parallel()
		err := migrations.Up(t.Context(), "postgres://distbot:sesame@127.0.0.1:1/distbot?connect_timeout=2")
		if err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("got error %v, want one without the password", err)
		}
	})
}

func TestAll(t *testing.T) {
	t.Parallel()

	t.Run("numbers the files from 1 without gaps", func(t *testing.T) {
		t.Parallel()
		for i, version := range allVersions(t) {
			if version != i+1 {
				t.Errorf("migration %d has version %d", i+1, version)
			}
		}
	})
}
