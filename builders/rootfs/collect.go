package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/sandbox"
)

// Bounds of what a build may leave.
const (
	maxFiles = 5000
	maxBytes = 16 << 30
)

// collect copies the packages from a directory below /builddir to the order's
// result directory: regular files only, whatever else the build put there.
func (b *build) collect(ctx context.Context, sub string) error {
	_, err := b.driver.config.Runner.Collect(ctx, b.path("builddir"), b.order.ResultDir,
		sandbox.CollectOptions{Sub: sub, MaxFiles: maxFiles, MaxBytes: maxBytes, MaxDepth: 1})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &builders.Failure{Phase: builders.PhaseFiles, Reason: "the build left no " + sub + " directory"}
	case errors.Is(err, sandbox.ErrTooLarge):
		return &builders.Failure{Phase: builders.PhaseFiles, Reason: fmt.Sprintf("the build left more than %d packages or %d GiB", maxFiles, maxBytes>>30)}
	case err != nil:
		return fmt.Errorf("rootfs: collect packages: %w", err)
	}
	return nil
}

// installGenerated installs what rpmbuild -br asked for.
func (b *build) installGenerated(ctx context.Context) error {
	dir, err := os.MkdirTemp(b.dir, "buildreqs-")
	if err != nil {
		return fmt.Errorf("rootfs: make directory: %w", err)
	}
	defer os.RemoveAll(dir)
	found, err := b.driver.config.Runner.Collect(ctx, b.path("builddir"), dir,
		sandbox.CollectOptions{Sub: "build/SRPMS", MaxFiles: 100, MaxBytes: 64 << 20, MaxDepth: 1})
	if err != nil {
		return fmt.Errorf("rootfs: collect generated build requirements: %w", err)
	}
	for _, file := range found.Files {
		if !strings.HasSuffix(file.Path, ".buildreqs.nosrc.rpm") {
			continue
		}
		fmt.Fprintf(b.rootLog, "installing the generated build requirements of %s\n", file.Path)
		return b.installRequirements(ctx, filepath.Join(dir, file.Path))
	}
	return &builders.Failure{Phase: builders.PhaseBuildroot, Reason: "rpmbuild asked for generated build requirements and wrote none"}
}
