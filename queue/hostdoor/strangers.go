package hostdoor

import (
	"net"
	"net/netip"
	"sync"
)

const (
	// maxUnknown bounds connections whose client is not known yet, or turned away
	// just now, and maxOfSource those of one address among them: a quarter, so that
	// no address alone keeps hosts out.
	maxUnknown  = 256
	maxOfSource = maxUnknown / 4
	// sourceBits is what counts as one address of IPv6: who has one has them all.
	sourceBits = 64
)

// strangers counts connections whose client is not known. Its methods may be
// called by several goroutines at once.
type strangers struct {
	mu   sync.Mutex
	all  int
	from map[netip.Prefix]int
}

// enter counts a connection. left is to be called when its client is known, or
// gone, as often as one likes; ok is false, and left nil, when there are too many.
func (s *strangers) enter(remote net.Addr) (left func(), ok bool) {
	source := sourceOf(remote)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= maxUnknown || s.from[source] >= maxOfSource {
		return nil, false
	}
	if s.from == nil {
		s.from = map[netip.Prefix]int{}
	}
	s.all++
	s.from[source]++
	return sync.OnceFunc(func() { s.leave(source) }), true
}

func (s *strangers) leave(source netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.from[source]--; s.from[source] == 0 {
		delete(s.from, source)
	}
}

// sourceOf is the address a connection comes from, or the network where one
// client has many. What is no IP address counts as one source.
func sourceOf(remote net.Addr) netip.Prefix {
	address, err := netip.ParseAddrPort(remote.String())
	if err != nil {
		return netip.Prefix{}
	}
	ip, bits := address.Addr().Unmap().WithZone(""), 32
	if ip.Is6() {
		bits = sourceBits
	}
	source, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return source
}
