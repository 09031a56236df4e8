package hostdoor

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

const (
	// maxUnknown bounds connections whose client is not known yet, or turned away
	// just now, and maxOfSource those of one address among them: a quarter.
	maxUnknown  = 256
	maxOfSource = maxUnknown / 4
	// sourceBits is what counts as one address of IPv6: who has one has them all.
	sourceBits = 64
)

// strangers are the connections whose client is not known. There is always a
// place for one more, for which another goes: whoever fills all places, and as
// fast as they can, does not keep hosts out, whose handshakes take less time than
// it takes to replace everybody who came before them. Its methods may be called
// by several goroutines at once.
type strangers struct {
	mu sync.Mutex
	// places are in the order in which they were taken.
	places []*place
	from   map[netip.Prefix]int
}

// place is that of one connection among strangers.
type place struct {
	among  *strangers
	source netip.Prefix
	// drop ends the connection.
	drop func()
	// gone says that the place was left or lost; among.mu guards it.
	gone bool
}

// enter gives a place to a connection; drop is called, once at most, to end it
// when another takes its place. It reports whether one lost its place for that.
func (s *strangers) enter(remote net.Addr, drop func()) (taken *place, full bool) {
	taken = &place{among: s, source: sourceOf(remote), drop: drop}
	s.mu.Lock()
	loser := s.loser(taken.source)
	if loser != nil {
		s.remove(loser)
	}
	if s.from == nil {
		s.from = map[netip.Prefix]int{}
	}
	s.places = append(s.places, taken)
	s.from[taken.source]++
	s.mu.Unlock()
	if loser != nil {
		loser.drop()
	}
	return taken, loser != nil
}

// loser is who must go for one more of a source, or nil: the oldest of an address
// that has as many places as it may, or else of those addresses that have most.
// What a client has sent so far does not count, since anybody can send something.
// s.mu is held.
func (s *strangers) loser(source netip.Prefix) *place {
	if s.from[source] >= maxOfSource {
		return s.places[slices.IndexFunc(s.places, func(p *place) bool { return p.source == source })]
	}
	if len(s.places) < maxUnknown {
		return nil
	}
	most := 0
	for _, n := range s.from {
		most = max(most, n)
	}
	return s.places[slices.IndexFunc(s.places, func(p *place) bool { return s.from[p.source] == most })]
}

// remove frees a place that is not gone. s.mu is held.
func (s *strangers) remove(p *place) {
	p.gone = true
	i := slices.Index(s.places, p)
	s.places = slices.Delete(s.places, i, i+1)
	if s.from[p.source]--; s.from[p.source] == 0 {
		delete(s.from, p.source)
	}
}

// leave frees the place when its client is known, or gone, as often as one likes.
// It reports whether it was still there: not left before, and not lost.
func (p *place) leave() bool {
	p.among.mu.Lock()
	defer p.among.mu.Unlock()
	if p.gone {
		return false
	}
	p.among.remove(p)
	return true
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
