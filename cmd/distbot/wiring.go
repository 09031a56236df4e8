package main

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/distbot/distbot/builders"
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
	return s.checkout.Prepare(ctx, order.RepositoryID, order.Ref, order.Commit, dir, order.History, log)
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

// builderArches are the architectures this host builds for, emulated ones
// included.
func (c Config) builderArches() []string {
	native := c.Builder.Arches
	if len(native) == 0 {
		native = []string{hostArch()}
	}
	return slices.Concat(native, c.Builder.Emulate)
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
