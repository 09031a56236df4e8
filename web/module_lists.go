package web

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// modulesRead is how many modules.yaml are read at a time, for everybody:
	// anybody may ask, and one of maxModulesBytes takes seconds of a processor and
	// a hundred megabytes.
	modulesRead = 2
	// modulesKept is how many lists are kept.
	modulesKept = 64
	// modulesPatience is how long a reader waits for its turn.
	modulesPatience = 2 * time.Second
)

// errModulesBusy says that others are being read.
var errModulesBusy = errors.New("web: too many module documents are being read")

// moduleLists keeps what is shown of modules.yaml by the checksum of the file, so
// that nothing of it goes out of date: the lists that were asked for last. Safe
// for concurrent use.
type moduleLists struct {
	patience time.Duration
	turns    chan struct{}
	flights  singleflight.Group

	mu    sync.Mutex
	kept  map[string]*list.Element
	order *list.List // of keptModules, the one that was asked for last in front
}

// keptModules is a list with its checksum.
type keptModules struct {
	sum  string
	list moduleList
}

func newModuleLists() *moduleLists {
	return &moduleLists{patience: modulesPatience, turns: make(chan struct{}, modulesRead), kept: map[string]*list.Element{}, order: list.New()}
}

// get returns the list of a checksum, which read reads where it is not kept: once
// for all who ask meanwhile, also when those have gone. The error wraps
// errModulesBusy where read got no turn in time, or is that of read, of which
// nothing is kept, or of ctx.
func (l *moduleLists) get(ctx context.Context, sum string, read func() (moduleList, error)) (moduleList, error) {
	if kept, ok := l.look(sum); ok {
		return kept, nil
	}
	if err := ctx.Err(); err != nil {
		return moduleList{}, err
	}
	answer := l.flights.DoChan(sum, func() (any, error) {
		// The last flight may have landed since we looked.
		if kept, ok := l.look(sum); ok {
			return kept, nil
		}
		return l.read(sum, read)
	})
	select {
	case a := <-answer:
		found, _ := a.Val.(moduleList)
		return found, a.Err
	case <-ctx.Done():
		return moduleList{}, ctx.Err()
	}
}

// read waits for a turn, and keeps what is read. It runs outside of any request:
// a panic would end the process.
func (l *moduleLists) read(sum string, read func() (moduleList, error)) (found moduleList, err error) {
	patience := time.NewTimer(l.patience)
	defer patience.Stop()
	select {
	case l.turns <- struct{}{}:
		defer func() { <-l.turns }()
	case <-patience.C:
		return moduleList{}, errModulesBusy
	}
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("web: read modules: panic: %v\n%s", cause, debug.Stack())
		}
	}()
	if found, err = read(); err != nil {
		return moduleList{}, err
	}
	l.keep(sum, found)
	return found, nil
}

// look returns a list that is kept.
func (l *moduleLists) look(sum string) (moduleList, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.kept[sum]
	if !ok {
		return moduleList{}, false
	}
	l.order.MoveToFront(at)
	return at.Value.(keptModules).list, true //nolint:forcetypeassert // nothing else is in it
}

// keep keeps a list, and forgets the one that was not asked for the longest.
func (l *moduleLists) keep(sum string, found moduleList) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept[sum] = l.order.PushFront(keptModules{sum: sum, list: found})
	if l.order.Len() > modulesKept {
		delete(l.kept, l.order.Remove(l.order.Back()).(keptModules).sum) //nolint:forcetypeassert // nothing else is in it
	}
}
