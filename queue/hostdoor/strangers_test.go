package hostdoor

import (
	"net"
	"testing"
)

func TestStrangers(t *testing.T) {
	t.Parallel()
	enter := func(s *strangers, source string) (func(), bool) {
		t.Helper()
		address, err := net.ResolveTCPAddr("tcp", source)
		if err != nil {
			t.Fatal(err)
		}
		return s.enter(address)
	}

	t.Run("One address, or network of IPv6, has a quarter of the places", func(t *testing.T) {
		t.Parallel()
		var s strangers
		for _, test := range []struct{ source, same, other string }{
			{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1"},
			{"[2001:db8::1]:1", "[2001:db8::ffff:1]:2", "[2001:db8:0:1::1]:1"},
			{"[::ffff:192.0.2.3]:1", "192.0.2.3:1", "192.0.2.4:1"},
		} {
			var left func()
			for range maxOfSource {
				var ok bool
				if left, ok = enter(&s, test.source); !ok {
					t.Fatalf("%s has less places", test.source)
				}
			}
			if _, ok := enter(&s, test.same); ok {
				t.Errorf("%s has more places than %s", test.same, test.source)
			}
			if _, ok := enter(&s, test.other); !ok {
				t.Errorf("%s has no place", test.other)
			}
			left()
			left()
			if _, ok := enter(&s, test.same); !ok {
				t.Errorf("%s has no place that was left", test.same)
			}
			if _, ok := enter(&s, test.same); ok {
				t.Errorf("%s has two places for one that was left", test.same)
			}
		}
	})

	t.Run("All together have as many as there are", func(t *testing.T) {
		t.Parallel()
		var s strangers
		var leave []func()
		for i := range maxUnknown {
			left, ok := s.enter(&net.TCPAddr{IP: net.IPv4(192, 0, 2, byte(i)), Port: 1})
			if !ok {
				t.Fatalf("the connection %d is refused", i)
			}
			leave = append(leave, left)
		}
		if _, ok := enter(&s, "198.51.100.1:1"); ok {
			t.Error("there is one place more")
		}
		for _, left := range leave {
			left()
		}
		if len(s.from) != 0 || s.all != 0 {
			t.Errorf("%d connections of %d addresses are left", s.all, len(s.from))
		}
	})
}
