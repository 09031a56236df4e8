package dbtest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"regexp"
	"strconv"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/pglocal"
)

// options are what open needs; tests of this package replace them.
type options struct {
	postgres pglocal.Config
	// migrate brings the empty database at url to the current schema.
	migrate func(ctx context.Context, url string) error
	// schema identifies what migrate makes.
	schema string
}

// server is the shared server as one process uses it.
type server struct {
	postgres *pglocal.Server
	// owner holds this process's advisory locks for as long as it lives.
	owner *pgx.Conn
	// pool runs the statements that make and drop databases.
	pool     *pgxpool.Pool
	process  number
	template number
	made     atomic.Int64
}

// number is the part of a database's name that says who uses it.
type number int32

func (n number) String() string { return fmt.Sprintf("%08x", uint32(n)) }

// lockClass is the first key of an advisory lock.
type lockClass int32

const (
	// setup is held, exclusively and with key 0, while templates are made and
	// leftovers removed.
	setup lockClass = 0x64620000 + iota
	// tests is shared by the process that made the databases test_NUMBER_….
	tests
	// template is shared by the processes that use template_NUMBER.
	template
)

var ours = regexp.MustCompile(`^(test|template|making)_([0-9a-f]{8})(?:_[0-9]+)?(?:_builders)?$`)

// roles are what tests make beside a database, named after it: those of build
// hosts and of the signer, and an owner. They belong to the whole server.
var roles = regexp.MustCompile(`^(test_[0-9a-f]{8}_[0-9]+)_(?:hosts|host_[0-9]+|owner|signer)$`)

// open starts or adopts the server, removes what killed processes left, and
// makes the template if it does not exist.
func open(ctx context.Context, opt options) (*server, error) {
	pg, err := pglocal.Start(ctx, opt.postgres)
	if err != nil {
		return nil, err
	}
	h := fnv.New32a()
	h.Write([]byte(opt.schema))
	s := &server{postgres: pg, process: number(rand.Int32()), template: number(h.Sum32())}
	if err := s.prepare(ctx, opt.migrate); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	return s, nil
}

// close releases the server; only tests of this package live to see it.
func (s *server) close(ctx context.Context) error {
	var err error
	if s.pool != nil {
		s.pool.Close()
	}
	if s.owner != nil {
		err = s.owner.Close(ctx)
	}
	return errors.Join(err, s.postgres.Stop())
}

func (s *server) prepare(ctx context.Context, migrate func(context.Context, string) error) error {
	// Advisory locks belong to a database: all processes meet in this one.
	url := s.postgres.DatabaseURL("postgres")
	var err error
	if s.owner, err = pgx.Connect(ctx, url); err != nil {
		return fmt.Errorf("dbtest: connect: %w", err)
	}
	if s.pool, err = pgxpool.New(ctx, url); err != nil {
		return fmt.Errorf("dbtest: open pool: %w", err)
	}
	const lock = "select pg_advisory_lock($1, 0), pg_advisory_lock_shared($2, $3), pg_advisory_lock_shared($4, $5)"
	if _, err := s.owner.Exec(ctx, lock, setup, tests, s.process, template, s.template); err != nil {
		return fmt.Errorf("dbtest: lock: %w", err)
	}
	if err := s.removeLeftovers(ctx); err != nil {
		return err
	}
	if err := s.makeTemplate(ctx, migrate); err != nil {
		return err
	}
	if _, err := s.owner.Exec(ctx, "select pg_advisory_unlock($1, 0)", setup); err != nil {
		return fmt.Errorf("dbtest: unlock: %w", err)
	}
	return nil
}

// removeLeftovers drops the databases whose users are gone, and templates of
// schemas that nobody tests at the moment.
func (s *server) removeLeftovers(ctx context.Context) error {
	rows, err := s.owner.Query(ctx, "select datname from pg_database")
	if err != nil {
		return fmt.Errorf("dbtest: list databases: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("dbtest: list databases: %w", err)
	}
	for _, name := range names {
		class, n, ok := parseName(name)
		// This session would get locks again that it already holds.
		if !ok || (class == template && n == s.template) {
			continue
		}
		var free bool
		if err := s.owner.QueryRow(ctx, "select pg_try_advisory_lock($1, $2)", class, n).Scan(&free); err != nil {
			return fmt.Errorf("dbtest: lock: %w", err)
		}
		if !free {
			continue
		}
		if err := s.drop(ctx, name); err != nil {
			return err
		}
		if _, err := s.owner.Exec(ctx, "select pg_advisory_unlock($1, $2)", class, n); err != nil {
			return fmt.Errorf("dbtest: unlock: %w", err)
		}
	}
	return s.dropRoles(ctx, "")
}

// parseName returns the lock that the users of a database hold, and false for
// databases that are not this package's.
func parseName(name string) (lockClass, number, bool) {
	m := ours.FindStringSubmatch(name)
	if m == nil {
		return 0, 0, false
	}
	n, err := strconv.ParseUint(m[2], 16, 32)
	if err != nil {
		return 0, 0, false
	}
	if m[1] == "test" {
		return tests, number(uint32(n)), true
	}
	return template, number(uint32(n)), true
}

// makeTemplate makes the template under another name first, so that a
// half-migrated one is never used. Nobody can connect to it afterwards, because
// PostgreSQL does not copy a database that somebody is connected to.
func (s *server) makeTemplate(ctx context.Context, migrate func(context.Context, string) error) error {
	var exists bool
	row := s.owner.QueryRow(ctx, "select exists (select from pg_database where datname = $1 and not datallowconn)", s.templateName())
	if err := row.Scan(&exists); err != nil {
		return fmt.Errorf("dbtest: look for template: %w", err)
	}
	if exists {
		return nil
	}
	making := "making_" + s.template.String()
	for _, name := range []string{making, s.templateName()} {
		if err := s.drop(ctx, name); err != nil {
			return err
		}
	}
	if _, err := s.owner.Exec(ctx, "create database "+making); err != nil {
		return fmt.Errorf("dbtest: create template: %w", err)
	}
	if err := migrate(ctx, s.postgres.DatabaseURL(making)); err != nil {
		return fmt.Errorf("dbtest: migrate template: %w", err)
	}
	for _, sql := range []string{
		"alter database " + making + " rename to " + s.templateName(),
		"alter database " + s.templateName() + " allow_connections false",
	} {
		if _, err := s.owner.Exec(ctx, sql); err != nil {
			return fmt.Errorf("dbtest: finish template: %w", err)
		}
	}
	return nil
}

func (s *server) templateName() string { return "template_" + s.template.String() }

// create makes a database from the template and returns its name.
func (s *server) create(ctx context.Context) (string, error) {
	name := fmt.Sprintf("test_%s_%d", s.process, s.made.Add(1))
	if _, err := s.pool.Exec(ctx, "create database "+name+" template "+s.templateName()); err != nil {
		return "", fmt.Errorf("dbtest: create database: %w", err)
	}
	return name, nil
}

// drop removes a database if it exists and cuts its connections.
func (s *server) drop(ctx context.Context, name string) error {
	if _, err := s.pool.Exec(ctx, "drop database if exists "+name+" with (force)"); err != nil {
		return fmt.Errorf("dbtest: drop database: %w", err)
	}
	return nil
}

// dropBeside removes the database of build hosts and their roles that a test
// made beside its own.
func (s *server) dropBeside(ctx context.Context, name string) error {
	if err := s.drop(ctx, name+"_builders"); err != nil {
		return err
	}
	return s.dropRoles(ctx, name)
}

// dropRoles removes the roles that go with a database, or with any that exists no
// more when name is empty.
func (s *server) dropRoles(ctx context.Context, name string) error {
	rows, err := s.pool.Query(ctx, "select rolname from pg_roles where rolname ~ $1", roles.String())
	if err != nil {
		return fmt.Errorf("dbtest: list roles: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("dbtest: list roles: %w", err)
	}
	for _, role := range all {
		of := roles.FindStringSubmatch(role)[1]
		if name != "" && of != name {
			continue
		}
		if name == "" {
			var exists bool
			if err := s.pool.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", of).Scan(&exists); err != nil {
				return fmt.Errorf("dbtest: look for database: %w", err)
			}
			if exists {
				continue
			}
		}
		_, err := s.pool.Exec(ctx, "drop role if exists "+pgx.Identifier{role}.Sanitize())
		var refused *pgconn.PgError
		if name == "" && errors.As(err, &refused) && refused.Code == "2BP01" {
			// What a killed process left may hang on another database that it
			// left, too: the next one finds the role alone.
			continue
		}
		if err != nil {
			return fmt.Errorf("dbtest: drop role: %w", err)
		}
	}
	return nil
}
