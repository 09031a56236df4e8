package repopublish

import (
	"cmp"
	"context"
	"sync"
	"time"
)

// paceEvery is the default of Publisher.Every.
const paceEvery = 200 * time.Millisecond

// forgetAfter is longer than any pace.
const forgetAfter = time.Minute

// pace remembers when repositories were made. The zero value is ready. Safe for
// concurrent use.
type pace struct {
	mu   sync.Mutex
	made map[int64]time.Time
}

// wait waits until a tag's repository may be made again, or ctx ends. every is 0
// for paceEvery.
func (p *pace) wait(ctx context.Context, tag int64, every time.Duration) {
	p.mu.Lock()
	rest := cmp.Or(every, paceEvery) - time.Since(p.made[tag])
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
		if time.Since(at) > forgetAfter {
			delete(p.made, other)
		}
	}
	if p.made == nil {
		p.made = map[int64]time.Time{}
	}
	p.made[tag] = time.Now()
}
