package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/flock"
)

// Config is what a Driver needs.
type Config struct {
	// Dir holds the builds' directories. Several processes may share it.
	Dir string
	// User is the account that rpmbuild runs as; required as root, and else
	// empty. It must be able to pass all directories above Dir.
	User string
	// Wall is the time of a build; 0 is without a limit.
	Wall time.Duration
	// Log is the size in bytes at which a build that goes on printing is
	// ended. Default 256 MiB.
	Log int64
	// Logger is told that builds are not isolated, and of what could not be
	// cleared away. Default slog.Default().
	Logger *slog.Logger
}

// Driver implements builders.Driver.
type Driver struct {
	config Config
	// uid and gid are those of Config.User; -1 without one.
	uid, gid int
	// checked says that this host's rpm knows what is installed.
	checked bool
}

// ErrRoot says that rpmbuild would run as root.
var ErrRoot = errors.New("host: rpmbuild must not run as root, whatever a spec says would be done to this host: name another account (builder.user), or run distbot as one")

// New makes a driver and removes what processes that died left in its
// directory, with what their builds left running. Its error says what is
// missing.
func New(ctx context.Context, config Config) (*Driver, error) {
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	if config.Log == 0 {
		config.Log = 256 << 20
	}
	d := &Driver{config: config, uid: -1, gid: -1}
	if _, err := exec.LookPath("rpmbuild"); err != nil {
		return nil, fmt.Errorf("host: rpmbuild is not installed: install the package rpm-build (Debian: rpm): %w", err)
	}
	if err := d.findUser(); err != nil {
		return nil, err
	}
	// rpm opens each directory on the way, also as another.
	if err := os.MkdirAll(config.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("host: make %s: %w", config.Dir, err)
	}
	out, err := exec.CommandContext(ctx, "rpm", "-qa", "--qf", "x").Output()
	if err != nil {
		return nil, fmt.Errorf("host: ask rpm what is installed: %w", err)
	}
	d.checked = len(out) > 0
	config.Logger.Warn("host: builds are not isolated: they can read and change what their account can, use the network and see one another", "lacks", d.Lacks())
	return d, d.sweep()
}

// findUser looks up the account that rpmbuild runs as.
func (d *Driver) findUser() error {
	if os.Geteuid() != 0 {
		if d.config.User != "" {
			return fmt.Errorf("host: only root can build as %s", d.config.User)
		}
		return nil
	}
	if d.config.User == "" {
		return ErrRoot
	}
	who, err := user.Lookup(d.config.User)
	if err != nil {
		return fmt.Errorf("host: look up the account that builds run as: %w", err)
	}
	var err1, err2 error
	d.uid, err1 = strconv.Atoi(who.Uid)
	d.gid, err2 = strconv.Atoi(who.Gid)
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("host: look up the account that builds run as: %w", err)
	}
	if d.uid == 0 {
		return ErrRoot
	}
	return nil
}

// Name implements builders.Driver.
func (d *Driver) Name() string { return "host" }

// Lacks says what the driver does not do, see [builders.Lacks].
func (d *Driver) Lacks() []builders.Lack {
	lacks := []builders.Lack{builders.LackIsolation, builders.LackBuildroot}
	if !d.checked {
		lacks = append(lacks, builders.LackRequirements)
	}
	return lacks
}

// SRPM implements builders.Driver.
func (d *Driver) SRPM(ctx context.Context, order builders.SRPMOrder) (builders.Outcome, error) {
	return builders.Outcome{}, d.work(ctx, order.Order, func(ctx context.Context, b *build) error {
		return b.makeSRPM(ctx, order)
	})
}

// Build implements builders.Driver.
func (d *Driver) Build(ctx context.Context, order builders.BuildOrder) (builders.Outcome, error) {
	return builders.Outcome{}, d.work(ctx, order.Order, func(ctx context.Context, b *build) error {
		return b.makePackages(ctx, order)
	})
}

// sweep removes what processes that ended left. What a living process works on
// is locked.
func (d *Driver) sweep() error {
	locks, err := filepath.Glob(filepath.Join(d.config.Dir, "*"+flock.Suffix))
	if err != nil {
		return fmt.Errorf("host: look for leftovers: %w", err)
	}
	for _, path := range locks {
		lock, err := flock.Try(path, flock.Exclusive)
		if err != nil {
			return err
		}
		if lock != nil {
			d.remove(path[:len(path)-len(flock.Suffix)])
			lock.Remove()
		}
	}
	return nil
}

// remove ends what a build left running and removes its directory.
func (d *Driver) remove(dir string) {
	if err := endProcesses(dir); err != nil {
		d.config.Logger.Warn("host: processes left behind", "dir", dir, "error", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		d.config.Logger.Warn("host: directory left behind", "dir", dir, "error", err)
	}
}
