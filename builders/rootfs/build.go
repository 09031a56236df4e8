package rootfs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildlog"
	"github.com/distbot/distbot/builders/buildroot"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/flock"
	"github.com/distbot/distbot/internal/sandbox"
)

// builder is the uid and gid that builds run as, inside.
const builder = 1000

// build is one build in its overlay.
type build struct {
	driver *Driver
	order  builders.Order
	base   *base
	budget *budget
	// machine runs what the root holds.
	machine machine
	// dir holds upper, work, builddir and the macros, and where dnf writes to
	// its cache.
	dir       string
	rootLog   *diagnosis.Log
	buildLog  *diagnosis.Log
	files     []*buildlog.File // of the logs
	installed []builders.Installed
	// spec is the path of the spec inside, and specText its text, once
	// unpacked.
	spec     string
	specText string
}

// work prepares the overlay, lets do the work in it, and throws it away.
func (d *Driver) work(ctx context.Context, order builders.Order, do func(context.Context, *build) error) (outcome builders.Outcome, err error) {
	b := &build{driver: d, order: order, machine: d.machines[order.Root.Arch]}
	if err := b.openLogs(); err != nil {
		return outcome, d.explain(ctx, err)
	}
	defer b.closeLogs()
	if err := buildroot.Check(order, slices.Collect(maps.Keys(d.machines))...); err != nil {
		return outcome, d.explain(ctx, err)
	}
	order.Phase(builders.PhaseBuildroot)
	if b.base, err = d.bases.get(ctx, order.Root, b.rootLog); err != nil {
		return outcome, d.explain(ctx, err)
	}
	defer b.base.release()
	origin := d.origins.look(ctx, b.base)
	defer origin.stop()
	if err := d.inOverlay(ctx, b, do); err != nil {
		return outcome, d.explain(ctx, err)
	}
	origin.mark(b.installed, b.rootLog)
	return builders.Outcome{RepoKey: b.base.repoKey, Installed: b.installed}, nil
}

// inOverlay makes the build's directories and removes them in the end, even
// when the build was canceled. The lock beside them says that somebody uses
// them.
func (d *Driver) inOverlay(ctx context.Context, b *build, do func(context.Context, *build) error) error {
	b.dir = filepath.Join(d.buildsDir(), strconv.FormatInt(b.order.TaskID, 10)+"-"+strconv.FormatInt(int64(b.order.Attempt), 10))
	lock, err := flock.Take(ctx, b.dir+flock.Suffix, flock.Exclusive)
	if err != nil {
		return err
	}
	defer lock.Remove()
	defer func() {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		d.removeTree(clean, b.dir)
	}()
	if err := b.makeDirs(ctx); err != nil {
		return err
	}
	b.budget = d.newBudget("the build", b.path("upper"), b.path("work"), b.path("builddir"), b.path(downloadDir))
	return do(ctx, b)
}

// removeTree removes what is not needed any more. What stays is removed by the
// next New.
func (d *Driver) removeTree(ctx context.Context, dir string) {
	if err := d.config.Runner.RemoveAll(ctx, dir); err != nil {
		d.config.Logger.Warn("rootfs: directory left behind", "dir", dir, "error", err)
	}
}

// explain makes an error one of the driver's contract: a canceled context
// stays what it is, anything without a failure is the host's fault.
func (d *Driver) explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	failure := &builders.Failure{Infrastructure: true, Reason: err.Error()}
	var known *builders.Failure
	var limit *diagnosis.Limit
	if errors.As(err, &known) {
		*failure = *known
	} else if errors.As(err, &limit) {
		failure = builders.Diagnosed(diagnosis.Limited(builders.PhaseBuildroot, limit), diagnosis.Exit{Limit: limit})
	}
	failure.Reason = buildlog.OneLine(failure.Reason)
	if failure.Err == nil {
		failure.Err = err
	}
	return failure
}

func (b *build) openLogs() error {
	for _, log := range []struct {
		name  string
		to    **diagnosis.Log
		enter func(builders.Phase)
	}{{"root.log", &b.rootLog, nil}, {"build.log", &b.buildLog, b.order.Phase}} {
		file, err := buildlog.Create(filepath.Join(b.order.LogDir, log.name), b.driver.config.Log)
		if err != nil {
			b.closeLogs()
			return err
		}
		b.files = append(b.files, file)
		*log.to = diagnosis.NewLog(log.name, file, log.enter)
	}
	return nil
}

func (b *build) closeLogs() {
	for _, file := range b.files {
		file.Close()
	}
}

// dnfWorkDir belongs to the overlay over dnf's cache.
const dnfWorkDir = "dnf-work"

// makeDirs makes the overlay's directories and /builddir with its macros.
func (b *build) makeDirs(ctx context.Context) error {
	runner := b.driver.config.Runner
	if err := runner.RemoveAll(ctx, b.dir); err != nil {
		return err
	}
	if err := os.Mkdir(b.dir, 0o711); err != nil {
		return fmt.Errorf("rootfs: make overlay: %w", err)
	}
	for _, dir := range []struct {
		name string
		id   int
	}{{"upper", 0}, {"work", 0}, {"builddir", builder}, {downloadDir, 0}, {dnfWorkDir, 0}} {
		if err := runner.MkdirMapped(ctx, b.path(dir.name), dir.id, dir.id, 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(b.path(macrosFile), []byte(buildroot.Macros(b.order.Root.Macros)), 0o644); err != nil {
		return fmt.Errorf("rootfs: write macros: %w", err)
	}
	// Whatever the umask: rpm goes on without macros that it can't read.
	if err := os.Chmod(b.path(macrosFile), 0o644); err != nil {
		return fmt.Errorf("rootfs: write macros: %w", err)
	}
	return nil
}

// checkReadable refuses input that builds, which are strangers to this host,
// can't read. It would look like a mistake of the package.
func checkReadable(paths ...string) error {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("rootfs: look at input: %w", err)
		}
		if info.Mode()&0o004 == 0 || info.IsDir() && info.Mode()&0o001 == 0 {
			return fmt.Errorf("rootfs: %s is not readable for everyone (mode %s)", path, info.Mode())
		}
	}
	return nil
}

func (b *build) path(name string) string { return filepath.Join(b.dir, name) }

// overlay is the build's root.
func (b *build) overlay() sandbox.Root {
	return sandbox.Root{Lower: []string{b.base.dir}, Upper: b.path("upper"), Work: b.path("work")}
}

// step notes what is done in root.log, and how long it took when it is done.
func (b *build) step(what string) (done func()) {
	start := time.Now()
	fmt.Fprintf(b.rootLog, "\n# %s\n", what)
	return func() { fmt.Fprintf(b.rootLog, "# done in %.2f s\n", time.Since(start).Seconds()) }
}
