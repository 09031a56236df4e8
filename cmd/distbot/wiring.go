package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/rootfs"
	"github.com/distbot/distbot/distgit"
	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/sandbox"
	"github.com/distbot/distbot/queue"
)

// lateClient is the client that workers insert with, which exists only after
// they do.
type lateClient struct{ *queue.Client }

// sources lets builders check out through distgit.
type sources struct{ checkout *distgit.Checkout }

// Prepare implements builders.Sources.
func (s sources) Prepare(ctx context.Context, order builders.SourceOrder, dir string, log io.Writer) error {
	return s.checkout.Prepare(ctx, order.RepositoryID, order.Ref, order.Commit, dir, log)
}

// atLeast raises the level of a log.
type atLeast struct {
	slog.Handler
	level slog.Level
}

// Enabled implements slog.Handler.
func (h atLeast) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level && h.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h atLeast) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(attrs), h.level}
}

// WithGroup implements slog.Handler.
func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{h.Handler.WithGroup(name), h.level}
}

// noDriver is the name of the driver of a hub that does not build.
const noDriver = "none"

// hubOnly is the driver of a hub that does not build; its queues are not taken.
type hubOnly struct{}

// Name implements builders.Driver.
func (hubOnly) Name() string { return noDriver }

// SRPM implements builders.Driver.
func (hubOnly) SRPM(context.Context, builders.SRPMOrder) (builders.Outcome, error) {
	return builders.Outcome{}, &builders.Failure{Infrastructure: true, Reason: "this process does not build"}
}

// Build implements builders.Driver.
func (hubOnly) Build(context.Context, builders.BuildOrder) (builders.Outcome, error) {
	return builders.Outcome{}, &builders.Failure{Infrastructure: true, Reason: "this process does not build"}
}

// newDriver makes the configured driver.
func newDriver(config Config, logger *slog.Logger) (builders.Driver, error) {
	if config.Builder.Driver == noDriver {
		return hubOnly{}, nil
	}
	runner, err := sandbox.New(context.Background(), sandbox.Config{})
	if err != nil {
		return nil, fmt.Errorf("builds can't be isolated on this host (distbot doctor tells more): %w", err)
	}
	limits := config.Builder.Limits
	return rootfs.New(rootfs.Config{
		Dir: filepath.Join(config.StateDir, "buildroots"), Runner: runner, Logger: logger,
		Disk: int64(limits.Disk), Log: int64(limits.Log),
		Limits: sandbox.Limits{
			Memory: int64(limits.Memory), FileSize: int64(limits.FileSize), PIDs: limits.PIDs, CPUs: limits.CPUs,
			Wall: time.Duration(limits.Timeout),
		},
	})
}

// builderArches are the architectures this host builds for.
func (c Config) builderArches() []string {
	if len(c.Builder.Arches) > 0 {
		return c.Builder.Arches
	}
	return []string{hostArch()}
}

// hostArch is this machine's architecture by RPM's name.
func hostArch() string { return arch.Host() }

// removeBuildroots removes what builds wrote, which belongs to them.
func removeBuildroots(config Config) error {
	runner, err := sandbox.New(context.Background(), sandbox.Config{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return runner.RemoveAll(ctx, filepath.Join(config.StateDir, "buildroots"))
}
