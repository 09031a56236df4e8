package hostqueue

import (
	"context"
	"crypto/sha256"
	_ "embed" // grants.sql, superuser.sql
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed grants.sql
var grantsSQL string

//go:embed superuser.sql
var superuserSQL string

// prepareLock is the advisory lock, in the hub's database, that orders those who
// prepare.
const prepareLock = 0x64622d686f737473 // "db-hosts"

// RightsError says what the hub's PostgreSQL role lacks to keep a database and
// roles for build hosts.
type RightsError struct {
	Role string
	// Missing are role attributes, CREATEDB and CREATEROLE, or what it does not
	// own: DATABASE name.
	Missing []string
}

// Error implements error and says what an administrator must do.
func (e *RightsError) Error() string {
	role := pgx.Identifier{e.Role}.Sanitize()
	var cure []string
	for _, missing := range e.Missing {
		if name, ok := strings.CutPrefix(missing, "DATABASE "); ok {
			cure = append(cure, "alter database "+pgx.Identifier{name}.Sanitize()+" owner to "+role+";")
		} else {
			cure = append(cure, "alter role "+role+" "+strings.ToLower(missing)+";")
		}
	}
	return fmt.Sprintf("hostqueue: prepare database of build hosts: the PostgreSQL role %s lacks %s; an administrator of the server gives it: %s",
		e.Role, strings.Join(e.Missing, ", "), strings.Join(cure, " "))
}

// Prepare makes the database of the hosts' queues on the server of the hub's
// database at hubURL, or brings it to this version, and makes sure that hosts'
// roles can connect to no other database of this installation: the right to
// connect to these two, which PostgreSQL gives to everybody, is taken from
// everybody but their owner. Any number of hubs may call it at once, as often as
// they like. It returns a *RightsError when the hub's role may not do that.
//
// The returned configuration connects to the database as the hub's role.
func Prepare(ctx context.Context, hubURL string) (Names, *pgxpool.Config, error) {
	names, config, err := prepare(ctx, hubURL)
	if err != nil {
		var rights *RightsError
		if errors.As(err, &rights) {
			return Names{}, nil, err
		}
		return Names{}, nil, fmt.Errorf("hostqueue: prepare database of build hosts: %w", err)
	}
	return names, config, nil
}

func prepare(ctx context.Context, hubURL string) (names Names, config *pgxpool.Config, err error) {
	config, err = pgxpool.ParseConfig(hubURL)
	if err != nil {
		return names, nil, err
	}
	hub, err := pgx.ConnectConfig(ctx, config.ConnConfig.Copy())
	if err != nil {
		return names, nil, err
	}
	// The lock ends with the connection.
	defer func() { err = errors.Join(err, hub.Close(context.WithoutCancel(ctx))) }()
	if _, err := hub.Exec(ctx, "select pg_advisory_lock($1)", int64(prepareLock)); err != nil {
		return names, nil, err
	}
	var database string
	if err := hub.QueryRow(ctx, "select current_database()").Scan(&database); err != nil {
		return names, nil, err
	}
	if names, err = NamesFor(database); err != nil {
		return names, nil, err
	}
	superuser, err := checkRights(ctx, hub, names)
	if err != nil {
		return names, nil, err
	}
	if err := makeShared(ctx, hub, names); err != nil {
		return names, nil, err
	}
	config.ConnConfig.Database = names.Database
	config.ConnConfig.RuntimeParams["jit"] = "off"
	return names, config, bringUp(ctx, config, names, superuser)
}

// checkRights finds out early, and all at once, what the hub's role lacks.
func checkRights(ctx context.Context, hub *pgx.Conn, names Names) (superuser bool, err error) {
	var role string
	var databases, roles, exists, owned, hubOwned bool
	err = hub.QueryRow(ctx, `
		select rolname, rolsuper, rolcreatedb, rolcreaterole,
		       exists (select from pg_database where datname = $2),
		       exists (select from pg_database where datname = $2 and pg_has_role(datdba, 'usage')),
		       exists (select from pg_database where datname = $1 and pg_has_role(datdba, 'usage'))
		from pg_roles where rolname = current_user`, names.Hub, names.Database).
		Scan(&role, &superuser, &databases, &roles, &exists, &owned, &hubOwned)
	if err != nil || superuser {
		return superuser, err
	}
	lack := &RightsError{Role: role}
	for _, need := range []struct {
		met  bool
		what string
	}{
		{databases || exists, "CREATEDB"},
		{roles, "CREATEROLE"},
		{hubOwned, "DATABASE " + names.Hub},
		{owned || !exists, "DATABASE " + names.Database},
	} {
		if !need.met {
			lack.Missing = append(lack.Missing, need.what)
		}
	}
	if len(lack.Missing) > 0 {
		return false, lack
	}
	return false, nil
}

// makeShared makes what belongs to the whole server: the group and the database,
// and who may connect.
func makeShared(ctx context.Context, hub *pgx.Conn, names Names) error {
	group, database := pgx.Identifier{names.Group}.Sanitize(), pgx.Identifier{names.Database}.Sanitize()
	var hasGroup, hasDatabase bool
	err := hub.QueryRow(ctx, "select exists (select from pg_roles where rolname = $1), exists (select from pg_database where datname = $2)",
		names.Group, names.Database).Scan(&hasGroup, &hasDatabase)
	if err != nil {
		return err
	}
	var statements []string
	if !hasGroup {
		statements = append(statements, "create role "+group+" nologin")
	}
	if !hasDatabase {
		// Nothing of what an administrator put into template1.
		statements = append(statements, "create database "+database+" template template0")
	}
	statements = append(statements,
		"revoke connect, temporary on database "+pgx.Identifier{names.Hub}.Sanitize()+" from public",
		"revoke connect, temporary on database "+database+" from public",
		"grant connect on database "+database+" to "+group)
	for _, statement := range statements {
		if _, err := hub.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// bringUp runs River's migrations and the grants in the hosts' database, once
// for each version of either.
func bringUp(ctx context.Context, config *pgxpool.Config, names Names, superuser bool) error {
	pool, err := pgxpool.NewWithConfig(ctx, config.Copy())
	if err != nil {
		return err
	}
	defer pool.Close()
	river, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return err
	}
	if _, err := river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	sql := grants(names)
	if superuser {
		sql += superuserSQL
	}
	newest := 0
	for _, version := range river.AllVersions() {
		newest = max(newest, version.Version)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\n%s", newest, sql))
	digest := hex.EncodeToString(sum[:])
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "create table if not exists prepared (digest text not null)"); err != nil {
			return err
		}
		var done bool
		if err := tx.QueryRow(ctx, "select exists (select from prepared where digest = $1)", digest).Scan(&done); err != nil || done {
			return err
		}
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "with old as (delete from prepared) insert into prepared values ($1)", digest)
		return err
	})
}

// grants is grants.sql for one installation.
func grants(names Names) string {
	own := fmt.Sprintf("'host_' || substr(current_user::text, %d)", len([]rune(names.rolePrefix()))+1)
	return strings.NewReplacer("{group}", pgx.Identifier{names.Group}.Sanitize(), "{own}", own).Replace(grantsSQL)
}
