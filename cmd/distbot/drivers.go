package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/host"
	"github.com/distbot/distbot/builders/mock"
	"github.com/distbot/distbot/builders/rootfs"
	"github.com/distbot/distbot/internal/sandbox"
)

// The values of builder.driver, besides none.
const (
	driverAuto   = "auto"
	driverRootfs = "rootfs"
	driverMock   = "mock"
	driverHost   = "host"
)

// errEmulate says that the driver of this host can't emulate.
var errEmulate = errors.New("only driver rootfs emulates other architectures: take them out of emulate, or set driver: rootfs (distbot doctor tells what it needs)")

// newDriver makes the configured driver.
func newDriver(config Config, logger *slog.Logger) (builders.Driver, error) {
	ctx := context.Background()
	if len(config.Builder.Emulate) > 0 && (config.Builder.Driver == driverHost || config.Builder.Driver == driverMock) {
		return nil, errEmulate
	}
	switch config.Builder.Driver {
	case noDriver:
		return hubOnly{}, nil
	case driverHost:
		return host.New(ctx, host.Config{
			Dir: filepath.Join(config.StateDir, "hostbuilds"), User: config.Builder.User, Logger: logger,
			Wall: time.Duration(config.Builder.Limits.Timeout), Log: int64(config.Builder.Limits.Log),
		})
	case driverMock:
		return newMock(ctx, config, logger)
	case driverRootfs:
		return newRootfs(ctx, config, logger)
	}
	name, err := chooseDriver(ctx, config.StateDir)
	if err != nil {
		return nil, err
	}
	logger.Info("builder: driver chosen", "driver", name)
	if name == driverMock {
		if len(config.Builder.Emulate) > 0 {
			return nil, errEmulate
		}
		return newMock(ctx, config, logger)
	}
	return newRootfs(ctx, config, logger)
}

// chooseDriver is what auto means on this host: rootfs where it can be, else
// mock where it is installed, and never host. Buildroots would lie in dir.
func chooseDriver(ctx context.Context, dir string) (string, error) {
	reason := rootfsTrouble(ctx, dir)
	if reason == nil {
		return driverRootfs, nil
	}
	if _, err := mock.Probe(ctx, mock.Config{}); err != nil {
		return "", fmt.Errorf("this host can't build (distbot doctor tells more): %w", errors.Join(reason, err))
	}
	return driverMock, nil
}

// rootfsTrouble says what keeps driver rootfs from building on this host.
func rootfsTrouble(ctx context.Context, dir string) error {
	for _, finding := range sandbox.Probe(ctx, sandbox.Config{}, dir) {
		if finding.Required && !finding.OK {
			return fmt.Errorf("driver rootfs: %s: %s", finding.Name, finding.Detail)
		}
	}
	return rootfs.Probe()
}

func newRunner(ctx context.Context) (*sandbox.Runner, error) {
	runner, err := sandbox.New(ctx, sandbox.Config{})
	if err != nil {
		return nil, fmt.Errorf("builds can't be isolated on this host (distbot doctor tells more): %w", err)
	}
	return runner, nil
}

// sandboxLimits bound one build.
func (l LimitsConfig) sandboxLimits() sandbox.Limits {
	return sandbox.Limits{Memory: int64(l.Memory), FileSize: int64(l.FileSize), PIDs: l.PIDs, CPUs: l.CPUs, Wall: time.Duration(l.Timeout)}
}

func newRootfs(ctx context.Context, config Config, logger *slog.Logger) (builders.Driver, error) {
	runner, err := newRunner(ctx)
	if err != nil {
		return nil, err
	}
	limits := config.Builder.Limits
	return rootfs.New(rootfs.Config{
		Dir: filepath.Join(config.StateDir, "buildroots"), Runner: runner, Logger: logger, Emulate: config.Builder.Emulate,
		Disk: int64(limits.Disk), Log: int64(limits.Log), Limits: limits.sandboxLimits(),
	})
}

func newMock(ctx context.Context, config Config, logger *slog.Logger) (builders.Driver, error) {
	runner, err := newRunner(ctx)
	if err != nil {
		return nil, err
	}
	limits := config.Builder.Limits
	return mock.New(ctx, mock.Config{
		Dir: filepath.Join(config.StateDir, "mock"), Runner: runner, Logger: logger, User: config.Builder.User,
		Disk: int64(limits.Disk), Log: int64(limits.Log), Limits: limits.sandboxLimits(),
	})
}

// probeMock looks for a mock that could be used.
func probeMock(ctx context.Context) sandbox.Finding {
	f := sandbox.Finding{Name: "mock"}
	version, err := mock.Probe(ctx, mock.Config{})
	if err != nil {
		f.Detail, f.Remedy = err.Error(), "only for builder.driver: mock; rootfs needs none"
		return f
	}
	f.OK, f.Detail = true, "version "+version
	return f
}

// probeEmulators tells what builder.emulate may name.
func probeEmulators(ctx context.Context) sandbox.Finding {
	f := sandbox.Finding{Name: "emulators"}
	runner, err := newRunner(ctx)
	if err != nil {
		f.Detail = err.Error()
		return f
	}
	can, why := rootfs.Emulatable(ctx, runner)
	if f.OK = len(can) > 0; f.OK {
		f.Detail = "builder.emulate may name " + strings.Join(can, ", ")
		return f
	}
	first := slices.Sorted(maps.Keys(why))[0]
	f.Detail, f.Remedy = why[first].Error(), "only for builder.emulate"
	return f
}

// probeAuto tells what builder.driver: auto means here.
func probeAuto(ctx context.Context, dir string) sandbox.Finding {
	f := sandbox.Finding{Name: "driver", Required: true}
	name, err := chooseDriver(ctx, dir)
	if err != nil {
		f.Detail, f.Remedy = err.Error(), "see what is missing above; driver host builds without isolation, for development only"
		return f
	}
	f.OK, f.Detail = true, "auto is "+name
	return f
}
