package pglocal

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// login connects as a role and returns the SQLSTATE of the refusal, or "".
func login(t *testing.T, s *Server, user *url.Userinfo) string {
	t.Helper()
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.User = user
	conn, err := pgx.Connect(t.Context(), u.String())
	if err == nil {
		_ = conn.Close(context.Background())
		return ""
	}
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		t.Fatalf("the answer is no refusal: %v", err)
	}
	return refused.Code
}

// wantPasswords checks whom the server lets in.
func wantPasswords(t *testing.T, s *Server) {
	t.Helper()
	const invalidPassword = "28P01"
	got := map[string]string{
		"the superuser":                        login(t, s, url.User(superuser)),
		"a role with its password":             login(t, s, url.UserPassword("guest", "secret")),
		"a role with another password":         login(t, s, url.UserPassword("guest", "guess")),
		"a role that was given no password":    login(t, s, url.UserPassword("bare", "guess")),
		"somebody who is no role, or unknown ": login(t, s, url.UserPassword("nobody", "guess")),
	}
	want := map[string]string{
		"the superuser": "", "a role with its password": "", "a role with another password": invalidPassword,
		"a role that was given no password": invalidPassword, "somebody who is no role, or unknown ": invalidPassword,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("SQLSTATE of logging in (-want +got):\n%s", diff)
	}
}

const makeRoles = "create role guest login password 'secret'; create role bare login"

// trustAll makes the cluster's pg_hba.conf what earlier versions left.
func trustAll(t *testing.T, dir string) {
	t.Helper()
	const conf = "# TYPE DATABASE USER ADDRESS METHOD\nlocal   all   all      trust\nhost all all 127.0.0.1/32 reject\nlocal   replication   all   trust\n"
	if err := os.WriteFile(filepath.Join(dir, "data", "pg_hba.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRolesNeedTheirPasswords(t *testing.T) {
	t.Parallel()

	t.Run("In a new cluster", func(t *testing.T) {
		t.Parallel()
		s := start(t, Config{Dir: tempDir(t)})
		execute(t, s, makeRoles)
		wantPasswords(t, s)
	})

	t.Run("In one of an earlier version that is started", func(t *testing.T) {
		t.Parallel()
		cfg := Config{Dir: tempDir(t)}
		s := start(t, cfg)
		execute(t, s, makeRoles)
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		trustAll(t, cfg.Dir)
		wantPasswords(t, start(t, cfg))
	})

	t.Run("In one of an earlier version that runs", func(t *testing.T) {
		t.Parallel()
		cfg := Config{Dir: tempDir(t)}
		s := start(t, cfg)
		trustAll(t, cfg.Dir)
		execute(t, s, makeRoles)
		// The server trusts everybody, as one that an earlier version has started.
		if err := s.reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := login(t, s, url.User("guest")); got != "" {
			t.Fatalf("SQLSTATE %s of a server that trusts everybody", got)
		}
		wantPasswords(t, start(t, cfg))
	})

	t.Run("And an administrator's lines stay", func(t *testing.T) {
		t.Parallel()
		const before = "# local all all trust\nlocal all backup trust\n\tlocal\twiki all\ttrust # ours\nlocal all all trust\nlocal wiki all peer map=a"
		const after = "# local all all trust\nlocal all backup trust\nlocal wiki distbot trust\nlocal wiki all scram-sha-256\n" +
			"local all distbot trust\nlocal all all scram-sha-256\nlocal wiki all peer map=a"
		for what, conf := range map[string]string{"brought up to date": before, "brought up to date once more": after} {
			if diff := cmp.Diff(after, string(withPasswords([]byte(conf)))); diff != "" {
				t.Errorf("pg_hba.conf, %s (-want +got):\n%s", what, diff)
			}
		}
	})
}
