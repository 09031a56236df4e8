package signer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/scram"
)

// roleConnections is how many connections the signer's role may have: those of
// one signer, and of the next while the first one ends.
const roleConnections = 2 * recordConnections

// RoleName is the signer's role for a hub's database: distbot_signer.
func RoleName(database string) string { return database + "_signer" }

// SetRole makes the signer's role in the hub's database, or gives it a new
// password, and returns the URL that the signer connects with, which is secret.
// The hub's own role must be allowed to make roles. The password itself is not
// sent to the server.
func SetRole(ctx context.Context, hub *pgxpool.Pool) (string, error) {
	config := hub.Config().ConnConfig
	name, password := RoleName(config.Database), rand.Text()
	verifier, err := scram.Verifier(password)
	if err == nil {
		err = pgx.BeginFunc(ctx, hub, func(tx pgx.Tx) error { return setRole(ctx, tx, config.Database, name, verifier) })
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42501" { // insufficient_privilege
		return "", fmt.Errorf("signer: the hub's database role may not make %s; an administrator can: alter role %s createrole: %w", name, config.User, err)
	}
	if err != nil {
		return "", fmt.Errorf("signer: make the database role %s: %w", name, err)
	}
	return roleURL(config.ConnString(), name, password)
}

// maxURL bounds the file of a URL, in bytes.
const maxURL = 4 << 10

// ReadDatabaseURL reads a file with the URL that the signer connects with, which
// only our account may read.
func ReadDatabaseURL(path string) (string, error) {
	text, err := readPrivate(path, maxURL)
	if err != nil {
		return "", fmt.Errorf("signer: read the database url: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// WriteDatabaseURL writes the file that ReadDatabaseURL reads, or replaces it.
// Its directory is made for our account alone where it is not there.
func WriteDatabaseURL(path, url string) error {
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = replacePrivate(path, []byte(url+"\n"))
	}
	if err != nil {
		return fmt.Errorf("signer: write the database url: %w", err)
	}
	return nil
}

func setRole(ctx context.Context, tx pgx.Tx, database, name, verifier string) error {
	role := pgx.Identifier{name}.Sanitize()
	// Of two hubs that start at once one waits.
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtext($1))", name); err != nil {
		return err
	}
	var exists bool
	if err := tx.QueryRow(ctx, "select exists (select from pg_roles where rolname = $1)", name).Scan(&exists); err != nil {
		return err
	}
	verb := "create role "
	if exists {
		verb = "alter role "
	}
	// A new role is no superuser; to say so of one that exists takes a superuser
	// (PostgreSQL 15), which the hub's role need not be. The signer looks itself
	// (see Database) and does not start with one.
	for _, statement := range []string{
		verb + role + fmt.Sprintf(" login nocreatedb nocreaterole connection limit %d password '%s'", roleConnections, verifier),
		"alter role " + role + " set default_transaction_read_only = on",
		"alter role " + role + " set statement_timeout = '10s'",
		"grant connect on database " + pgx.Identifier{database}.Sanitize() + " to " + role,
		"grant select on signable_rpms, signable_repomds to " + role,
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// roleURL is a connection string with another role.
func roleURL(hub, name, password string) (string, error) {
	u, err := url.Parse(hub)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return "", errors.New("signer: database.url is no postgres:// URL")
	}
	u.User = url.UserPassword(name, password)
	return u.String(), nil
}
