package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distbot/distbot/queue/queuetest"
)

// TestLookingMakesNoInstallation gives commands a path that leads to none.
func TestLookingMakesNoInstallation(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"build list", "build show 1", "build cancel 1", "build submit hello --target f37", "build chain list", "task list", "delivery list", "host list", "host enable b1",
		"tag list", "tag add f40", "tag side-list", "target list", "user list", "perm list", "token list", "plan", "apply", "tag export", "builder list-credentials",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			c := &console{t: t, config: filepath.Join(t.TempDir(), "distbot.yaml")}
			if err := os.WriteFile(c.config, []byte("state_dir: mistyped/state\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			mistyped := filepath.Join(filepath.Dir(c.config), "mistyped")
			code, stdout, stderr := c.call(line)
			if want := ": there is no database in " + mistyped + "/state/postgres: distbot serve makes it at its first start"; code != exitFailed || !strings.Contains(stderr, want) {
				t.Errorf("exit code %d, stdout %q, stderr %q; want %q", code, stdout, stderr, want)
			}
			if !strings.Contains(stderr, "or state_dir of "+c.config+" names another place than meant") {
				t.Errorf("stderr %q does not say which key may be wrong", stderr)
			}
			if _, err := os.Lstat(mistyped); !os.IsNotExist(err) {
				t.Errorf("%s was made: %v", mistyped, err)
			}
		})
	}

	t.Run("a database of somebody else's stays as it is until it is migrated", func(t *testing.T) {
		t.Parallel()
		c := newConsole(t)
		queuetest.Exec(t, c.pool, "drop schema public cascade")
		queuetest.Exec(t, c.pool, "create schema public")
		if code, _, stderr := c.call("build list"); code != exitFailed || !strings.Contains(stderr, "the database holds no installation") ||
			!strings.Contains(stderr, "or database.url of "+c.config) {
			t.Errorf("exit code %d, stderr %q", code, stderr)
		}
		var tables int
		if err := c.pool.QueryRow(t.Context(), "select count(*) from pg_tables where schemaname = 'public'").Scan(&tables); err != nil || tables > 0 {
			t.Errorf("%d tables were made, %v", tables, err)
		}
		if code, stdout, stderr := c.call("migrate"); code != exitDone || stdout != "the database has this version's schema\n" {
			t.Fatalf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
		}
		if code, stdout, stderr := c.call("build list"); code != exitDone || stdout != "nothing found\n" {
			t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
		}
	})
}
