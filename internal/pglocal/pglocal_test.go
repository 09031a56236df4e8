package pglocal

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// start starts a server that is stopped at the end of the test.
func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// tempDir is t.TempDir() for a server that, when the tests run as root, has
// another account: a temporary directory lets only its owner pass.
func tempDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// query runs one statement on a connection of its own and returns its one value.
func query(t *testing.T, s *Server, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatalf("connect to %s: %v", s.URL(), err)
	}
	defer conn.Close(t.Context())
	var got string
	if err := conn.QueryRow(t.Context(), sql).Scan(&got); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return got
}

func execute(t *testing.T, s *Server, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatalf("connect to %s: %v", s.URL(), err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func postmasterPid(t *testing.T, dir string) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// eventually waits until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("still not after a minute: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// isRunning says whether a postmaster's lock file exists.
func isRunning(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "data", "postmaster.pid"))
	return err == nil
}

func TestStart(t *testing.T) {
	t.Parallel()

	t.Run("MakesAClusterThatKeepsItsDataOverARestart", func(t *testing.T) {
		t.Parallel()
		cfg := Config{Dir: filepath.Join(tempDir(t), "state", "postgres"), Durable: true}
		if there, err := Exists(cfg.Dir); there || err != nil {
			t.Errorf("exists %v, %v before it was made", there, err)
		}
		s := start(t, cfg)
		if there, err := Exists(cfg.Dir); !there || err != nil {
			t.Errorf("exists %v, %v after it was made", there, err)
		}
		execute(t, s, "create table kept (n int); insert into kept values (42)")
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		if isRunning(cfg.Dir) {
			t.Fatal("the server still runs after Stop")
		}
		if got := query(t, start(t, cfg), "select n::text from kept"); got != "42" {
			t.Errorf("after a restart the table holds %s, want 42", got)
		}
	})

	t.Run("SettingsFollowDurability", func(t *testing.T) {
		t.Parallel()
		const sql = `select string_agg(name || '=' || setting, ' ' order by name) from pg_settings
			where name in ('fsync', 'full_page_writes', 'synchronous_commit', 'autovacuum', 'max_connections', 'listen_addresses')`
		for _, tc := range []struct {
			cfg  Config
			want string
		}{
			{Config{Durable: true}, "autovacuum=on fsync=on full_page_writes=on listen_addresses= max_connections=200 synchronous_commit=on"},
			{Config{MaxConnections: 30}, "autovacuum=off fsync=off full_page_writes=off listen_addresses= max_connections=30 synchronous_commit=off"},
		} {
			tc.cfg.Dir = tempDir(t)
			if diff := cmp.Diff(tc.want, query(t, start(t, tc.cfg), sql)); diff != "" {
				t.Errorf("settings with Durable=%v (-want +got):\n%s", tc.cfg.Durable, diff)
			}
		}
	})

	t.Run("KeepsEverybodyElseOut", func(t *testing.T) {
		t.Parallel()
		cfg := Config{Dir: tempDir(t)}
		if err := os.Chmod(cfg.Dir, 0o755); err != nil {
			t.Fatal(err)
		}
		s := start(t, cfg)
		for _, dir := range []string{cfg.Dir, s.socketDir} {
			info, err := os.Stat(dir)
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode().Perm(); got != 0o700 {
				t.Errorf("mode of %s is %04o, want 0700", dir, got)
			}
		}
	})

	t.Run("DatabaseIsUTF8WithTheCLocale", func(t *testing.T) {
		t.Parallel()
		s := start(t, Config{Dir: tempDir(t), Database: `odd "name`})
		got := query(t, s, "select current_database() || ' ' || pg_encoding_to_char(encoding) || ' ' || datcollate from pg_database where datname = current_database()")
		if want := `odd "name UTF8 C`; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})

	for name, sub := range map[string]string{
		"ALongDirectoryGetsAShortSocket":        strings.Repeat("long", 25),
		"ADirectoryWithCommasGetsAnotherSocket": `a, "b" & 'c' + d`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := Config{Dir: filepath.Join(tempDir(t), sub)}
			s := start(t, cfg)
			if strings.HasPrefix(s.socketDir, cfg.Dir) {
				t.Errorf("the socket is in %s", s.socketDir)
			}
			if got := query(t, s, "select 'up'"); got != "up" {
				t.Errorf("got %q", got)
			}
			if err := s.Stop(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(s.socketDir); !os.IsNotExist(err) {
				t.Errorf("the socket directory %s is left behind: %v", s.socketDir, err)
			}
		})
	}

	t.Run("RefusesToMixDurableAndNot", func(t *testing.T) {
		t.Parallel()
		durable, fleeting := tempDir(t), tempDir(t)
		for _, cfg := range []Config{{Dir: durable, Durable: true}, {Dir: fleeting}} {
			if err := start(t, cfg).Stop(); err != nil {
				t.Fatal(err)
			}
		}
		wantError(t, Config{Dir: durable}, "it is durable and would lose that")
		wantError(t, Config{Dir: fleeting, Durable: true}, "it was made without durability")
	})

	t.Run("AClusterFromBeforeTheLastBootIsDiscarded", func(t *testing.T) {
		t.Parallel()
		cfg := Config{Dir: tempDir(t)}
		s := start(t, cfg)
		execute(t, s, "create table torn ()")
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(cfg.Dir, "boot_id"), []byte("an earlier boot\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := query(t, start(t, cfg), "select count(*)::text from pg_tables where tablename = 'torn'"); got != "0" {
			t.Error("the old table is still there")
		}
	})

	t.Run("AHalfMadeClusterIsMadeAnew", func(t *testing.T) {
		t.Parallel()
		cfg := Config{Dir: tempDir(t)}
		if err := start(t, cfg).Stop(); err != nil {
			t.Fatal(err)
		}
		half := filepath.Join(cfg.Dir, "initdb-1")
		if err := os.Rename(filepath.Join(cfg.Dir, "data"), half); err != nil {
			t.Fatal(err)
		}
		start(t, cfg)
		if _, err := os.Stat(half); !os.IsNotExist(err) {
			t.Errorf("%s is left behind: %v", half, err)
		}
	})
}

func TestStartErrors(t *testing.T) {
	t.Parallel()

	t.Run("WithoutADirectory", func(t *testing.T) {
		t.Parallel()
		wantError(t, Config{}, "Dir is empty")
	})

	t.Run("InADirectoryWithOtherFiles", func(t *testing.T) {
		t.Parallel()
		dir := tempDir(t)
		if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		wantError(t, Config{Dir: dir}, "it has other files in it, such as thesis.txt")
	})

	t.Run("WithASettingTheServerRefusesCarriesItsLog", func(t *testing.T) {
		t.Parallel()
		cfg := Config{Dir: tempDir(t)}
		if err := start(t, cfg).Stop(); err != nil {
			t.Fatal(err)
		}
		conf := filepath.Join(cfg.Dir, "data", "postgresql.conf")
		if err := os.WriteFile(conf, []byte("no_such_setting = 1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		wantError(t, cfg, `unrecognized configuration parameter "no_such_setting"`)
		wantError(t, cfg, "exit status 1")
	})

	t.Run("WithAClusterOfAnotherVersion", func(t *testing.T) {
		t.Parallel()
		cfg := Config{Dir: tempDir(t)}
		if err := start(t, cfg).Stop(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(cfg.Dir, "data", "PG_VERSION"), []byte("99\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		wantError(t, cfg, "find PostgreSQL 99, which made the existing cluster")
	})

	t.Run("WhenItsContextEndsWhileAnotherIsStarting", func(t *testing.T) {
		t.Parallel()
		cfg := Config{Dir: tempDir(t)}
		if err := start(t, cfg).Stop(); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(cfg.Dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		own, err := ownerFor("postgres")
		if err != nil {
			t.Fatal(err)
		}
		held, err := lockFile(t.Context(), root, startLock, exclusive, own)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := unlock(held); err != nil {
				t.Error(err)
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		if _, err := Start(ctx, cfg); err == nil || !strings.Contains(err.Error(), "wait for lock") {
			t.Errorf("Start() = %v, want an error about the lock", err)
		}
	})
}

func wantError(t *testing.T, cfg Config, want string) {
	t.Helper()
	s, err := Start(t.Context(), cfg)
	if err == nil {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		t.Fatalf("Start(%+v) succeeded, want an error with %q", cfg, want)
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("Start() = %v\nwant an error with %q", err, want)
	}
}

// BenchmarkStart is a start and a stop of a server whose cluster exists.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		b.Fatal(err)
	}
	once := func() {
		s, err := Start(b.Context(), Config{Dir: dir, Durable: true})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Stop(); err != nil {
			b.Fatal(err)
		}
	}
	once() // Makes the cluster.
	for b.Loop() {
		once()
	}
}
