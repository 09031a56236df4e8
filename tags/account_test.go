package tags_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/tags"
)

// office is an installation whose users are looked after.
type office struct {
	t      *testing.T
	pool   *pgxpool.Pool
	editor *tags.Editor
}

func newOffice(t *testing.T) *office {
	t.Helper()
	pool := dbtest.New(t)
	return &office{t: t, pool: pool, editor: &tags.Editor{Pool: pool, Jobs: queuetest.Inserter(t, pool)}}
}

// do makes a change that must succeed.
func (o *office) do(as string, what func(ctx context.Context, e *tags.Edit) error) {
	o.t.Helper()
	if err := o.try(as, what); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) try(as string, what func(ctx context.Context, e *tags.Edit) error) error {
	o.t.Helper()
	_, err := o.editor.Do(o.t.Context(), as, "test", func(e *tags.Edit) error { return what(o.t.Context(), e) })
	return err
}

// refused makes a change that must be refused with this fault and text.
func (o *office) refused(as string, fault tags.Fault, text string, what func(ctx context.Context, e *tags.Edit) error) {
	o.t.Helper()
	err := o.try(as, what)
	var refusal *tags.RefusedError
	if !errors.As(err, &refusal) || refusal.Fault != fault || !strings.Contains(refusal.Text, text) {
		o.t.Errorf("refusal %v, want %d: %s", err, fault, text)
	}
}

func (o *office) user(name string) {
	o.t.Helper()
	o.do("admin", func(ctx context.Context, e *tags.Edit) error { return e.AddUser(ctx, name) })
}

func (o *office) token(user, name string, lifetime time.Duration) (token tags.Token) {
	o.t.Helper()
	o.do("admin", func(ctx context.Context, e *tags.Edit) (err error) {
		token, err = e.CreateToken(ctx, user, name, lifetime)
		return err
	})
	return token
}

func TestTokens(t *testing.T) {
	t.Parallel()
	verify := func(t *testing.T, o *office, text, want string) {
		t.Helper()
		user, err := tags.VerifyToken(t.Context(), o.pool, text)
		switch {
		case want == "" && (!errors.Is(err, tags.ErrToken) || err.Error() != tags.ErrToken.Error()):
			t.Errorf("verified as %q with error %v, want ErrToken and no more", user.Name, err)
		case want != "" && (err != nil || user.Name != want):
			t.Errorf("verified as %q with error %v, want %s", user.Name, err, want)
		}
	}
	t.Run("a token stands for its user with the permissions held now", func(t *testing.T) {
		t.Parallel()
		o := newOffice(t)
		o.user("alice")
		token := o.token("alice", "ci", time.Hour)
		verify(t, o, token.Text, "alice")
		o.do("admin", func(ctx context.Context, e *tags.Edit) error { return e.GrantPermission(ctx, "tag", "alice") })
		user, err := tags.VerifyToken(t.Context(), o.pool, token.Text)
		if err != nil || !user.Has("tag") || user.Has("target") {
			t.Errorf("user %+v, %v; want the permission tag only", user, err)
		}
	})
	t.Run("only the digest is at rest", func(t *testing.T) {
		t.Parallel()
		o := newOffice(t)
		o.user("alice")
		token := o.token("alice", "ci", 0)
		if token.ExpiresAt != nil || !strings.HasPrefix(token.Text, "dbt_") || len(token.Text) != 47 {
			t.Errorf("token %q until %v; want dbt_ and 43 characters, without end", token.Text, token.ExpiresAt)
		}
		if length := queuetest.Value[int](t, o.pool, "select length(digest) from api_tokens"); length != 32 {
			t.Errorf("a digest of %d bytes, want 32", length)
		}
		secret := strings.TrimPrefix(token.Text, "dbt_")
		for _, table := range queuetest.Values[string](t, o.pool, "select table_name from information_schema.tables where table_schema = 'public'") {
			if n := queuetest.Value[int](t, o.pool, `select count(*) from "`+table+`" x where x::text like '%' || $1 || '%'`, secret); n > 0 {
				t.Errorf("the table %s holds the token", table)
			}
		}
		if same := queuetest.Value[bool](t, o.pool, "select digest = sha256($1::text::bytea) from api_tokens", token.Text); !same {
			t.Error("the digest is not the text's SHA-256")
		}
	})
	t.Run("expired, revoked and unknown tokens and those of disabled users are refused alike", func(t *testing.T) {
		t.Parallel()
		o := newOffice(t)
		o.user("alice")
		o.user("bob")
		expired, revoked, disabled := o.token("alice", "expired", time.Hour), o.token("alice", "revoked", time.Hour), o.token("bob", "ci", time.Hour)
		kept := o.token("alice", "kept", time.Hour)
		queuetest.Exec(t, o.pool, "update api_tokens set expires_at = now() where name = 'expired'")
		o.do("alice", func(ctx context.Context, e *tags.Edit) error { return e.RevokeToken(ctx, "alice", "revoked") })
		o.do("admin", func(ctx context.Context, e *tags.Edit) error { return e.SetUserEnabled(ctx, "bob", false) })
		unknown := []byte(kept.Text)
		unknown[len(unknown)-1] ^= 1
		for _, text := range []string{
			expired.Text, revoked.Text, disabled.Text, string(unknown), "", "dbt_", kept.Text + "x", " " + kept.Text, strings.TrimPrefix(kept.Text, "dbt_"),
			"dbt_" + strings.Repeat("\x00", 43), "dbt_" + strings.Repeat("a", 1<<20),
		} {
			verify(t, o, text, "")
		}
		verify(t, o, kept.Text, "alice")
		o.do("admin", func(ctx context.Context, e *tags.Edit) error { return e.SetUserEnabled(ctx, "bob", true) })
		verify(t, o, disabled.Text, "bob")
	})
	t.Run("users make and revoke their own, admins all", func(t *testing.T) {
		t.Parallel()
		o := newOffice(t)
		o.user("alice")
		o.user("bob")
		create := func(user, name string, lifetime time.Duration) func(context.Context, *tags.Edit) error {
			return func(ctx context.Context, e *tags.Edit) error {
				_, err := e.CreateToken(ctx, user, name, lifetime)
				return err
			}
		}
		revoke := func(user, name string) func(context.Context, *tags.Edit) error {
			return func(ctx context.Context, e *tags.Edit) error { return e.RevokeToken(ctx, user, name) }
		}
		o.do("alice", create("alice", "ci", time.Hour))
		o.refused("bob", tags.FaultNotAllowed, "admin permission required", create("alice", "other", time.Hour))
		o.refused("bob", tags.FaultNotAllowed, "admin permission required", revoke("alice", "ci"))
		o.refused("alice", tags.FaultGeneric, "user alice has a token ci already", create("alice", "ci", time.Hour))
		o.refused("alice", tags.FaultGeneric, "up to 10 years", create("alice", "long", 11*365*24*time.Hour))
		o.refused("alice", tags.FaultGeneric, "is no name for a token", create("alice", "a b", time.Hour))
		o.refused("admin", tags.FaultGeneric, "needs no token", create("distbot", "ci", time.Hour))
		o.refused("admin", tags.FaultGeneric, `no such user: "carol"`, create("carol", "ci", time.Hour))
		o.do("admin", revoke("alice", "ci"))
		o.refused("admin", tags.FaultGeneric, "has no token ci in force", revoke("alice", "ci"))
		o.do("alice", create("alice", "ci", time.Hour))
	})
}

func TestUsers(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	add := func(name string) func(context.Context, *tags.Edit) error {
		return func(ctx context.Context, e *tags.Edit) error { return e.AddUser(ctx, name) }
	}
	enable := func(name string, enabled bool) func(context.Context, *tags.Edit) error {
		return func(ctx context.Context, e *tags.Edit) error { return e.SetUserEnabled(ctx, name, enabled) }
	}
	grant := func(perm, user string) func(context.Context, *tags.Edit) error {
		return func(ctx context.Context, e *tags.Edit) error { return e.GrantPermission(ctx, perm, user) }
	}
	revoke := func(perm, user string) func(context.Context, *tags.Edit) error {
		return func(ctx context.Context, e *tags.Edit) error { return e.RevokePermission(ctx, perm, user) }
	}
	addPerm := func(name, description string) func(context.Context, *tags.Edit) error {
		return func(ctx context.Context, e *tags.Edit) error { return e.AddPermission(ctx, name, description) }
	}
	o.do("admin", add("alice"))
	for _, mistake := range []struct {
		as    string
		fault tags.Fault
		text  string
		what  func(context.Context, *tags.Edit) error
	}{
		{"admin", tags.FaultGeneric, `a user with the name "alice" already exists`, add("alice")},
		{"admin", tags.FaultGeneric, "is no name for a user", add("al/ice")},
		{"admin", tags.FaultGeneric, "no such user", enable("nobody", true)},
		{"admin", tags.FaultGeneric, "no such user", grant("tag", "nobody")},
		{"admin", tags.FaultGeneric, "no such permission", grant("nosuch", "alice")},
		{"admin", tags.FaultGeneric, "no such permission", grant("", "alice")},
		{"admin", tags.FaultGeneric, "user alice does not have the permission tag", revoke("tag", "alice")},
		{"admin", tags.FaultGeneric, "user admin is the last admin", revoke("admin", "admin")},
		{"admin", tags.FaultGeneric, "user admin is the last admin", enable("admin", false)},
		{"admin", tags.FaultGeneric, "the installation itself", enable("distbot", false)},
		{"admin", tags.FaultGeneric, "already exists", addPerm("tag", "")},
		{"admin", tags.FaultGeneric, "may have 1000 bytes", addPerm("new", strings.Repeat("x", 1001))},
		{"alice", tags.FaultNotAllowed, "admin permission required (logged in as alice)", add("bob")},
		{"alice", tags.FaultNotAllowed, "admin permission required", enable("admin", false)},
		{"alice", tags.FaultNotAllowed, "admin permission required", grant("admin", "alice")},
		{"alice", tags.FaultNotAllowed, "admin permission required", revoke("admin", "admin")},
		{"alice", tags.FaultNotAllowed, "admin permission required", addPerm("new", "")},
	} {
		o.refused(mistake.as, mistake.fault, mistake.text, mistake.what)
	}
	o.do("admin", grant("admin", "alice"))
	o.refused("admin", tags.FaultGeneric, "user alice already has the permission admin", grant("admin", "alice"))
	o.do("alice", enable("admin", false))
	o.refused("admin", tags.FaultNotAllowed, "user admin is disabled", enable("admin", true))
	// A disabled admin is none.
	o.refused("alice", tags.FaultGeneric, "user alice is the last admin", revoke("admin", "alice"))
	o.do("alice", revoke("admin", "admin"))
	o.do("alice", enable("admin", true))
	user, err := tags.ReadUser(t.Context(), o.pool, "admin")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{}, user.Perms); diff != "" {
		t.Errorf("permissions (-want +got):\n%s", diff)
	}
	// Every change is an event with its actor, no refused one is.
	want := []string{"distbot install", "admin test", "admin test", "alice test", "alice test", "alice test"}
	if diff := cmp.Diff(want, queuetest.Values[string](t, o.pool, "select actor || ' ' || what from events order by id")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
