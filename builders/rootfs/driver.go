package rootfs

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/sandbox"
)

// Config is what a Driver needs.
type Config struct {
	// Dir holds base roots and overlays. Several processes may share it; they
	// share its base roots too.
	Dir string
	// Runner is required, and so is a start of the program with sandbox.Main.
	Runner *sandbox.Runner
	// Limits hold for each command of a build, but Wall: that is the time of a
	// build from its base root to its packages, and of installing a base root.
	Limits sandbox.Limits
	// Disk is how many bytes a build may keep on the disk, its build
	// requirements included, and how large a base root may become. It is
	// measured now and then, so that a build may have more for some seconds.
	// Default 32 GiB.
	Disk int64
	// Log is the size in bytes at which a build that goes on printing is
	// ended, for each of its logs. Default 256 MiB.
	Log int64
	// HTTP fetches the repomd.xml of repositories that are not on this host.
	// Default: a client with a time-out of 30 s.
	HTTP *http.Client
	// Logger is told of what could not be cleared away. Default slog.Default().
	Logger *slog.Logger
	// KeepRoots is how many base roots are kept, the least used go first.
	// Those in use stay. Default 8.
	KeepRoots int
}

// Driver implements builders.Driver.
type Driver struct {
	config Config
	bases  *bases
	// dnf is the path of dnf 4.
	dnf string
	// space tells how full the disk is.
	space func(dir string) (space, error)
}

// New makes a driver and removes what processes that died left in its
// directory. It returns an error when the host has no dnf 4.
func New(config Config) (*Driver, error) {
	if config.HTTP == nil {
		config.HTTP = &http.Client{Timeout: 30 * time.Second}
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
	path, err := findDNF("/usr/bin")
	if err != nil {
		return nil, err
	}
	d := &Driver{config: config, dnf: path, space: diskSpace}
	d.bases = &bases{driver: d, dir: filepath.Join(config.Dir, "base")}
	for _, dir := range []string{config.Dir, d.bases.dir, d.buildsDir()} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return nil, fmt.Errorf("rootfs: make %s: %w", dir, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), sweepTime)
	defer cancel()
	d.sweep(ctx)
	return d, nil
}

// Name implements builders.Driver.
func (d *Driver) Name() string { return "rootfs" }

func (d *Driver) buildsDir() string { return filepath.Join(d.config.Dir, "builds") }

// hostArch is what this host builds without emulation, by RPM's name.
func hostArch() string { return arch.Host() }

// srpmTime is the most that making a source package may take. Macros that
// expand without end must not hold a builder for as long as a build may.
const srpmTime = 30 * time.Minute

// SRPM implements builders.Driver. Everyone must be able to read the sources.
func (d *Driver) SRPM(ctx context.Context, order builders.SRPMOrder) (builders.Outcome, error) {
	return d.work(ctx, order.Order, func(ctx context.Context, b *build) error {
		if order.Spec != filepath.Base(order.Spec) {
			return &builders.Failure{Phase: builders.PhaseSRPM, Reason: fmt.Sprintf("%q is no file name of a spec", order.Spec)}
		}
		if err := checkReadable(order.SourceDir, filepath.Join(order.SourceDir, order.Spec)); err != nil {
			return err
		}
		if err := b.recordInstalled(ctx); err != nil {
			return err
		}
		order.Phase(builders.PhaseSRPM)
		b.budget.atMost(srpmTime)
		if err := b.makeSRPM(ctx, order); err != nil {
			return err
		}
		return b.collect(ctx, "build/SRPMS")
	})
}

// Build implements builders.Driver. Everyone must be able to read the SRPM.
func (d *Driver) Build(ctx context.Context, order builders.BuildOrder) (builders.Outcome, error) {
	return d.work(ctx, order.Order, func(ctx context.Context, b *build) error {
		if err := checkReadable(order.SRPM); err != nil {
			return err
		}
		if err := b.unpack(ctx, order.SRPM); err != nil {
			return err
		}
		if err := b.installRequirements(ctx, order.SRPM); err != nil {
			return err
		}
		if err := b.buildPackages(ctx, order.Arch); err != nil {
			return err
		}
		return b.collect(ctx, "build/RPMS")
	})
}
