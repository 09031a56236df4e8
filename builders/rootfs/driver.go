package rootfs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/sandbox"
)

// Config is what a Driver needs.
type Config struct {
	// Dir holds base roots and overlays. It belongs to this driver alone.
	Dir    string
	Runner *sandbox.Runner
	Limits sandbox.Limits
	// HTTP fetches the repomd.xml of repositories that are not on this host.
	// Default: a client with a time-out of 30 s.
	HTTP   *http.Client
	Logger *slog.Logger
	// KeepRoots is how many base roots are kept, the least used go first.
	// Default 8.
	KeepRoots int
}

// Driver implements builders.Driver.
type Driver struct {
	config Config
	bases  *bases
}

// New makes a driver. It needs the programs of the host that Check names.
func New(config Config) (*Driver, error) {
	if config.HTTP == nil {
		config.HTTP = &http.Client{Timeout: 30 * time.Second}
	}
	if config.KeepRoots == 0 {
		config.KeepRoots = 8
	}
	for _, dir := range []string{config.Dir, filepath.Join(config.Dir, "base"), filepath.Join(config.Dir, "builds")} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return nil, fmt.Errorf("rootfs: make %s: %w", dir, err)
		}
	}
	d := &Driver{config: config}
	d.bases = &bases{driver: d, dir: filepath.Join(config.Dir, "base")}
	return d, nil
}

// Name implements builders.Driver.
func (d *Driver) Name() string { return "rootfs" }

// hostArch is what this host builds without emulation, by RPM's name.
func hostArch() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return runtime.GOARCH
}

// builder is the uid and gid that builds run as, inside.
const builder = 1000

// SRPM implements builders.Driver.
func (d *Driver) SRPM(ctx context.Context, order builders.SRPMOrder) (builders.Outcome, error) {
	return d.work(ctx, order.Order, func(b *build) error {
		order.Phase(builders.PhaseSRPM)
		if err := b.makeSRPM(ctx, order); err != nil {
			return err
		}
		return b.collect(ctx, "build/SRPMS")
	})
}

// Build implements builders.Driver.
func (d *Driver) Build(ctx context.Context, order builders.BuildOrder) (builders.Outcome, error) {
	return d.work(ctx, order.Order, func(b *build) error {
		if err := b.unpack(ctx, order); err != nil {
			return err
		}
		if err := b.installRequirements(ctx, order.SRPM); err != nil {
			return err
		}
		if err := b.dynamicRequirements(ctx, order); err != nil {
			return err
		}
		if err := b.recordInstalled(ctx); err != nil {
			return err
		}
		if err := b.rpmbuild(ctx, order); err != nil {
			return err
		}
		return b.collect(ctx, "build/RPMS")
	})
}

// build is one build in its overlay.
type build struct {
	driver *Driver
	order  builders.Order
	base   *base
	// dir holds upper, work and builddir.
	dir       string
	rootLog   *os.File
	buildLog  *os.File
	installed []builders.Installed
	// spec is the path of the spec inside, once unpacked; dynamic is true when
	// it generates build requirements.
	spec    string
	dynamic bool
}

// work prepares the overlay, lets do the work in it, and throws it away.
func (d *Driver) work(ctx context.Context, order builders.Order, do func(*build) error) (outcome builders.Outcome, err error) {
	if order.Root.Arch != hostArch() {
		return outcome, &builders.Failure{Phase: builders.PhaseBuildroot,
			Reason: fmt.Sprintf("this host builds for %s, the task is for %s", hostArch(), order.Root.Arch)}
	}
	b := &build{driver: d, order: order}
	if err := b.openLogs(); err != nil {
		return outcome, err
	}
	defer b.closeLogs()
	order.Phase(builders.PhaseBuildroot)
	if b.base, err = d.bases.get(ctx, order.Root, b.rootLog); err != nil {
		return outcome, d.explain(ctx, err)
	}
	defer b.base.release()
	if err := b.makeDirs(ctx); err != nil {
		return outcome, d.explain(ctx, err)
	}
	defer func() {
		// The overlay goes even when the build was canceled.
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if rmErr := d.config.Runner.RemoveAll(clean, b.dir); rmErr != nil {
			d.config.Logger.Warn("rootfs: remove overlay", "task", order.TaskID, "error", rmErr)
		}
	}()
	if err := do(b); err != nil {
		return outcome, d.explain(ctx, err)
	}
	return builders.Outcome{RepoKey: b.base.repoKey, Installed: b.installed}, nil
}

// explain makes an error one of the driver's contract: a canceled context
// stays what it is, anything without a failure is the host's fault.
func (d *Driver) explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var failure *builders.Failure
	if errors.As(err, &failure) {
		return err
	}
	return &builders.Failure{Infrastructure: true, Reason: err.Error(), Err: err}
}

func (b *build) openLogs() (err error) {
	if b.rootLog, err = os.Create(filepath.Join(b.order.LogDir, "root.log")); err != nil {
		return fmt.Errorf("rootfs: create log: %w", err)
	}
	if b.buildLog, err = os.Create(filepath.Join(b.order.LogDir, "build.log")); err != nil {
		b.rootLog.Close()
		return fmt.Errorf("rootfs: create log: %w", err)
	}
	return nil
}

func (b *build) closeLogs() {
	b.rootLog.Close()
	b.buildLog.Close()
}

// makeDirs makes the overlay's directories and /builddir with its macros.
func (b *build) makeDirs(ctx context.Context) error {
	runner := b.driver.config.Runner
	b.dir = filepath.Join(b.driver.config.Dir, "builds", strconv.FormatInt(b.order.TaskID, 10)+"-"+strconv.FormatInt(int64(b.order.Attempt), 10))
	if err := runner.RemoveAll(ctx, b.dir); err != nil {
		return err
	}
	if err := os.Mkdir(b.dir, 0o711); err != nil {
		return fmt.Errorf("rootfs: make overlay: %w", err)
	}
	for _, dir := range []struct {
		name string
		id   int
	}{{"upper", 0}, {"work", 0}, {"builddir", builder}} {
		if err := runner.MkdirMapped(ctx, filepath.Join(b.dir, dir.name), dir.id, dir.id, 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(b.path(macrosFile), []byte(b.macrosText()), 0o644); err != nil {
		return fmt.Errorf("rootfs: write macros: %w", err)
	}
	return nil
}

func (b *build) path(name string) string { return filepath.Join(b.dir, name) }
