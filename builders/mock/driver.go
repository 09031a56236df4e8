package mock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/sandbox"
)

// Config is what a Driver needs.
type Config struct {
	// Dir holds configurations, roots and caches. User must be able to pass
	// all directories above it. Several processes may share it.
	Dir string
	// Runner is required, and so is a start of the program with sandbox.Main:
	// what a buildroot holds is read inside a sandbox.
	Runner *sandbox.Runner
	// Program is mock's path. Default: mock as found in PATH.
	Program string
	// User is the account of this host that builds run as, and Group that of
	// mock's users. Defaults: mockbuild, or else the first member of Group;
	// mock.
	User, Group string
	// PackageManager is what mock installs with: dnf4, dnf5 or auto. Default
	// auto: dnf 4 where it is installed, else dnf 5.
	PackageManager string
	// Limits hold for all of mock's processes of an order together. Wall is
	// the time of a build from its root to its packages.
	Limits sandbox.Limits
	// Disk is how many bytes the packages of a build may have together.
	// Default 32 GiB.
	Disk int64
	// Log is the size in bytes at which a build that goes on printing is
	// ended, for each of its logs. Default 256 MiB.
	Log int64
	// HTTP reads repositories that are not on this host. Default: a client
	// that waits 30 s for the header of an answer.
	HTTP *http.Client
	// Logger is told of what could not be cleared away. Default slog.Default().
	Logger *slog.Logger
	// KeepRoots is how many root caches are kept, the least used go first.
	// Those in use stay. Default 8.
	KeepRoots int
}

// Driver implements builders.Driver.
type Driver struct {
	config  Config
	account account
	// version is mock's, for people.
	version string
	// manager is mock's name of the package manager.
	manager string
	// macros is what rpm on this host must be told, see hostmacros.go.
	macros hostMacros
}

// New makes a driver and removes what processes that died left in its
// directory. Its error says what is missing when this host or this user can't
// run mock.
func New(ctx context.Context, config Config) (*Driver, error) {
	if config.HTTP == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.ResponseHeaderTimeout = 30 * time.Second
		config.HTTP = &http.Client{Transport: transport}
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	if config.Disk == 0 {
		config.Disk = 32 << 30
	}
	if config.Log == 0 {
		config.Log = 256 << 20
	}
	if config.KeepRoots == 0 {
		config.KeepRoots = 8
	}
	d := &Driver{config: config}
	if err := d.probe(ctx); err != nil {
		return nil, err
	}
	if err := d.makeDirs(ctx); err != nil {
		return nil, err
	}
	sweep, cancel := context.WithTimeout(ctx, sweepTime)
	defer cancel()
	d.sweep(sweep)
	return d, nil
}

// Name implements builders.Driver.
func (d *Driver) Name() string { return "mock" }

// Version is that of mock.
func (d *Driver) Version() string { return d.version }

// The directories below Config.Dir.
func (d *Driver) configDir() string { return filepath.Join(d.config.Dir, "config") }
func (d *Driver) rootsDir() string  { return filepath.Join(d.config.Dir, "roots") }
func (d *Driver) cacheDir() string  { return filepath.Join(d.config.Dir, "cache") }
func (d *Driver) jobsDir() string   { return filepath.Join(d.config.Dir, "jobs") }

// makeDirs makes the directories, those that mock writes to for its group.
func (d *Driver) makeDirs(ctx context.Context) error {
	for _, dir := range []string{d.config.Dir, d.configDir(), d.rootsDir(), d.cacheDir(), d.jobsDir()} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return fmt.Errorf("mock: make %s: %w", dir, err)
		}
	}
	for _, dir := range []string{d.rootsDir(), d.cacheDir()} {
		if err := errors.Join(os.Chown(dir, 0, d.account.gid), os.Chmod(dir, 0o775|os.ModeSetgid)); err != nil {
			return fmt.Errorf("mock: give %s to mock's group: %w", dir, err)
		}
	}
	if err := d.checkPassable(); err != nil {
		return err
	}
	if err := writeFixed(filepath.Join(d.configDir(), loggingFile), []byte(logging)); err != nil {
		return err
	}
	var err error
	d.macros, err = newHostMacros(ctx, filepath.Join(d.config.Dir, "macros"))
	return err
}

// srpmTime is the most that making a source package may take. Macros that
// expand without end must not hold a builder for as long as a build may.
const srpmTime = 30 * time.Minute

// SRPM implements builders.Driver.
func (d *Driver) SRPM(ctx context.Context, order builders.SRPMOrder) (builders.Outcome, error) {
	return d.work(ctx, order.Order, &srpmTask{order: order})
}

// Build implements builders.Driver.
func (d *Driver) Build(ctx context.Context, order builders.BuildOrder) (builders.Outcome, error) {
	return d.work(ctx, order.Order, &buildTask{order: order})
}
