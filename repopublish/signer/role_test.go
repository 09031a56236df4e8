package signer

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/dbtest"
)

// plainHub is the hub's pool on a database whose owner is no superuser and may
// make roles, as on a server that others administer.
func plainHub(t *testing.T) *pgxpool.Pool {
	t.Helper()
	u, err := url.Parse(dbtest.NewURL(t))
	if err != nil {
		t.Fatal(err)
	}
	database := strings.TrimPrefix(u.Path, "/")
	owner, signer := database+"_owner", RoleName(database)
	administrator, err := pgx.Connect(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	do := func(ctx context.Context, statements ...string) {
		for _, statement := range statements {
			if _, err := administrator.Exec(ctx, statement); err != nil {
				t.Errorf("%s: %v", statement, err)
			}
		}
	}
	do(t.Context(), "create role "+owner+" login password 'secret' createrole",
		"alter database "+database+" owner to "+owner,
		"alter view signable_rpms owner to "+owner, "alter view signable_repomds owner to "+owner)
	t.Cleanup(func() {
		do(context.Background(), "alter database "+database+" owner to current_user", "drop owned by "+signer+" cascade", "drop role "+signer,
			"drop owned by "+owner+" cascade", "drop role "+owner)
		_ = administrator.Close(context.Background())
	})
	u.User = url.UserPassword(owner, "secret")
	hub, err := pgxpool.New(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.Close)
	return hub
}

// TestAHubThatIsNoSuperuserStartsAgain gives the signer's role a new password, as
// each start does.
func TestAHubThatIsNoSuperuserStartsAgain(t *testing.T) {
	t.Parallel()
	hub := plainHub(t)
	var before string
	for _, start := range []string{"the first", "the second", "the third"} {
		url, err := SetRole(t.Context(), hub)
		if err != nil {
			t.Fatalf("%s start: %v", start, err)
		}
		if url == before {
			t.Errorf("%s start: the password is the one before", start)
		}
		before = url
		signer, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatalf("%s start: the signer logs in: %v", start, err)
		}
		var super bool
		if err := signer.QueryRow(t.Context(), "select rolsuper or rolcreatedb or rolcreaterole from pg_roles where rolname = current_user").Scan(&super); err != nil || super {
			t.Errorf("%s start: the signer's role may do more than it needs: %v", start, err)
		}
		_ = signer.Close(t.Context())
	}
}
