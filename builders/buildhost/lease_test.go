package buildhost

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/queue"
)

// soon is a fence that is over before a test's patience is.
const soon = 200 * time.Millisecond

// never ends with the test.
func never(t *testing.T) <-chan struct{} {
	t.Helper()
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	return over
}

var errAway = errors.New("the hub is away")

func TestFence(t *testing.T) {
	t.Parallel()
	claim := queue.Claim{TaskID: 7, Attempt: 1}
	for name, beat := range map[string]func(t *testing.T) func(context.Context, queue.HostStatus) (queue.HostOrders, error){
		"Builds end when the hub can't be reached": func(*testing.T) func(context.Context, queue.HostStatus) (queue.HostOrders, error) {
			return func(context.Context, queue.HostStatus) (queue.HostOrders, error) { return queue.HostOrders{}, errAway }
		},
		"Builds end when a question to the hub never returns": func(t *testing.T) func(context.Context, queue.HostStatus) (queue.HostOrders, error) {
			over := never(t)
			return func(context.Context, queue.HostStatus) (queue.HostOrders, error) {
				<-over
				return queue.HostOrders{}, errAway
			}
		},
		"Builds end when the hub's answer comes too late": func(*testing.T) func(context.Context, queue.HostStatus) (queue.HostOrders, error) {
			return func(context.Context, queue.HostStatus) (queue.HostOrders, error) {
				<-time.After(2 * soon) // a slow hub
				return queue.HostOrders{}, nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, later := make(chan struct{}, 1), beat(t)
			first <- struct{}{}
			h, started, ended := newHost(t, &hub{heartbeat: func(ctx context.Context, status queue.HostStatus) (queue.HostOrders, error) {
				select {
				case <-first:
					return queue.HostOrders{Begin: []queue.Claim{claim}}, nil
				default:
					return later(ctx, status)
				}
			}})
			h.fence = soon
			cause := run(t, h)
			wait(t, "the build begins", started)
			if why := wait(t, "the build ends", ended); !errors.Is(why, ErrFenced) {
				t.Errorf("the build ended by %v, want ErrFenced", why)
			}
			if why := wait(t, "the session ends", cause); !errors.Is(why, ErrFenced) {
				t.Errorf("the session ended by %v, want ErrFenced", why)
			}
		})
	}

	t.Run("The hub's count may begin when it was first asked to connect", func(t *testing.T) {
		t.Parallel()
		h, _, _ := newHost(t, &hub{
			connect: func(context.Context, queue.HostInfo) error {
				<-time.After(2 * soon) // a slow hub
				return nil
			},
			heartbeat: func(context.Context, queue.HostStatus) (queue.HostOrders, error) {
				return queue.HostOrders{Begin: []queue.Claim{claim}}, nil
			},
		})
		h.fence = soon
		if why := wait(t, "the session ends", run(t, h)); !errors.Is(why, ErrFenced) {
			t.Errorf("the session ended by %v, want ErrFenced", why)
		}
	})

	t.Run("A lease that is renewed lasts", func(t *testing.T) {
		t.Parallel()
		began, beats := time.Now(), make(chan time.Duration, 1)
		h, started, ended := newHost(t, &hub{heartbeat: func(_ context.Context, status queue.HostStatus) (queue.HostOrders, error) {
			if len(status.Running) == 0 {
				return queue.HostOrders{Begin: []queue.Claim{claim}}, nil
			}
			if age := time.Since(began); age > 3*time.Second {
				select {
				case beats <- age:
				default:
				}
			}
			return queue.HostOrders{}, nil
		}})
		h.fence = time.Second
		cause := run(t, h)
		wait(t, "the build begins", started)
		wait(t, "a heartbeat long after the fence of the first", beats)
		select {
		case why := <-ended:
			t.Errorf("the build ended: %v", why)
		case why := <-cause:
			t.Errorf("the session ended: %v", why)
		default:
		}
	})
}

func TestAMachineThatCantBeLookedAt(t *testing.T) {
	t.Parallel()
	over := never(t)
	said := make(chan queue.HostStatus, 100)
	connected := make(chan queue.HostInfo, 1)
	h, _, _ := newHost(t, &hub{
		connect: func(_ context.Context, info queue.HostInfo) error {
			connected <- info
			return nil
		},
		heartbeat: func(_ context.Context, status queue.HostStatus) (queue.HostOrders, error) {
			select {
			case said <- status:
			default:
			}
			return queue.HostOrders{}, nil
		},
	})
	looks := make(chan struct{}, 100)
	h.patience = time.Millisecond
	h.Check = func() queue.HostStatus { // statfs of a file system that hangs
		looks <- struct{}{}
		<-over
		return queue.HostStatus{}
	}
	run(t, h)
	if info := wait(t, "connection", connected); !strings.Contains(info.Status.Unready, "can't be told") {
		t.Errorf("it connects with %+v, want that its state can't be told", info.Status)
	}
	for range 3 {
		if status := wait(t, "heartbeat", said); !strings.Contains(status.Unready, "can't be told") {
			t.Errorf("it says %+v, want that its state can't be told", status)
		}
	}
	if n := len(looks); n != 1 {
		t.Errorf("%d looks hang, want one", n)
	}
}

func TestAHostSaysWhatItIsLikeBeforeItIsGivenWork(t *testing.T) {
	t.Parallel()
	connected := make(chan queue.HostInfo, 1)
	h, _, _ := newHost(t, &hub{
		connect: func(_ context.Context, info queue.HostInfo) error {
			connected <- info
			return nil
		},
		heartbeat: func(context.Context, queue.HostStatus) (queue.HostOrders, error) { return queue.HostOrders{}, nil },
	})
	want := queue.HostStatus{LoadAverage: 99, MemoryFree: 1, DiskFree: 2, Unready: "the load average is 99"}
	h.Check = func() queue.HostStatus { return want }
	run(t, h)
	if diff := cmp.Diff(want, wait(t, "connection", connected).Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}
