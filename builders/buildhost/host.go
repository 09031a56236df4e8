package buildhost

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/queue"
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

	// every, again, fence, patience and tellMost stand for beatEvery, beatAgain,
	// fenceAfter, lookFor, and tellFor and failFor in tests.
	every, again, fence, patience, tellMost time.Duration

	mu      sync.Mutex
	running map[queue.Claim]*running
	// full says that something was not begun since all places were taken.
	full   bool
	ended  sync.WaitGroup
	closed error
	guard  guard
	// look is a look at the machine that is under way, if there is one.
	look *look
	// beat asks for a heartbeat before its time.
	beat chan struct{}
}

// running is an attempt that is worked on.
type running struct {
	cancel context.CancelCauseFunc
	ended  chan struct{}
}

// Connect makes this process the host. It is called once, before anything else;
// after an error it may be called again.
func (h *Host) Connect(ctx context.Context) error {
	h.running, h.beat = map[queue.Claim]*running{}, make(chan struct{}, 1)
	info := h.Info
	info.Status = h.machine()
	// The hub counts from some moment after this.
	began := time.Now()
	if err := h.Hub.Connect(ctx, info); err != nil {
		return err
	}
	h.guard.set(began.Add(cmp.Or(h.fence, fenceAfter)), func() { h.stop(ErrFenced) })
	return nil
}

// Run keeps the lease until ctx ends or the lease is lost, and returns why it
// ended: queue.ErrLostLease when another process is the host now or the hub gave
// it up, ErrFenced when the hub could not be reached for 20 s, the context's
// cause otherwise. Whatever the host works on has ended when it returns; when
// ctx ended it was given back, and the lease with it.
func (h *Host) Run(ctx context.Context) error {
	defer h.guard.close()
	cause := h.keep(ctx)
	if ctx.Err() == nil {
		h.end(cause)
		return cause
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	// What it gives back should not come straight back to it.
	_, err := h.ask(last, "the builder is stopping")
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

// follow does what a heartbeat was answered with. What there is no place for is
// left to be said again.
func (h *Host) follow(ctx context.Context, orders queue.HostOrders) {
	for _, claim := range orders.Drop {
		h.drop(claim, ErrDropped)
	}
	for _, claim := range h.choose(orders.Begin) {
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
	h.stop(cause)
	h.ended.Wait()
}

// stop ends all work, and does not wait for that. No more is taken.
func (h *Host) stop(cause error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = cause
	for _, r := range h.running {
		r.cancel(cause)
	}
}

// enter notes that an attempt is worked on by the caller; ours is false when it
// is already, or the host takes no more, or has no place for it now. ended is
// closed when nobody works on it.
func (h *Host) enter(claim queue.Claim, cancel context.CancelCauseFunc) (ended <-chan struct{}, ours bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.running[claim]; r != nil {
		return r.ended, false
	}
	r := &running{cancel: cancel, ended: make(chan struct{})}
	if h.closed != nil || !h.hasPlace(0) {
		close(r.ended)
		return r.ended, false
	}
	h.running[claim] = r
	h.ended.Add(1)
	return r.ended, true
}

// leave notes that an attempt is not worked on any more.
func (h *Host) leave(claim queue.Claim) {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.running[claim].ended)
	delete(h.running, claim)
	h.ended.Done()
	if h.full {
		h.full = false
		h.LookNow()
	}
}

// choose returns those of the attempts that can be begun now: nobody works on
// them, and there is a place for each.
func (h *Host) choose(claims []queue.Claim) (chosen []queue.Claim) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, claim := range claims {
		if h.running[claim] != nil {
			continue
		}
		if !h.hasPlace(len(chosen)) {
			break
		}
		chosen = append(chosen, claim)
	}
	return chosen
}

// hasPlace reports whether one more attempt may be worked on, besides those that
// are and so many others. Tasks weigh 1 and more, and a host is given some while
// its tasks weigh less than its capacity: a hub that orders more is wrong, or has
// not seen yet what has just ended here. It is called with mu locked.
func (h *Host) hasPlace(others int) bool {
	if len(h.running)+others < max(1, int(math.Ceil(float64(h.Info.Capacity)))) {
		return true
	}
	h.full = true
	return false
}
