package hostqueue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/scram"
)

// MaxConnections is how many connections a host may have: River's worker needs
// one that listens and some that come and go.
const MaxConnections = 8

// roleSettings are a host's defaults. A role can change them for its session:
// they are there for hosts that mean well, and the hub's watch for the others.
// What a session can't change, superuser.sql limits.
var roleSettings = []string{
	"statement_timeout = '60s'",
	"lock_timeout = '10s'",
	"idle_in_transaction_session_timeout = '30s'",
	"client_connection_check_interval = '10s'",
	"max_parallel_workers_per_gather = 0",
	"search_path = public",
	"jit = off",
}

// endPoll is how often EndSessions looks again.
const endPoll = 20 * time.Millisecond

// SetRole makes the role of a host, or gives it a new password, as part of a
// transaction in the hub's database: roles belong to the whole server, so the
// credential and the role come into being together. The password itself is not
// sent to the server, whose log could keep it; what is sent is what the server
// would have made of it (SCRAM-SHA-256, RFC 5803).
func (n Names) SetRole(ctx context.Context, tx pgx.Tx, hostID int64, password string) error {
	if err := n.setRole(ctx, tx, n.Role(hostID), password); err != nil {
		return fmt.Errorf("hostqueue: set role of host %d: %w", hostID, err)
	}
	return nil
}

func (n Names) setRole(ctx context.Context, tx pgx.Tx, name, password string) error {
	role := pgx.Identifier{name}.Sanitize()
	verifier, err := scram.Verifier(password)
	if err != nil {
		return err
	}
	exists, err := roleExists(ctx, tx, name)
	if err != nil {
		return err
	}
	verb := "alter role "
	if !exists {
		verb = "create role "
	}
	statements := []string{
		verb + role + " login inherit nocreatedb nocreaterole " + fmt.Sprintf("connection limit %d password '%s'", MaxConnections, verifier),
		"grant " + pgx.Identifier{n.Group}.Sanitize() + " to " + role,
	}
	for _, setting := range roleSettings {
		statements = append(statements, "alter role "+role+" set "+setting)
	}
	// Only members of a role may end its sessions, unless they are superusers.
	var superuser bool
	if err := tx.QueryRow(ctx, "select rolsuper from pg_roles where rolname = current_user").Scan(&superuser); err != nil {
		return err
	}
	if !superuser {
		statements = append(statements, "grant "+role+" to current_user")
	}
	for _, statement := range statements {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func roleExists(ctx context.Context, tx pgx.Tx, name string) (exists bool, err error) {
	err = tx.QueryRow(ctx, "select exists (select from pg_roles where rolname = $1)", name).Scan(&exists)
	return exists, err
}

// LockRole keeps a host's role from logging in, as part of a transaction. A role
// that does not exist is fine.
func (n Names) LockRole(ctx context.Context, tx pgx.Tx, hostID int64) error {
	return n.change(ctx, tx, hostID, "alter role %s nologin connection limit 0 password null")
}

// DropRole removes a host's role, as part of a transaction. It has nothing and
// owns nothing, so there is nothing else to remove. A role that does not exist is
// fine.
func (n Names) DropRole(ctx context.Context, tx pgx.Tx, hostID int64) error {
	return n.change(ctx, tx, hostID, "drop role %s")
}

func (n Names) change(ctx context.Context, tx pgx.Tx, hostID int64, statement string) error {
	name := n.Role(hostID)
	exists, err := roleExists(ctx, tx, name)
	if err == nil && exists {
		_, err = tx.Exec(ctx, fmt.Sprintf(statement, pgx.Identifier{name}.Sanitize()))
	}
	if err != nil {
		return fmt.Errorf("hostqueue: change role of host %d: %w", hostID, err)
	}
	return nil
}

// EndSessions ends the sessions of a host's role and returns when there are none
// any more, or with an error when some outlive ctx. The role should be locked
// before, and that committed.
func (n Names) EndSessions(ctx context.Context, conn interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}, hostID int64,
) error {
	for {
		var left int
		err := conn.QueryRow(ctx, "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = $1", n.Role(hostID)).Scan(&left)
		if err != nil {
			return fmt.Errorf("hostqueue: end sessions of host %d: %w", hostID, err)
		}
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("hostqueue: end sessions of host %d: %w", hostID, errors.Join(ctx.Err(), fmt.Errorf("%d are left", left)))
		case <-time.After(endPoll):
		}
	}
}
