package buildhost

import (
	"context"
	"sync"
	"testing"

	"github.com/distbot/distbot/queue"
)

// TestPlaces gives a host a thousand times more than it has room for.
func TestPlaces(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	left := map[queue.Claim]bool{}
	for i := range 3000 {
		left[queue.Claim{TaskID: int64(i + 1), Attempt: 1}] = true
	}
	// It orders everything that has not ended, as hubs do.
	orders := func() (all queue.HostOrders) {
		mu.Lock()
		defer mu.Unlock()
		for claim := range left {
			all.Begin = append(all.Begin, claim)
		}
		return all
	}
	far := &hub{heartbeat: func(context.Context, queue.HostStatus) (queue.HostOrders, error) { return orders(), nil }}
	h, _, _ := newHost(t, far)
	// Nothing but the end of a build asks the hub again.
	h.every = patience
	started, release, running, most := make(chan struct{}, 3000), make(chan struct{}), 0, 0
	h.Driver = driver(func(_ context.Context, task int64) error {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		started <- struct{}{}
		<-release
		mu.Lock()
		running--
		delete(left, queue.Claim{TaskID: task, Attempt: 1})
		mu.Unlock()
		return nil
	})
	run(t, h)
	t.Cleanup(sync.OnceFunc(func() { close(release) }))
	for range 3 {
		wait(t, "a build begins", started)
	}
	// The bell rings for all of them, too.
	var rung sync.WaitGroup
	for _, claim := range orders().Begin {
		if claim.TaskID%10 == 0 {
			rung.Go(func() { _ = h.CarryOut(context.Background(), claim) })
		}
	}
	for range 30 {
		release <- struct{}{}
		wait(t, "another build begins where one has ended", started)
	}
	far.mu.Lock()
	begun := len(far.begun)
	far.mu.Unlock()
	mu.Lock()
	defer mu.Unlock()
	if most != 3 || begun > 33 {
		t.Errorf("%d builds ran at a time, %d attempts were begun, want 3 and 33", most, begun)
	}
}
