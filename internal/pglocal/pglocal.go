// Package pglocal runs a private PostgreSQL from the system's binaries: the
// database of an installation whose database.url is empty, of the demo, and of
// the tests.
//
// It knows where distributions put the server's binaries, how a cluster is made
// and how a postmaster is started, shared and stopped. It refuses to know what
// is stored in it: schema, migrations and pools are their owners' business.
//
// # Where it listens
//
// On a unix socket below Config.Dir and nowhere else: listen_addresses is
// empty. Dir has mode 0700, which is also the whole access control: who can
// enter it can be the superuser of this cluster, which is trusted, and nobody
// else can reach it but through those who enter. Every other role needs its
// password (scram-sha-256): processes pass others' connections on. When
// Dir is too long for a socket address (107 bytes, unix(7)), the socket lives in
// a directory of mode 0700 below /tmp.
//
// # Whom it runs as
//
// PostgreSQL refuses to run as root. When the caller is root, the server runs
// as Config.Account and Dir belongs to that account; every directory above Dir
// must let that account pass. When it does not, Start says which directory and
// what to do, rather than keep data where nobody looks for it.
//
// # Who stops it
//
// The server is shared by every process that called Start for the same Dir and
// lives as long as the last of them. Each holds a shared flock(2) on
// DIR/users.lock, which the kernel drops when the process ends, however it
// ends. Each has a watcher as well, a flock(1) process that waits for the
// exclusive lock and then runs "pg_ctl stop": when the last user is killed with
// SIGKILL, its watcher still stops the server in good order. A Start that comes
// meanwhile waits until the server is down and starts it again; a Start that
// finds a server running adopts it. A server that ends under its users is
// started again by those that called Keep.
package pglocal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// superuser is the database role made by initdb.
	superuser = "distbot"
	// startTimeout bounds Start when its context has no earlier deadline. It is
	// generous because a server that was killed replays its log first.
	startTimeout = 2 * time.Minute
	// stopTimeout bounds Stop.
	stopTimeout = time.Minute

	// usersLock is shared by all who use the server; who holds it exclusively
	// may stop the server.
	usersLock = "users.lock"
	// startLock is held by the one who starts it.
	startLock = "start.lock"
	// versionFile is written by initdb.
	versionFile = "data/PG_VERSION"
)

// Config says where a private server lives and how much its data matter.
type Config struct {
	// Dir holds the cluster, its socket, its log and its locks. It is made, with
	// mode 0700, if it does not exist. An existing Dir must be empty or have
	// been made by Start. Required.
	Dir string

	// Account is the operating system's account to run as when the caller is
	// root; otherwise it is ignored and the caller's own account is used.
	// Defaults to "postgres", which the distributions' packages create.
	Account string

	// Database is made if it does not exist. Defaults to "distbot".
	Database string

	// Durable says that what was committed must survive a crash of the machine.
	// Without it the server runs with fsync, full_page_writes,
	// synchronous_commit and autovacuum off, and a cluster that was made before
	// the last boot is thrown away, because nothing in it can be relied on.
	Durable bool

	// MaxConnections defaults to 200.
	MaxConnections int

	// BinDir holds postgres, initdb and pg_ctl. Defaults to the newest version
	// found on PATH and where distributions put them; an existing cluster is
	// served by the version that made it.
	BinDir string

	// Log receives what Start did and the unexpected end of a server. Defaults
	// to discarding.
	Log *slog.Logger
}

// Server is a running private PostgreSQL that this process uses. Its methods
// may be called by several goroutines at once.
type Server struct {
	cfg       Config
	bin       binaries
	owner     owner
	root      *os.Root
	socketDir string
	users     *os.File
	watcher   *watcher
	postmast  *postmaster // nil when the server was adopted

	stopOnce sync.Once
	stopErr  error
}

// Start makes the cluster if there is none, starts the server if it does not
// run, and returns when it accepts connections. ctx bounds the start only (at
// most two minutes), not the life of the server. An error from the server's own
// start carries the end of its log.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	own, err := ownerFor(cfg.Account)
	if err != nil {
		return nil, err
	}
	root, err := openDir(cfg.Dir, own)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, owner: own, root: root}

	// Starts take turns, so that one of them makes the cluster and the others
	// adopt the server it started.
	turn, err := lockFile(ctx, root, startLock, exclusive, own)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	if err := errors.Join(s.start(ctx), unlock(turn)); err != nil {
		return nil, errors.Join(err, s.release())
	}
	return s, nil
}

// Exists reports whether dir, a Config.Dir, holds a cluster that Start would serve.
// Where it does not, Start would make one.
func Exists(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, versionFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("pglocal: look for a cluster: %w", err)
	}
	return true, nil
}

func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("pglocal: check configuration: Dir is empty")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, fmt.Errorf("pglocal: check configuration: %w", err)
	}
	c.Dir = dir
	if c.Account == "" {
		c.Account = "postgres"
	}
	if c.Database == "" {
		c.Database = "distbot"
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = 200
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// start does the work of Start; the caller holds start.lock. What it leaves
// behind on error is undone by release.
func (s *Server) start(ctx context.Context) error {
	var err error
	// Waits for a watcher that is just stopping the server.
	if s.users, err = lockFile(ctx, s.root, usersLock, shared, s.owner); err != nil {
		return err
	}
	if err := s.prepareCluster(ctx); err != nil {
		return err
	}
	// The watcher comes before the server: a process killed between the two
	// leaves a watcher with nothing to do, not a server nobody stops.
	if s.watcher, err = startWatcher(s.bin, s.cfg.Dir, s.owner); err != nil {
		return err
	}
	running, err := s.adopt(ctx)
	if err != nil {
		return err
	}
	if running {
		err = s.reloadAccess(ctx)
	} else {
		err = s.launch(ctx)
	}
	if err != nil {
		return err
	}
	return s.prepareDatabase(ctx)
}

// URL is the connection string of Config.Database, for pgx and libpq. It holds
// no secret.
func (s *Server) URL() string { return s.DatabaseURL(s.cfg.Database) }

// DatabaseURL is the connection string of another database of this server,
// which need not exist.
func (s *Server) DatabaseURL(database string) string {
	u := url.URL{
		Scheme: "postgres",
		User:   url.User(superuser),
		Path:   "/" + database,
		RawQuery: url.Values{
			"host":    {s.socketDir},
			"port":    {port},
			"sslmode": {"disable"},
		}.Encode(),
	}
	return u.String()
}

func (s *Server) dataDir() string { return filepath.Join(s.cfg.Dir, "data") }
func (s *Server) logFile() string { return filepath.Join(s.cfg.Dir, logName) }
