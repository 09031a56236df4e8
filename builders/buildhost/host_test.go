package buildhost

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/queue"
)

// patience bounds every wait of a test.
const patience = 30 * time.Second

// hub stands for a hub.
type hub struct {
	connect   func(context.Context, queue.HostInfo) error
	heartbeat func(context.Context, queue.HostStatus) (queue.HostOrders, error)

	mu    sync.Mutex
	begun []queue.Claim
}

// Connect implements Hub.
func (h *hub) Connect(ctx context.Context, info queue.HostInfo) error {
	if h.connect == nil {
		return nil
	}
	return h.connect(ctx, info)
}

// Heartbeat implements Hub.
func (h *hub) Heartbeat(ctx context.Context, status queue.HostStatus) (queue.HostOrders, error) {
	return h.heartbeat(ctx, status)
}

// Disconnect implements Hub.
func (*hub) Disconnect(context.Context) error { return nil }

// Begin implements Hub.
func (h *hub) Begin(_ context.Context, claim queue.Claim) (Attempt, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.begun = append(h.begun, claim)
	return attempt{claim}, nil
}

// attempt is one of which nobody wants to know anything.
type attempt struct{ claim queue.Claim }

// Work implements Attempt.
func (a attempt) Work() builders.Work {
	return builders.Work{Claim: a.claim, Method: queue.MethodBuildArch, Arch: "x86_64"}
}

// Prepare implements Attempt.
func (attempt) Prepare(_ context.Context, dir string) (string, error) { return dir, nil }

// Logs implements Attempt.
func (attempt) Logs() (string, error) { return "", nil }

// Phase implements Attempt.
func (attempt) Phase(context.Context, builders.Phase) {}

// Finish implements Attempt.
func (attempt) Finish(context.Context, builders.Outcome, string) error { return nil }

// Fail implements Attempt.
func (attempt) Fail(context.Context, builders.Failure) error { return nil }

// Release implements Attempt.
func (attempt) Release(context.Context, string) error { return nil }

// Refuse implements Attempt.
func (attempt) Refuse(context.Context, string) error { return nil }

// Close implements Attempt.
func (attempt) Close() {}

// driver is a build.
type driver func(ctx context.Context, task int64) error

// Name implements builders.Driver.
func (driver) Name() string { return "test" }

// SRPM implements builders.Driver.
func (driver) SRPM(context.Context, builders.SRPMOrder) (builders.Outcome, error) {
	return builders.Outcome{}, errors.New("there is no source")
}

// Build implements builders.Driver.
func (d driver) Build(ctx context.Context, order builders.BuildOrder) (builders.Outcome, error) {
	return builders.Outcome{}, d(ctx, order.TaskID)
}

// newHost makes a host of a hub, with a driver whose builds last until their
// context ends; then ended says why.
func newHost(t *testing.T, hub Hub) (h *Host, started chan int64, ended chan error) {
	t.Helper()
	started, ended = make(chan int64, 100), make(chan error, 100)
	return &Host{
		Hub: hub, WorkDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler), Info: queue.HostInfo{Capacity: 3},
		every: 10 * time.Millisecond, again: time.Millisecond, fence: patience,
		Driver: driver(func(ctx context.Context, task int64) error {
			started <- task
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return context.Cause(ctx)
		}),
	}, started, ended
}

// run keeps the lease of a host, until the test ends; the channel tells why it
// ended before.
func run(t *testing.T, h *Host) <-chan error {
	t.Helper()
	if err := h.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	cause := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		cause <- h.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return cause
}

// wait waits for what a channel brings.
func wait[T any](t *testing.T, what string, from <-chan T) (got T) {
	t.Helper()
	select {
	case got = <-from:
	case <-time.After(patience):
		t.Fatalf("waited %v in vain: %s", patience, what)
	}
	return got
}
