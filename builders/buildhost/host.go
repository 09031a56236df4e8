package buildhost

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/queue"
)

// How a host keeps its lease. What it may do without an answer is shorter than
// the time after which its work is given to others.
const (
	beatEvery  = 5 * time.Second
	beatAgain  = time.Second
	fenceAfter = 20 * time.Second
)

// Why the work of an attempt ends early. None of them is the package's fault.
var (
	// ErrDropped says that the hub has no use for the attempt any more: it was
	// canceled, or given to another host.
	ErrDropped = errors.New("buildhost: the attempt was given up")
	// ErrFenced says that the host could not reach the hub for so long that its
	// work may have been given to others.
	ErrFenced = errors.New("buildhost: the hub could not be reached")
	// ErrStopped says that the host stops.
	ErrStopped = errors.New("buildhost: the builder was stopped")
)

// Host carries out attempts. Its methods are safe for concurrent use.
type Host struct {
	Hub    Hub
	Driver builders.Driver
	Info   queue.HostInfo
	// WorkDir holds what only lives as long as an attempt. It is the host's
	// alone.
	WorkDir string
	// Check tells what the machine is like, and why the host should take no work;
	// nil tells nothing. The claims are filled in by the host.
	Check  func() queue.HostStatus
	Logger *slog.Logger

	// every, again and fence stand for beatEvery, beatAgain and fenceAfter in
	// tests, and tellMost for tellFor and failFor.
	every, again, fence, tellMost time.Duration

	mu      sync.Mutex
	running map[queue.Claim]*running
	ended   sync.WaitGroup
	closed  error
	// beat asks for a heartbeat before its time.
	beat chan struct{}
}

// running is an attempt that is worked on.
type running struct {
	cancel context.CancelCauseFunc
	ended  chan struct{}
}

// Connect makes this process the host. It is called once, before anything else.
func (h *Host) Connect(ctx context.Context) error {
	h.running, h.beat = map[queue.Claim]*running{}, make(chan struct{}, 1)
	return h.Hub.Connect(ctx, h.Info)
}

// Run keeps the lease until ctx ends or the lease is lost, and returns why it
// ended: queue.ErrLostLease when another process is the host now or the hub gave
// it up, ErrFenced when the hub could not be reached for 20 s, the context's
// cause otherwise. Whatever the host works on has ended when it returns; when
// ctx ended it was given back, and the lease with it.
func (h *Host) Run(ctx context.Context) error {
	cause := h.keep(ctx)
	if ctx.Err() == nil {
		h.end(cause)
		return cause
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	// What it gives back should not come straight back to it.
	status := h.status()
	status.Unready = "the builder is stopping"
	_, err := h.Hub.Heartbeat(last, status)
	h.end(ErrStopped)
	if err == nil {
		err = h.Hub.Disconnect(last)
	}
	if err != nil {
		// The lease runs out by itself.
		h.Logger.Warn("buildhost: disconnect", "host", h.Info.Name, "error", err)
	}
	return cause
}

// keep sends heartbeats until the lease ends.
func (h *Host) keep(ctx context.Context) error {
	every, again := cmp.Or(h.every, beatEvery), cmp.Or(h.again, beatAgain)
	fence := cmp.Or(h.fence, fenceAfter)
	renewed := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
		case <-h.beat:
		}
		began := time.Now()
		left := fence - began.Sub(renewed)
		if left <= 0 {
			return ErrFenced
		}
		attempt, cancel := context.WithTimeout(ctx, min(every, left))
		orders, err := h.Hub.Heartbeat(attempt, h.status())
		cancel()
		switch {
		case err == nil:
			// The hub counts from when it was told, which is no earlier.
			renewed = began
			h.follow(ctx, orders)
			timer.Reset(every)
		case errors.Is(err, queue.ErrLostLease):
			return err
		case ctx.Err() != nil:
		default:
			h.Logger.Warn("buildhost: renew lease", "host", h.Info.Name, "error", err)
			timer.Reset(again)
		}
	}
}

// status is what the next heartbeat says.
func (h *Host) status() queue.HostStatus {
	var status queue.HostStatus
	if h.Check != nil {
		status = h.Check()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for claim := range h.running {
		status.Running = append(status.Running, claim)
	}
	slices.SortFunc(status.Running, func(x, y queue.Claim) int { return cmp.Compare(x.TaskID, y.TaskID) })
	return status
}

// follow does what a heartbeat was answered with.
func (h *Host) follow(ctx context.Context, orders queue.HostOrders) {
	for _, claim := range orders.Drop {
		h.drop(claim, ErrDropped)
	}
	for _, claim := range orders.Begin {
		go func() {
			// Its error is of the hub, which will be told to say it again.
			if err := h.CarryOut(context.WithoutCancel(ctx), claim); err != nil {
				h.Logger.Warn("buildhost: carry out", "claim", claim.String(), "error", err)
			}
		}()
	}
}

// LookNow has the hub asked at once what has changed, since somebody says that
// something has.
func (h *Host) LookNow() {
	select {
	case h.beat <- struct{}{}:
	default: // it is about to ask
	}
}

// drop ends the work on an attempt.
func (h *Host) drop(claim queue.Claim, cause error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.running[claim]; r != nil {
		r.cancel(cause)
	}
}

// end ends all work and waits for it. No more is taken.
func (h *Host) end(cause error) {
	h.mu.Lock()
	h.closed = cause
	for _, r := range h.running {
		r.cancel(cause)
	}
	h.mu.Unlock()
	h.ended.Wait()
}

// enter notes that an attempt is worked on by the caller; ours is false when it
// is already, or the host takes no more. ended is closed when nobody works on
// it.
func (h *Host) enter(claim queue.Claim, cancel context.CancelCauseFunc) (ended <-chan struct{}, ours bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.running[claim]; r != nil {
		return r.ended, false
	}
	r := &running{cancel: cancel, ended: make(chan struct{})}
	if h.closed != nil {
		close(r.ended)
		return r.ended, false
	}
	h.running[claim] = r
	h.ended.Add(1)
	return r.ended, true
}

func (h *Host) leave(claim queue.Claim) {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.running[claim].ended)
	delete(h.running, claim)
	h.ended.Done()
}
