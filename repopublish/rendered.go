package repopublish

import (
	"sync"

	"github.com/distbot/distbot/internal/repomd"
)

// defaultRenderedBytes bounds what rendered keeps, in bytes: some 30,000
// packages of the usual size.
const defaultRenderedBytes = 256 << 20

// rendered keeps the metadata of packages in memory: a generation differs from
// the one before by a few packages, and to read all the others again is most of
// its making. The zero value is ready. Safe for concurrent use.
type rendered struct {
	// limit is the most bytes it holds; 0 stands for defaultRenderedBytes.
	limit int64

	mu      sync.Mutex
	entries map[renderedKey]repomd.Entry
	bytes   int64
}

// renderedKey is all that an entry is made of.
type renderedKey struct {
	sha256, href string
	time         int64
}

// get returns an entry, which the caller must not change.
func (r *rendered) get(key renderedKey) (repomd.Entry, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entry, ok := r.entries[key]
	return entry, ok
}

// put keeps an entry, which nobody may change from now on. Others make room
// for it at random: every publish asks for all of a tag's packages in turn,
// and whatever goes by age would be gone each time just before it is needed.
func (r *rendered) put(key renderedKey, entry repomd.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	limit := r.limit
	if limit == 0 {
		limit = defaultRenderedBytes
	}
	if _, there := r.entries[key]; there || sizeOf(key, entry) > limit {
		return
	}
	if r.entries == nil {
		r.entries = map[renderedKey]repomd.Entry{}
	}
	r.entries[key] = entry
	r.bytes += sizeOf(key, entry)
	for old, other := range r.entries {
		if r.bytes <= limit {
			return
		}
		if old != key {
			delete(r.entries, old)
			r.bytes -= sizeOf(old, other)
		}
	}
}

// sizeOf is about what an entry takes in memory.
func sizeOf(key renderedKey, entry repomd.Entry) int64 {
	const fixed = 512 // the structures, and the texts of the NEVRA
	return fixed + int64(len(key.sha256)+len(key.href)+cap(entry.Primary)+cap(entry.Filelists)+cap(entry.Other))
}
