package remote

import (
	"cmp"
	"sync"

	"github.com/distbot/distbot/queue"
)

// kind is what a request is for. Requests of one kind never keep those of
// another waiting.
type kind int

const (
	// kindLease keeps a host alive.
	kindLease kind = iota
	kindMessage
	// kindEnd ends an attempt, for which the hub reads all of its results.
	kindEnd
	// kindSources checks sources out into the hub's disk.
	kindSources
	kindSourcePackage
	kindRepo
	kindUpload
	// kindFile is all of the four before.
	kindFile
)

// How many requests of a host are answered at a time, see Server.MaxRequests and
// MaxFiles for others. What an honest host asks at a time is less.
const (
	maxLease              = 4
	maxEndsOfAttempt      = 1
	maxSourcesOfAttempt   = 1
	maxPackagesOfAttempt  = 2
	maxDownloadsOfAttempt = 24
	maxUploadsOfAttempt   = 8
)

// place is what a request takes up until it is answered: of a host, of one of
// its attempts, or of a file of that.
type place struct {
	host  int64
	kind  kind
	claim queue.Claim
	name  string
}

// bounds are the places that a request takes up. That the attempt is the host's
// is not known yet, which is no harm: a place is of the host that asks.
func (s *Server) bounds(r *request, asked kind) []bound {
	ofHost := func(k kind, most int) bound { return bound{place{host: r.peer.HostID, kind: k}, most} }
	ofAttempt := func(most int) bound { return bound{place{host: r.peer.HostID, kind: asked, claim: r.claim}, most} }
	messages, files := ofHost(kindMessage, cmp.Or(s.MaxRequests, 64)), ofHost(kindFile, cmp.Or(s.MaxFiles, 64))
	switch asked {
	case kindLease:
		return []bound{ofHost(kindLease, maxLease)}
	case kindEnd:
		return []bound{messages, ofAttempt(maxEndsOfAttempt)}
	case kindSources:
		return []bound{files, ofAttempt(maxSourcesOfAttempt)}
	case kindSourcePackage:
		return []bound{files, ofAttempt(maxPackagesOfAttempt)}
	case kindRepo:
		return []bound{files, ofAttempt(maxDownloadsOfAttempt)}
	case kindUpload:
		// Each name is received once at a time: what is announced for it counts once.
		file := bound{place{host: r.peer.HostID, kind: asked, claim: r.claim, name: r.PathValue("name")}, 1}
		return []bound{files, ofAttempt(maxUploadsOfAttempt), file}
	}
	return []bound{messages}
}

// bound is a place and how many may be taken at a time.
type bound struct {
	place
	most int
}

// admission counts the requests that are being answered. It is safe for
// concurrent use; its zero value counts none.
type admission struct {
	mu     sync.Mutex
	active map[place]int
}

// enter takes all places or none, and returns what gives them back; false when
// one of them is taken too often.
func (a *admission) enter(bounds []bound) (leave func(), ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, b := range bounds {
		if a.active[b.place] >= b.most {
			return nil, false
		}
	}
	if a.active == nil {
		a.active = map[place]int{}
	}
	for _, b := range bounds {
		a.active[b.place]++
	}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, b := range bounds {
			if a.active[b.place]--; a.active[b.place] == 0 {
				delete(a.active, b.place)
			}
		}
	}, true
}
