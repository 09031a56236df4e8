package rootfs

import (
	"context"
	"fmt"
	"io"
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
	// Emulate names the architectures, by RPM's names, that QEMU's static
	// emulators run here; none by default. What the processor runs by itself,
	// such as i686 on x86_64, is not named.
	Emulate []string
	// Emulators is where the programs qemu-*-static are. Default /usr/bin.
	Emulators string
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
	dnf     string
	origins *origins
	// machines are those that orders may name, by RPM's names.
	machines map[string]machine
	// space tells how full the disk is.
	space func(dir string) (space, error)
}

// Probe says what New would miss on this host besides a sandbox.
func Probe() error {
	_, err := findDNF("/usr/bin")
	return err
}

// New makes a driver and removes what processes that died left in its
// directory. It returns an error when the host has no dnf 4, or can't emulate
// what is to be emulated.
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
	if config.Emulators == "" {
		config.Emulators = emulatorDir
	}
	path, err := findDNF("/usr/bin")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), sweepTime)
	defer cancel()
	machines, err := findMachines(ctx, config)
	if err != nil {
		return nil, err
	}
	d := &Driver{config: config, dnf: path, machines: machines, space: diskSpace, origins: &origins{}}
	d.bases = &bases{
		driver:   d,
		roots:    &shelf{driver: d, dir: filepath.Join(config.Dir, "base"), keep: config.KeepRoots, what: "base root"},
		metadata: &shelf{driver: d, dir: filepath.Join(config.Dir, "metadata"), keep: 2 * config.KeepRoots, what: "repositories' metadata"},
	}
	for _, dir := range []string{config.Dir, d.bases.roots.dir, d.bases.metadata.dir, d.buildsDir()} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return nil, fmt.Errorf("rootfs: make %s: %w", dir, err)
		}
	}
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
		var err error
		if b.specText, err = readSpec(order.SourceDir, order.Spec); err != nil {
			return err
		}
		if err := b.recordInstalled(ctx); err != nil {
			return err
		}
		order.Phase(builders.PhaseSRPM)
		b.budget.atMost(srpmTime)
		processed, err := b.processSpec(ctx, order)
		if err != nil {
			return err
		}
		if err := b.makeSRPM(ctx, order, processed); err != nil {
			return err
		}
		return b.collect(ctx, "build/SRPMS")
	})
}

// maxSpec bounds what is read of a spec.
const maxSpec = 1 << 20

// readSpec reads the text of a spec, to find the lines that failures are
// about. Nothing of it is evaluated.
func readSpec(dir, name string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", fmt.Errorf("rootfs: read spec: %w", err)
	}
	defer root.Close()
	file, err := root.Open(name)
	if err != nil {
		return "", fmt.Errorf("rootfs: read spec: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSpec))
	if err != nil {
		return "", fmt.Errorf("rootfs: read spec: %w", err)
	}
	return string(text), nil
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
