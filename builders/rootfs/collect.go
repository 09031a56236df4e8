package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildlog"
	"github.com/distbot/distbot/internal/sandbox"
)

// maxFiles bounds how many packages a build may leave.
const maxFiles = 5000

// collect copies the packages from a directory below /builddir to the order's
// result directory.
func (b *build) collect(ctx context.Context, sub string) error {
	_, err := b.take(ctx, sub, b.order.ResultDir, sandbox.CollectOptions{MaxFiles: maxFiles, MaxBytes: b.driver.config.Disk})
	return inPhase(builders.PhasePost, err)
}

// take copies the regular files of a directory below /builddir to dest, which
// is this host's. That anything else lies there is the build's failure:
// rpmbuild leaves files only.
func (b *build) take(ctx context.Context, sub, dest string, bounds sandbox.CollectOptions) (*sandbox.CollectResult, error) {
	bounds.Sub, bounds.MaxDepth = sub, 1
	result, err := b.driver.config.Runner.Collect(ctx, b.path("builddir"), dest, bounds)
	refuse := func(format string, args ...any) error {
		return &builders.Failure{Reason: fmt.Sprintf("%s in the buildroot: ", buildDir+"/"+sub) + fmt.Sprintf(format, args...), Err: err}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, refuse("there is no such directory after the build")
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENOTDIR):
		return nil, refuse("the build replaced the directory")
	case errors.Is(err, sandbox.ErrTooLarge):
		return nil, refuse("the build left directories, more than %d files or more than %s", bounds.MaxFiles, buildlog.SizeText(bounds.MaxBytes))
	case err != nil:
		return nil, fmt.Errorf("rootfs: collect packages: %w", err)
	case len(result.Skipped) > 0:
		return nil, refuse("the build left %q, which is no regular file with a printable name", result.Skipped[0])
	}
	return result, nil
}
