package hostdoor

import (
	"fmt"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// crowd is strangers, and who of them lost their places, by their addresses.
type crowd struct {
	strangers
	lost []string
}

// enter is a connection from an address.
func (c *crowd) enter(t *testing.T, source string) *place {
	t.Helper()
	address, err := net.ResolveTCPAddr("tcp", source)
	if err != nil {
		t.Fatal(err)
	}
	before := len(c.lost)
	taken, full := c.strangers.enter(address, func() { c.lost = append(c.lost, source) })
	if lost := len(c.lost) - before; lost > 1 || full != (lost == 1) {
		t.Errorf("%d lost their places for %s, and it says %v", lost, source, full)
	}
	if n := len(c.places); n > maxUnknown {
		t.Fatalf("%d places are taken, of %d", n, maxUnknown)
	}
	return taken
}

// wantLost compares who lost their places since it was last asked.
func (c *crowd) wantLost(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, c.lost); diff != "" {
		t.Errorf("who lost their places (-want +got):\n%s", diff)
	}
	c.lost = nil
}

func TestStrangers(t *testing.T) {
	t.Parallel()

	t.Run("One address, or network of IPv6, has a quarter of the places and replaces its own", func(t *testing.T) {
		t.Parallel()
		for _, test := range []struct{ source, same, other string }{
			{"192.0.2.1:%d", "192.0.2.1:999", "192.0.2.2:1"},
			{"[2001:db8::1]:%d", "[2001:db8::ffff:1]:2", "[2001:db8:0:1::1]:1"},
			{"[::ffff:192.0.2.3]:%d", "192.0.2.3:2", "192.0.2.4:1"},
		} {
			var c crowd
			var newest *place
			for port := range maxOfSource {
				newest = c.enter(t, fmt.Sprintf(test.source, port))
			}
			c.enter(t, test.other)
			c.wantLost(t)
			c.enter(t, test.same)
			c.wantLost(t, fmt.Sprintf(test.source, 0))
			if !newest.leave() {
				t.Error("a place is gone that nobody took")
			}
			if newest.leave() {
				t.Error("a place is left twice")
			}
			c.enter(t, test.same)
			c.wantLost(t)
			c.enter(t, test.same)
			c.wantLost(t, fmt.Sprintf(test.source, 1))
		}
	})

	t.Run("When all are taken, the oldest goes of the address that has most", func(t *testing.T) {
		t.Parallel()
		var c crowd
		host := c.enter(t, "198.51.100.1:1")
		for port := range 3 {
			c.enter(t, fmt.Sprintf("198.51.100.2:%d", port))
		}
		for i := range maxUnknown - 4 {
			c.enter(t, fmt.Sprintf("192.0.2.%d:1", i%200))
		}
		c.wantLost(t)
		c.enter(t, "203.0.113.1:1")
		c.wantLost(t, "198.51.100.2:0")
		// Now the first of those with two is the oldest of the most.
		c.enter(t, "203.0.113.2:1")
		c.wantLost(t, "198.51.100.2:1")
		c.enter(t, "203.0.113.3:1")
		c.wantLost(t, "192.0.2.0:1")
		if !host.leave() {
			t.Error("who has one place lost it while others have two")
		}
	})

	t.Run("Of as many addresses as there are places the oldest goes", func(t *testing.T) {
		t.Parallel()
		var c crowd
		first := c.enter(t, "198.51.100.1:1")
		for i := range maxUnknown - 1 {
			c.enter(t, fmt.Sprintf("192.0.2.%d:1", i))
		}
		c.wantLost(t)
		c.enter(t, "203.0.113.1:1")
		c.wantLost(t, "198.51.100.1:1")
		if first.leave() {
			t.Error("a place that was lost is left")
		}
	})

	t.Run("Nothing is kept of who is gone", func(t *testing.T) {
		t.Parallel()
		var c crowd
		var places []*place
		for i := range 2 * maxUnknown {
			places = append(places, c.enter(t, fmt.Sprintf("192.0.2.%d:1", i%250)))
		}
		for _, p := range places {
			p.leave()
		}
		if len(c.from) != 0 || len(c.places) != 0 {
			t.Errorf("%d connections of %d addresses are left", len(c.places), len(c.from))
		}
	})
}
