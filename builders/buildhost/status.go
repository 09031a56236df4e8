package buildhost

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/distbot/distbot/queue"
)

// lookFor is how long Check may take: statfs of a dead network file system never
// returns, and the lease must be kept nevertheless.
const lookFor = 2 * time.Second

// look is a call of Check that has not returned.
type look struct {
	done   chan struct{}
	status queue.HostStatus
}

// status is what the next heartbeat says.
func (h *Host) status() queue.HostStatus {
	status := h.machine()
	h.mu.Lock()
	defer h.mu.Unlock()
	for claim := range h.running {
		status.Running = append(status.Running, claim)
	}
	slices.SortFunc(status.Running, func(x, y queue.Claim) int { return cmp.Compare(x.TaskID, y.TaskID) })
	return status
}

// machine tells what the machine is like. When it does not answer soon, the host
// takes no work; one call of Check at a time waits then.
func (h *Host) machine() queue.HostStatus {
	if h.Check == nil {
		return queue.HostStatus{}
	}
	l, patience := h.startLook(), cmp.Or(h.patience, lookFor)
	select {
	case <-l.done:
		return l.status
	case <-time.After(patience):
		return queue.HostStatus{Unready: fmt.Sprintf("what is free of disk and memory can't be told: nothing answers within %s, as when a file system hangs", patience)}
	}
}

// startLook calls Check, or joins who waits for it.
func (h *Host) startLook() *look {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.look != nil {
		return h.look
	}
	l := &look{done: make(chan struct{})}
	h.look = l
	go func() {
		l.status = h.Check()
		h.mu.Lock()
		h.look = nil
		h.mu.Unlock()
		close(l.done)
	}()
	return l
}
