package rootfs

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildlog"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/sandbox"
)

// budget is what one piece of work may use in all its runs together: time, and
// space on the disk.
type budget struct {
	driver *Driver
	// what is spent on, for people.
	what string
	wall time.Duration // 0 without a limit
	end  time.Time     // zero without a limit
	disk *disk
	// blameless is true when no package is to blame for spending too much.
	blameless bool
}

// newBudget begins a piece of work that writes to dirs, all on one file system.
func (d *Driver) newBudget(what string, dirs ...string) *budget {
	b := &budget{driver: d, what: what, disk: &disk{
		what: what, limit: d.config.Disk,
		space:   func() (space, error) { return d.space(dirs[0]) },
		measure: func(ctx context.Context) (int64, error) { return d.diskUsage(ctx, dirs) },
	}}
	b.atMost(d.config.Limits.Wall)
	return b
}

// atMost gives the work no more time than wall from now on; 0 changes nothing.
func (b *budget) atMost(wall time.Duration) {
	if wall > 0 && (b.wall == 0 || wall < b.wall) {
		b.wall, b.end = wall, time.Now().Add(wall)
	}
}

// run runs a command in the sandbox within what is left. The spec's limits are
// set here, and that nothing is forced to the disk: what a build leaves is
// copied, and base roots do not outlive a boot. Exit codes are results; when the budget ends the command, the error
// is a *diagnosis.Limit. Other errors are the host's.
func (b *budget) run(ctx context.Context, spec sandbox.Spec) (sandbox.Result, error) {
	spec.Limits, spec.NoSync = b.driver.config.Limits, true
	if !b.end.IsZero() {
		if spec.Limits.Wall = time.Until(b.end); spec.Limits.Wall <= 0 {
			return sandbox.Result{TimedOut: true}, b.tooLong(sandbox.ErrTimeout)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		b.disk.watch(ctx, cancel)
	}()
	result, err := b.driver.config.Runner.Run(ctx, spec)
	cancel(nil)
	<-watched
	if err == nil {
		if result.OOMKilled && result.ExitCode != 0 {
			return result, b.outOfMemory()
		}
		return result, nil
	}
	var limit *diagnosis.Limit
	switch {
	case result.TimedOut:
		return result, b.tooLong(err)
	case errors.As(err, &limit): // the disk's or a log's
		own := *limit
		own.Infrastructure = own.Infrastructure || b.blameless
		return result, &own
	default:
		return result, fmt.Errorf("rootfs: run %s: %w", spec.Args[0], err)
	}
}

func (b *budget) tooLong(err error) error {
	return &diagnosis.Limit{
		Kind: diagnosis.KindTimeOut, Infrastructure: b.blameless, Err: err,
		Reason: fmt.Sprintf("%s ran longer than %s and was ended", b.what, b.wall),
	}
}

func (b *budget) outOfMemory() error {
	return &diagnosis.Limit{
		Kind: diagnosis.KindOutOfMemory, Infrastructure: b.blameless, Err: syscall.ENOMEM,
		Reason: fmt.Sprintf("out of memory: %s needs more than %s", b.what, buildlog.SizeText(b.driver.config.Limits.Memory)),
	}
}

// inPhase makes a failure of a limit that a command met which prints to no
// log.
func inPhase(phase builders.Phase, err error) error {
	var limit *diagnosis.Limit
	if errors.As(err, &limit) {
		ended := diagnosis.Exit{Limit: limit}
		return builders.Diagnosed(diagnosis.Limited(phase, limit), ended)
	}
	var failure *builders.Failure
	if errors.As(err, &failure) && failure.Phase == "" {
		failure.Phase = phase
	}
	return err
}

// judge reads from the log why the command of the step that was begun last
// failed, see [builders.Judge].
func judge(log *diagnosis.Log, result sandbox.Result, err error) error {
	return builders.Judge(log, diagnosis.Exit{Code: result.ExitCode, Signal: int(result.Signal), OutOfMemory: result.OOMKilled}, err)
}
