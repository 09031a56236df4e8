package repopublish

import (
	"context"
	"sync"
	"time"
)

// paceEvery is how soon a tag's repository is made again at most: of many builds
// that are tagged one after another one generation holds several. The first is
// made at once.
const paceEvery = 200 * time.Millisecond

// pace remembers when repositories were made. The zero value is ready. Safe for
// concurrent use.
type pace struct {
	mu   sync.Mutex
	made map[int64]time.Time
}

// wait waits until a tag's repository may be made again, or ctx ends.
func (p *pace) wait(ctx context.Context, tag int64) {
	p.mu.Lock()
	rest := paceEvery - time.Since(p.made[tag])
	p.mu.Unlock()
	if rest <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(rest):
	}
}

// note remembers that a tag's repository was made, and forgets what is of no use
// any more.
func (p *pace) note(tag int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for other, at := range p.made {
		if time.Since(at) > paceEvery {
			delete(p.made, other)
		}
	}
	if p.made == nil {
		p.made = map[int64]time.Time{}
	}
	p.made[tag] = time.Now()
}
