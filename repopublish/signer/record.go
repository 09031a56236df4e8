package signer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
)

// ErrNotRecorded is returned for a digest that nothing may be signed for.
var ErrNotRecorded = errors.New("not recorded")

// Record is who knows what may be signed.
type Record interface {
	// RPM returns size and time of the record of a package, by its SHA-256;
	// ErrNotRecorded where it is no package of a finished build.
	RPM(ctx context.Context, sha256 string) (size int64, at time.Time, err error)
	// Repomd returns the time of the record of a repomd.xml; ErrNotRecorded where
	// it is not one of a generation that is being made.
	Repomd(ctx context.Context, sha256 string) (at time.Time, err error)
}

// Database is the record of a hub, read with a role that can read two views of
// its database and nothing else.
type Database struct{ pool *pgxpool.Pool }

// Bounds of the connection to the database.
const (
	recordConnections = 4
	recordTimeout     = 15 * time.Second
)

// RightsError says that a role is not fit for the signer.
type RightsError struct{ Role, Problem string }

// Error implements error.
func (e *RightsError) Error() string {
	return fmt.Sprintf("signer: the database role %s %s: make one for the signer with distbot signer role", e.Role, e.Problem)
}

// OpenDatabase connects to the hub's database. A role that could change the
// record, or can't read it, is a *RightsError.
func OpenDatabase(ctx context.Context, url string) (*Database, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		// The cause may quote the URL, which has a password.
		return nil, errors.New("signer: the database url can't be read")
	}
	config.MaxConns = recordConnections
	config.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	config.ConnConfig.RuntimeParams["application_name"] = "distbot signer"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("signer: connect to the database: %w", err)
	}
	d := &Database{pool}
	if err := d.checkRights(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return d, nil
}

// rightsSQL asks what the role of a session may do beyond reading the record.
const rightsSQL = `
	select current_user::text,
	       (select rolsuper or rolcreaterole or rolbypassrls or rolreplication from pg_roles where rolname = current_user),
	       exists (select from unnest(array['rpms', 'builds', 'repomd_records', 'repo_generations', 'signable_rpms', 'signable_repomds']) as t (name)
	               where has_table_privilege(t.name, 'insert, update, delete, truncate, trigger')
	                  or has_any_column_privilege(t.name, 'insert, update')
	                  or pg_has_role((select relowner from pg_class where oid = t.name::regclass), 'member')),
	       has_table_privilege('signable_rpms', 'select') and has_table_privilege('signable_repomds', 'select')`

func (d *Database) checkRights(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	var role string
	var privileged, writes, reads bool
	if err := d.pool.QueryRow(ctx, rightsSQL).Scan(&role, &privileged, &writes, &reads); err != nil {
		return fmt.Errorf("signer: look at the rights of the database role: %w", err)
	}
	switch {
	case privileged:
		return &RightsError{role, "may do anything"}
	case writes:
		return &RightsError{role, "can change what is recorded"}
	case !reads:
		return &RightsError{role, "can't read what is recorded"}
	}
	return nil
}

// RPM implements Record.
func (d *Database) RPM(ctx context.Context, sha256 string) (int64, time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	row, err := db.New(d.pool).SignableRPM(ctx, sha256)
	if err != nil {
		return 0, time.Time{}, notRecorded(err)
	}
	return row.Size, row.RecordedAt, nil
}

// Repomd implements Record.
func (d *Database) Repomd(ctx context.Context, sha256 string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	row, err := db.New(d.pool).SignableRepomd(ctx, sha256)
	if err != nil {
		return time.Time{}, notRecorded(err)
	}
	return row.RecordedAt, nil
}

func notRecorded(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotRecorded
	}
	return fmt.Errorf("signer: look for the record: %w", err)
}

// Close disconnects.
func (d *Database) Close() { d.pool.Close() }
