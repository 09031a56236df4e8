package dbtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/pglocal"
	"github.com/distbot/distbot/migrations"
)

// processEnv makes the test binary another test process (see TestMain): its
// value is the server's directory.
const processEnv = "DBTEST_TEST_PROCESS"

// TestMain lets the test binary be run as another test process: it makes one
// database, prints its name, and waits to be killed.
func TestMain(m *testing.M) {
	dir, ok := os.LookupEnv(processEnv)
	if !ok {
		os.Exit(m.Run())
	}
	s, err := open(context.Background(), testOptions(dir))
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	name, err := s.create(context.Background())
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println(name)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func testOptions(dir string) options {
	return options{
		postgres: pglocal.Config{Dir: dir},
		schema:   "test schema",
		migrate:  migrateTo("create table item (name text); insert into item values ('from the template')"),
	}
}

func migrateTo(sql string) func(context.Context, string) error {
	return func(ctx context.Context, url string) error {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, sql)
		return errors.Join(err, conn.Close(ctx))
	}
}

// tempDir is t.TempDir() for a server that, when the tests run as root, has
// another account.
func tempDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "postgres")
}

// mustOpen opens the server as if by a process of its own.
func mustOpen(t *testing.T, opt options) *server {
	t.Helper()
	s, err := open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// databases lists this package's databases on the server.
func databases(t *testing.T, s *server) []string {
	t.Helper()
	rows, err := s.pool.Query(t.Context(), "select datname from pg_database where datname ~ $1 order by 1", ours.String())
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestNew(t *testing.T) {
	t.Parallel()

	t.Run("ADatabaseHasTheCurrentSchema", func(t *testing.T) {
		t.Parallel()
		all, err := migrations.All()
		if err != nil {
			t.Fatal(err)
		}
		var applied int
		if err := New(t).QueryRow(t.Context(), "select count(*) from schema_migrations").Scan(&applied); err != nil {
			t.Fatal(err)
		}
		if applied != len(all) || applied == 0 {
			t.Errorf("%d migrations are applied, want %d", applied, len(all))
		}
	})

	t.Run("TestsDoNotSeeOneAnother", func(t *testing.T) {
		t.Parallel()
		first, second := New(t), New(t)
		if _, err := first.Exec(t.Context(), "create table only_in_first ()"); err != nil {
			t.Fatal(err)
		}
		var seen bool
		if err := second.QueryRow(t.Context(), "select to_regclass('only_in_first') is not null").Scan(&seen); err != nil {
			t.Fatal(err)
		}
		if seen {
			t.Error("a table of one test's database is in the other's")
		}
	})

	t.Run("ADatabaseEndsWithItsTest", func(t *testing.T) {
		t.Parallel()
		s, err := ofProcess()
		if err != nil {
			t.Fatal(err)
		}
		var url string
		t.Run("uses it", func(t *testing.T) {
			url = NewURL(t)
			conn, err := pgx.Connect(t.Context(), url) // Left open: it is cut.
			if err != nil {
				t.Fatal(err)
			}
			if err := conn.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
		name := strings.TrimPrefix(strings.SplitN(url, "?", 2)[0], "postgres://distbot@/")
		for _, left := range databases(t, s) {
			if left == name {
				t.Errorf("database %s is left behind", name)
			}
		}
	})

	t.Run("WhatATestMadeBesideItsDatabaseEndsWithIt", func(t *testing.T) {
		t.Parallel()
		s, err := ofProcess()
		if err != nil {
			t.Fatal(err)
		}
		var name string
		t.Run("makes hosts", func(t *testing.T) {
			pool := New(t)
			name = pool.Config().ConnConfig.Database
			for _, statement := range []string{"create database %s_builders", "create role %s_hosts", "create role %s_host_1 in role %[1]s_hosts"} {
				if _, err := pool.Exec(t.Context(), fmt.Sprintf(statement, name)); err != nil {
					t.Fatal(err)
				}
			}
		})
		var left int
		row := s.pool.QueryRow(t.Context(), "select (select count(*) from pg_database where starts_with(datname, $1)) + (select count(*) from pg_roles where starts_with(rolname, $1))", name+"_")
		if err := row.Scan(&left); err != nil {
			t.Fatal(err)
		}
		if left != 0 {
			t.Errorf("%d databases and roles of %s are left behind", left, name)
		}
	})

	t.Run("ManyAtOnceAreAllDifferent", func(t *testing.T) {
		t.Parallel()
		const n = 16
		urls := make(chan string, n)
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() { urls <- NewURL(t) })
		}
		wg.Wait()
		close(urls)
		seen := map[string]bool{}
		for url := range urls {
			seen[url] = true
		}
		if len(seen) != n {
			t.Errorf("%d different databases, want %d", len(seen), n)
		}
	})
}

func TestOpen(t *testing.T) {
	t.Parallel()

	t.Run("WhatAKilledProcessLeftIsRemovedAndNothingElse", func(t *testing.T) {
		t.Parallel()
		dir := tempDir(t)
		first := mustOpen(t, testOptions(dir))
		inUse, err := first.create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		leftover := killedProcess(t, dir)
		template := first.templateName()
		if diff := cmp.Diff(sorted(template, inUse, leftover), databases(t, first)); diff != "" {
			t.Fatalf("databases after the kill (-want +got):\n%s", diff)
		}
		// The lock of the killed process ends when its backend notices.
		awaitFree(t, first, leftover)
		second := mustOpen(t, testOptions(dir))
		if diff := cmp.Diff(sorted(template, inUse), databases(t, second)); diff != "" {
			t.Errorf("databases after the next start (-want +got):\n%s", diff)
		}
	})

	t.Run("AnotherSchemaGetsAnotherTemplate", func(t *testing.T) {
		t.Parallel()
		dir := tempDir(t)
		first := mustOpen(t, testOptions(dir))
		changed := testOptions(dir)
		changed.schema, changed.migrate = "changed", migrateTo("create table item (name text, size int)")
		second := mustOpen(t, changed)
		if diff := cmp.Diff(sorted(first.templateName(), second.templateName()), databases(t, first)); diff != "" {
			t.Errorf("both templates are in use (-want +got):\n%s", diff)
		}
		if err := first.owner.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		awaitFree(t, second, first.templateName())
		third := mustOpen(t, changed)
		if diff := cmp.Diff(sorted(second.templateName()), databases(t, third)); diff != "" {
			t.Errorf("the first template is not in use any more (-want +got):\n%s", diff)
		}
	})

	t.Run("AHalfMadeTemplateIsMadeAnew", func(t *testing.T) {
		t.Parallel()
		dir := tempDir(t)
		broken := testOptions(dir)
		cause := errors.New("the machine caught fire")
		broken.migrate = func(ctx context.Context, url string) error {
			return errors.Join(migrateTo("create table half ()")(ctx, url), cause)
		}
		if _, err := open(t.Context(), broken); !errors.Is(err, cause) {
			t.Fatalf("open() = %v, want %v", err, cause)
		}
		s := mustOpen(t, testOptions(dir))
		conn, err := pgx.Connect(t.Context(), s.newURL(t))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		var got string
		if err := conn.QueryRow(t.Context(), "select name from item where to_regclass('half') is null").Scan(&got); err != nil {
			t.Fatal(err)
		}
		if want := "from the template"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})

	t.Run("EightProcessesAtOnceShareOneServerAndOneTemplate", func(t *testing.T) {
		t.Parallel()
		dir := tempDir(t)
		var migrated sync.Map
		opt := testOptions(dir)
		migrate := opt.migrate
		opt.migrate = func(ctx context.Context, url string) error {
			if _, again := migrated.LoadOrStore(url, true); again {
				t.Errorf("%s is migrated twice", url)
			}
			return migrate(ctx, url)
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				s, err := open(t.Context(), opt)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := s.create(t.Context()); err != nil {
					t.Error(err)
				}
				if err := s.close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})

	t.Run("WithoutPostgresSaysWhatToDo", func(t *testing.T) {
		t.Parallel()
		opt := testOptions(tempDir(t))
		opt.postgres.BinDir = t.TempDir()
		_, err := open(t.Context(), opt)
		if !errors.Is(err, pglocal.ErrNoPostgres) || !strings.Contains(err.Error(), "scripts/setup") {
			t.Errorf("open() = %v, want ErrNoPostgres and a text that names scripts/setup", err)
		}
	})
}

// killedProcess runs another test process that makes a database, kills it, and
// returns the database's name.
func killedProcess(t *testing.T, dir string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), processEnv+"="+dir)
	if _, err := cmd.StdinPipe(); err != nil { // Open until the kill.
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	name := strings.TrimSpace(line)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // It says "killed".
	if _, _, ok := parseName(name); err != nil || !ok {
		t.Fatalf("the other process answered %q, %v", line, err)
	}
	return name
}

// awaitFree waits until nobody holds the lock of a database.
func awaitFree(t *testing.T, s *server, database string) {
	t.Helper()
	class, n, _ := parseName(database)
	if _, err := s.pool.Exec(t.Context(), "select pg_advisory_xact_lock($1, $2)", class, n); err != nil {
		t.Fatal(err)
	}
}

func sorted(names ...string) []string {
	slices.Sort(names)
	return names
}

// BenchmarkNewURL is what each test pays: one database made and dropped.
func BenchmarkNewURL(b *testing.B) {
	s, err := ofProcess()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		name, err := s.create(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if err := s.drop(b.Context(), name); err != nil {
			b.Fatal(err)
		}
	}
}
