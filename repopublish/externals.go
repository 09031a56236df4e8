package repopublish

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/repopublish/snapshot"
)

const (
	// warnWithin and blockWithin bound how long one publish reads external
	// repositories, of all architectures together: nothing else is published for
	// the tag meanwhile. What was fetched by then is not fetched again.
	warnWithin, blockWithin = 20 * time.Second, time.Minute
	// awayFor is how long one that took its time and could not be read is not
	// asked again, by checks that only warn.
	awayFor = 5 * time.Minute
	// maxAway is how many of them are remembered.
	maxAway = 1000
)

// externals reads the external repositories of tags, and remembers which are
// away. The zero value is ready. Safe for concurrent use.
type externals struct {
	// within replaces warnWithin and blockWithin where it is not 0.
	within time.Duration

	mu   sync.Mutex
	away map[string]awayExternal // by URL, $arch in it
}

type awayExternal struct {
	until time.Time
	why   error
}

// externalReading is what one publish reads of external repositories.
type externalReading struct {
	*externals
	policy       Policy
	within, left time.Duration
}

func (e *externals) begin(policy Policy) *externalReading {
	within := warnWithin
	if policy == PolicyBlock {
		within = blockWithin
	}
	if e.within != 0 {
		within = e.within
	}
	return &externalReading{externals: e, policy: policy, within: within, left: within}
}

// open reads an external repository for an architecture. One that keeps a
// publish from warning is remembered; a publish that depends on it always asks.
func (r *externalReading) open(ctx context.Context, external tagview.ExternalRepo, a, cacheDir string) (*snapshot.Snapshot, error) {
	source, err := snapshot.ParseSource(strings.ReplaceAll(external.URL, "$arch", a))
	if err != nil {
		return nil, err
	}
	source.Name = "external repository " + external.Name
	if why := r.isAway(external.URL); why != nil && r.policy == PolicyWarn {
		return nil, fmt.Errorf("not asked again for some minutes: %w", why)
	}
	start := time.Now()
	timed, cancel := context.WithTimeout(ctx, r.left)
	defer cancel()
	s, err := snapshot.Open(timed, source, snapshot.Options{CacheDir: cacheDir})
	took := time.Since(start)
	r.left -= took
	if err == nil || ctx.Err() != nil {
		return s, err
	}
	if timed.Err() != nil {
		err = errors.New("external repositories were not read within " + r.within.String())
	}
	// What is told at once costs nobody anything.
	if took >= r.within/10 {
		r.noteAway(external.URL, err)
	}
	return nil, err
}

func (e *externals) isAway(url string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if away, ok := e.away[url]; ok && time.Now().Before(away.until) {
		return away.why
	}
	return nil
}

func (e *externals) noteAway(url string, why error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.away == nil || len(e.away) >= maxAway {
		e.away = map[string]awayExternal{}
	}
	e.away[url] = awayExternal{time.Now().Add(awayFor), why}
}
