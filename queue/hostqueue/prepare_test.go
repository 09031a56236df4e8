package hostqueue

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/dbtest"
)

// administrator is a hub's database whose owner is a plain role, as on a server
// that others administer.
type administrator struct {
	conn *pgx.Conn
	// role is the hub's, named so that it goes when the test ends.
	role, database string
	url            string
}

func plainServer(t *testing.T, attributes string) administrator {
	t.Helper()
	u, err := url.Parse(dbtest.NewURL(t))
	if err != nil {
		t.Fatal(err)
	}
	a := administrator{database: strings.TrimPrefix(u.Path, "/")}
	a.role = a.database + "_owner"
	if a.conn, err = pgx.Connect(t.Context(), u.String()); err != nil {
		t.Fatal(err)
	}
	a.do(t, "create role "+a.role+" login password 'secret' "+attributes)
	t.Cleanup(func() {
		ctx := context.Background()
		// What the role owns beside the test's database goes first.
		for _, statement := range []string{
			"drop database if exists " + a.database + "_builders with (force)",
			"alter database " + a.database + " owner to distbot", "drop owned by " + a.role + " cascade", "drop role " + a.role,
		} {
			if _, err := a.conn.Exec(ctx, statement); err != nil {
				t.Errorf("%s: %v", statement, err)
			}
		}
		_ = a.conn.Close(ctx)
	})
	u.User = url.UserPassword(a.role, "secret")
	a.url = u.String()
	return a
}

func (a administrator) do(t *testing.T, statement string) {
	t.Helper()
	if _, err := a.conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func TestPrepare(t *testing.T) {
	t.Parallel()

	t.Run("Many hubs at once make one database", func(t *testing.T) {
		t.Parallel()
		hubURL := dbtest.NewURL(t)
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				if _, _, err := Prepare(t.Context(), hubURL); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})

	t.Run("Says what the hub's role lacks, and what to do", func(t *testing.T) {
		t.Parallel()
		a := plainServer(t, "nocreatedb nocreaterole")
		_, _, err := Prepare(t.Context(), a.url)
		var lack *RightsError
		if !errors.As(err, &lack) {
			t.Fatalf("Prepare() = %v, want a *RightsError", err)
		}
		if diff := cmp.Diff([]string{"CREATEDB", "CREATEROLE", "DATABASE " + a.database}, lack.Missing); diff != "" {
			t.Errorf("missing (-want +got):\n%s", diff)
		}
		// The administrator does what the text says.
		_, cures, _ := strings.Cut(err.Error(), "gives it: ")
		for cure := range strings.SplitSeq(strings.TrimSuffix(cures, ";"), "; ") {
			a.do(t, cure)
		}
		if _, _, err := Prepare(t.Context(), a.url); err != nil {
			t.Errorf("after that: %v", err)
		}
	})

	t.Run("A hub that is no superuser serves and ends hosts", func(t *testing.T) {
		t.Parallel()
		a := plainServer(t, "createdb createrole")
		a.do(t, "alter database "+a.database+" owner to "+a.role)
		s := &system{url: a.url}
		s.hub = s.open(t, "hub")
		ctx := t.Context()
		hub, err := pgx.Connect(ctx, a.url)
		if err != nil {
			t.Fatal(err)
		}
		defer hub.Close(context.Background())
		if err := pgx.BeginFunc(ctx, hub, func(tx pgx.Tx) error { return s.hub.SetRole(ctx, tx, 1, "secret") }); err != nil {
			t.Fatal(err)
		}
		done := make(chan Task, 1)
		s.work(t, 1, func(_ context.Context, task Task) error { done <- task; return nil })
		if err := s.hub.Deliver(ctx, Delivery{1, Task{1, 1}}); err != nil {
			t.Fatal(err)
		}
		received(t, "the task", done)
		for _, database := range []string{a.database} {
			_, err := pgx.Connect(ctx, s.as(t, 1, database))
			if got := sqlstate(t, err); got != insufficientPrivilege {
				t.Errorf("connect to %s: SQLSTATE %q, want %q", database, got, insufficientPrivilege)
			}
		}
		await(t, "completed", func() bool { return slices.Equal(s.states(t, 1), []string{"completed"}) })
		if err := pgx.BeginFunc(ctx, hub, func(tx pgx.Tx) error { return s.hub.LockRole(ctx, tx, 1) }); err != nil {
			t.Fatal(err)
		}
		if err := s.hub.EndSessions(ctx, hub, 1); err != nil {
			t.Error(err)
		}
		if err := pgx.BeginFunc(ctx, hub, func(tx pgx.Tx) error { return s.hub.DropRole(ctx, tx, 1) }); err != nil {
			t.Error(err)
		}
	})
}

func TestNamesFor(t *testing.T) {
	t.Parallel()
	got, err := NamesFor("distbot")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Names{Hub: "distbot", Database: "distbot_builders", Group: "distbot_hosts"}, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if role := got.Role(7); role != "distbot_host_7" {
		t.Errorf("role %q, want distbot_host_7", role)
	}
	if id, err := hostOf(got.Role(7)); id != 7 || err != nil {
		t.Errorf("hostOf = %d, %v, want 7", id, err)
	}
	for _, role := range []string{"distbot", "distbot_host_", "distbot_host_0", "distbot_host_-1", "distbot_host_7a", "distbot_hosts"} {
		if id, err := hostOf(role); err == nil {
			t.Errorf("hostOf(%q) = %d, want an error", role, id)
		}
	}
	if _, err := NamesFor(strings.Repeat("d", 40)); err == nil {
		t.Error("a name that PostgreSQL would cut is taken")
	}
}
