package buildhost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/queue"
)

// CarryOut works on an attempt until it has ended, however that is. For one that
// is being worked on already it waits. The returned error is only about the way
// to the hub: the attempt could not be begun, or its end not be told, before the
// host had to let go of it. Should ctx end, the hub is asked whether the attempt
// is still wanted; ctx itself ends nothing.
func (h *Host) CarryOut(ctx context.Context, claim queue.Claim) error {
	stop := context.AfterFunc(ctx, h.LookNow)
	defer stop()
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	ended, ours := h.enter(claim, cancel)
	if !ours {
		<-ended
		return nil
	}
	defer h.leave(claim)
	attempt, err := h.Hub.Begin(work, claim)
	if errors.Is(err, queue.ErrTaskOver) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("buildhost: begin %s: %w", claim, err)
	}
	defer attempt.Close()
	if why := h.machine().Unready; why != "" {
		return h.refuse(work, attempt, why)
	}
	outcome, dir, err := h.work(work, attempt)
	defer h.clear(dir)
	return h.tell(work, attempt, outcome, filepath.Join(dir, "results"), err)
}

// work does the attempt's work. dir is the attempt's directory, also after an
// error.
func (h *Host) work(ctx context.Context, attempt Attempt) (outcome builders.Outcome, dir string, err error) {
	defer func() {
		if p := recover(); p != nil {
			h.Logger.Error("buildhost: panic", "claim", attempt.Work().String(), "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("buildhost: panic: %v", p)
		}
	}()
	work := attempt.Work()
	if dir, err = h.makeDirs(work.Claim); err != nil {
		return outcome, dir, err
	}
	start, err := attempt.Prepare(ctx, filepath.Join(dir, "input"))
	if err != nil {
		return outcome, dir, err
	}
	logs, err := attempt.Logs()
	if err != nil {
		return outcome, dir, err
	}
	order := builders.Order{
		TaskID: work.TaskID, Attempt: work.Attempt, Root: attempt.Work().Root, Epoch: work.Epoch,
		ResultDir: filepath.Join(dir, "results"), LogDir: logs,
		Phase: func(phase builders.Phase) { attempt.Phase(ctx, phase) },
	}
	if work.Method == queue.MethodBuildSRPM {
		source := builders.SRPMOrder{Order: order, SourceDir: start, Spec: work.Spec}
		if history := filepath.Join(filepath.Dir(start), builders.HistoryFile); exists(history) {
			source.History = history
		}
		outcome, err = h.Driver.SRPM(ctx, source)
	} else {
		outcome, err = h.Driver.Build(ctx, builders.BuildOrder{Order: order, SRPM: start, Arch: work.Arch})
	}
	outcome.Driver = h.Driver.Name()
	return outcome, dir, err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// makeDirs makes the attempt's directories.
func (h *Host) makeDirs(claim queue.Claim) (string, error) {
	dir := filepath.Join(h.WorkDir, strconv.FormatInt(claim.TaskID, 10)+"-"+strconv.FormatInt(int64(claim.Attempt), 10))
	if err := os.RemoveAll(dir); err != nil {
		return dir, fmt.Errorf("buildhost: clear work directory: %w", err)
	}
	for _, name := range []string{"input", "results"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return dir, fmt.Errorf("buildhost: make work directory: %w", err)
		}
	}
	return dir, nil
}

func (h *Host) clear(dir string) {
	if err := os.RemoveAll(dir); err != nil {
		h.Logger.Warn("buildhost: remove work directory", "dir", dir, "error", err)
	}
}

const (
	// tellFor is how long a hub is told how an attempt ended that hears the host's
	// heartbeats and can't take it: its disk may be full, and an administrator on
	// the way. What can't be reached at all ends the work sooner, see Host.
	tellFor = 30 * time.Minute
	// failFor is how long it is told afterwards that it could not take results.
	failFor = 5 * time.Minute
)

// tell tells the hub how the work ended. What can't be told now is told again
// until the host has to let go of the attempt, or the hub has not taken it for
// half an hour: then the attempt ends as one that failed for the hub's reasons.
// Where that can't be told either the attempt is let go of, which the hub notices
// by the heartbeats.
func (h *Host) tell(ctx context.Context, attempt Attempt, outcome builders.Outcome, results string, err error) error {
	most := tellFor
	if err == nil {
		err = h.tellEnd(ctx, attempt, cmp.Or(h.tellMost, most), func(ctx context.Context) error { return attempt.Finish(ctx, outcome, results) })
		var untold *untoldError
		if !errors.As(err, &untold) {
			return err
		}
		err = &builders.Failure{Phase: builders.PhaseVerify, Infrastructure: true, Reason: "the hub did not take the results " + untold.Error(), Err: untold}
		most = failFor
	}
	failure := builders.Explain(err)
	err = h.tellEnd(ctx, attempt, cmp.Or(h.tellMost, most), func(ctx context.Context) error { return attempt.Fail(ctx, failure) })
	var untold *untoldError
	if errors.As(err, &untold) {
		// Returned, it would have the attempt begun again.
		h.Logger.Error("buildhost: the hub did not take the end of an attempt, which is let go of", "claim", attempt.Work().String(), "error", err)
		return nil
	}
	return err
}

// untoldError is an end that the hub did not take for so long that it is not told
// any more.
type untoldError struct {
	most time.Duration
	last error
}

// Error implements error.
func (e *untoldError) Error() string { return fmt.Sprintf("within %s: %v", e.most, e.last) }

// Unwrap returns what was wrong at last.
func (e *untoldError) Unwrap() error { return e.last }

// tellEnd tells an end until it is taken. It returns an *untoldError when it was
// not, from the first time on, for as long as most; nil when the host has let go
// of the attempt.
func (h *Host) tellEnd(ctx context.Context, attempt Attempt, most time.Duration, end func(context.Context) error) error {
	claim := attempt.Work().Claim
	var first time.Time
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, beatEvery) {
		switch cause := context.Cause(ctx); {
		case errors.Is(cause, ErrStopped):
			return h.release(ctx, attempt, "the builder was stopped")
		case cause != nil:
			// The task is another's by now, or will be soon.
			h.Logger.Info("buildhost: the attempt's work is dropped", "claim", claim.String(), "cause", cause)
			return nil
		}
		err := end(ctx)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, queue.ErrLostAttempt):
			h.Logger.Warn("buildhost: the attempt was given up meanwhile; its results are dropped", "claim", claim.String())
			return nil
		case ctx.Err() != nil:
			continue
		case first.IsZero():
			first = time.Now()
		case time.Since(first) >= most:
			return &untoldError{most, err}
		}
		h.Logger.Warn("buildhost: tell the end of an attempt", "claim", claim.String(), "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// refuse gives an attempt back since the machine has become unfit for it after
// it was given to the host.
func (h *Host) refuse(ctx context.Context, attempt Attempt, why string) error {
	h.Logger.Warn("buildhost: the attempt is refused", "claim", attempt.Work().String(), "reason", why)
	err := attempt.Refuse(ctx, why)
	if errors.Is(err, queue.ErrLostAttempt) {
		return nil
	}
	return err
}

// releaseTime is how long a host that stops tries to give its work back.
const releaseTime = 5 * time.Second

// release gives an attempt back that the host has no time for.
func (h *Host) release(ctx context.Context, attempt Attempt, reason string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	err := attempt.Release(ctx, reason)
	if errors.Is(err, queue.ErrLostAttempt) {
		return nil
	}
	return err
}
