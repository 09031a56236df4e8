package hostdoor_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"
)

// besiege keeps silent connections to the hub open from addresses of the
// loopback network, each of them opened anew as soon as it is closed, until the
// test ends. It returns when all were open.
func (h *hub) besiege(t *testing.T, addresses, each int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var open, all sync.WaitGroup
	for i := range addresses {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, 0, byte(i+1))}}
		for range each {
			open.Add(1)
			opened := sync.OnceFunc(open.Done)
			all.Go(func() {
				for ctx.Err() == nil {
					silence(ctx, &dialer, h.addr, opened)
				}
			})
		}
	}
	t.Cleanup(func() {
		cancel()
		all.Wait()
	})
	open.Wait()
}

// silence is one connection that sends nothing, until it is closed.
func silence(ctx context.Context, dialer *net.Dialer, address string, opened func()) {
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	defer conn.Close()
	opened()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	// No port is kept from the next one.
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_, _ = conn.Read(make([]byte, 1))
}

func TestAHostComesThroughACrowd(t *testing.T) {
	t.Parallel()
	for name, crowd := range map[string]struct{ addresses, each int }{
		"Of few addresses that fill all places":         {4, 64},
		"Of addresses that have more than there are":    {8, 80},
		"Of more addresses than there are places":       {250, 3},
		"Of one address with more places than it has":   {1, 300},
		"Of addresses that have less than they may all": {16, 16},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := setup(t)
			host := h.enroll(t, "b1")
			h.besiege(t, crowd.addresses, crowd.each)
			const (
				times  = 20
				within = 2 * time.Second
			)
			var most time.Duration
			for range times {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), within)
				tries := 1
				for err := host.Check(ctx); err != nil; err = host.Check(ctx) {
					if ctx.Err() != nil {
						t.Fatalf("the host did not come through in %v, by %d tries: %v", within, tries, err)
					}
					tries++
				}
				cancel()
				most = max(most, time.Since(began))
			}
			t.Logf("connected %d times, in %v at most", times, most)
		})
	}
}
