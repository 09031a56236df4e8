package buildhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/queue"
)

// deafHub is a hub, and the only attempt it gives, that does not take what it is
// told.
type deafHub struct {
	claim queue.Claim
	// finish and fail are what it answers.
	finish, fail error
	finished     int
	failures     []builders.Failure
}

func (d *deafHub) Connect(context.Context, queue.HostInfo) error { return nil }

func (d *deafHub) Heartbeat(context.Context, queue.HostStatus) (queue.HostOrders, error) {
	return queue.HostOrders{}, nil
}
func (d *deafHub) Disconnect(context.Context) error                    { return nil }
func (d *deafHub) Begin(context.Context, queue.Claim) (Attempt, error) { return d, nil }
func (d *deafHub) Work() builders.Work {
	return builders.Work{Claim: d.claim, Method: queue.MethodBuildArch}
}
func (d *deafHub) Prepare(_ context.Context, dir string) (string, error) { return dir, nil }
func (d *deafHub) Logs() (string, error)                                 { return "", nil }
func (d *deafHub) Phase(context.Context, builders.Phase)                 {}
func (d *deafHub) Release(context.Context, string) error                 { return nil }
func (d *deafHub) Refuse(context.Context, string) error                  { return nil }
func (d *deafHub) Close()                                                {}
func (d *deafHub) Finish(context.Context, builders.Outcome, string) error {
	d.finished++
	return d.finish
}

func (d *deafHub) Fail(_ context.Context, failure builders.Failure) error {
	d.failures = append(d.failures, failure)
	return d.fail
}

// works is a driver whose builds end so.
type works struct{ err error }

func (works) Name() string { return "works" }

func (w works) SRPM(context.Context, builders.SRPMOrder) (builders.Outcome, error) {
	return builders.Outcome{}, w.err
}

func (w works) Build(context.Context, builders.BuildOrder) (builders.Outcome, error) {
	return builders.Outcome{}, w.err
}

func TestAHubThatTakesNoEnd(t *testing.T) {
	t.Parallel()
	full := errors.New("the hub answers 507 Insufficient Storage: no space is left on the hub's disk")
	for name, test := range map[string]struct {
		hub   deafHub
		build error
		// failures is what the hub was told at last; empty when it was told of none.
		failure string
	}{
		"Results that are never taken end the attempt, with the reason": {
			hub: deafHub{finish: full}, failure: "the hub did not take the results within 300ms: " + full.Error(),
		},
		"When nothing is taken the attempt is let go of": {
			hub: deafHub{finish: full, fail: full}, failure: "the hub did not take the results within 300ms: " + full.Error(),
		},
		"A failure that is never taken is let go of": {
			hub: deafHub{fail: full}, build: &builders.Failure{Reason: "2 tests failed"}, failure: "2 tests failed",
		},
		"An attempt that was given up is told once": {
			hub: deafHub{finish: fmt.Errorf("%w: by its host", queue.ErrLostAttempt)},
		},
		"What is taken is told once": {hub: deafHub{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := test.hub
			hub.claim = queue.Claim{TaskID: 1, Attempt: 1}
			host := &Host{Hub: &hub, Driver: works{test.build}, WorkDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler), tellMost: 300 * time.Millisecond}
			if err := host.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- host.CarryOut(t.Context(), hub.claim) }()
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("the attempt would be begun again: %v", err)
				}
			case <-time.After(30 * time.Second):
				t.Fatal("the host is still telling after 30 s")
			}
			if told := len(hub.failures) > 0; told != (test.failure != "") {
				t.Fatalf("the hub was told of %v, want %q", hub.failures, test.failure)
			} else if !told {
				if hub.finished != 1 {
					t.Errorf("the end was told %d times", hub.finished)
				}
				return
			}
			last := hub.failures[len(hub.failures)-1]
			if last.Reason != test.failure || last.Infrastructure != (test.build == nil) {
				t.Errorf("the hub was told of %q, the infrastructure's: %t, want %q", last.Reason, last.Infrastructure, test.failure)
			}
			if got := host.status().Running; len(got) > 0 {
				t.Errorf("the host speaks of %v still", got)
			}
		})
	}
}
