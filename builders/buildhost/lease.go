package buildhost

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/distbot/distbot/queue"
)

// How a host keeps its lease. What it may do without an answer is shorter than
// the time after which its work is given to others.
const (
	beatEvery  = 5 * time.Second
	beatAgain  = time.Second
	fenceAfter = 20 * time.Second
)

// keep sends heartbeats until the lease ends.
func (h *Host) keep(ctx context.Context) error {
	every, again := cmp.Or(h.every, beatEvery), cmp.Or(h.again, beatAgain)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-h.guard.fallen:
			return ErrFenced
		case <-timer.C:
		case <-h.beat:
		}
		asking, cancel := context.WithTimeout(ctx, every+cmp.Or(h.patience, lookFor))
		orders, err := h.ask(asking, "")
		cancel()
		switch {
		case err == nil:
			h.follow(ctx, orders)
			timer.Reset(every)
		case errors.Is(err, queue.ErrLostLease), errors.Is(err, ErrFenced):
			return err
		case ctx.Err() != nil:
		default:
			h.Logger.Warn("buildhost: renew lease", "host", h.Info.Name, "error", err)
			timer.Reset(again)
		}
	}
}

// ask sends a heartbeat and renews the lease by its answer. unready replaces what
// the machine says, unless it is empty. A hub that answers nobody is left alone
// when ctx ends or the fence falls.
func (h *Host) ask(ctx context.Context, unready string) (queue.HostOrders, error) {
	type answer struct {
		orders queue.HostOrders
		began  time.Time
		err    error
	}
	answered := make(chan answer, 1)
	go func() {
		status := h.status()
		status.Unready = cmp.Or(unready, status.Unready)
		// The hub counts from some moment after this.
		began := time.Now()
		orders, err := h.Hub.Heartbeat(ctx, status)
		answered <- answer{orders, began, err}
	}()
	select {
	case a := <-answered:
		if a.err == nil && !h.guard.renew(a.began.Add(cmp.Or(h.fence, fenceAfter))) {
			return queue.HostOrders{}, ErrFenced
		}
		return a.orders, a.err
	case <-h.guard.fallen:
		return queue.HostOrders{}, ErrFenced
	case <-ctx.Done():
		return queue.HostOrders{}, context.Cause(ctx)
	}
}

// guard is the fence: a timer of its own that does something when it falls, once.
// Nothing that a host waits for can hold it up.
type guard struct {
	// fallen is closed when it has.
	fallen chan struct{}

	mu    sync.Mutex
	until time.Time
	timer *time.Timer
	down  bool
}

// set begins the count. It is called before the other methods.
func (g *guard) set(until time.Time, fall func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fallen, g.until = make(chan struct{}), until
	g.timer = time.AfterFunc(time.Until(until), func() {
		if g.falls() {
			fall()
			close(g.fallen)
		}
	})
}

// falls reports whether the time is over, and notes it. A timer may go off
// beside a renewal, which sets it anew then.
func (g *guard) falls() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down || time.Now().Before(g.until) {
		return false
	}
	g.down = true
	return true
}

// renew puts the fall off, and reports whether there was time for that.
func (g *guard) renew(until time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	// The timer may be about to go off.
	if g.down || !time.Now().Before(g.until) {
		return false
	}
	if until.After(g.until) {
		g.until = until
		g.timer.Reset(time.Until(until))
	}
	return true
}

// close ends the count. There is nothing left to be fenced.
func (g *guard) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down = true
	g.timer.Stop()
}
