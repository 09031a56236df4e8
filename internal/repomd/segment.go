package repomd

import (
	"fmt"
	"hash/crc32"
	"os"
	"sync"
)

// The files of a cache: one per document with the fragments of packages, and
// one with the compressed members of blocks. They only grow, until they are
// written anew without what nobody needs.
const (
	memberSegment = len(packageDocuments)
	segmentCount  = memberSegment + 1
)

// extent is a part of a segment, with its checksum: files of a cache are not
// synced, and may be anything after a crash of the machine.
type extent struct {
	offset int64
	size   uint32
	crc    uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// segment is one file. Safe for concurrent use.
type segment struct {
	file *os.File

	mu      sync.Mutex
	size    int64  // with what is pending
	pending []byte // not written yet
}

// Bounds of what is held in memory of a segment.
const (
	maxPending = 1 << 20
	maxSpan    = 256 << 10
)

// append adds bytes at the end.
func (s *segment) append(b []byte) (extent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := extent{offset: s.size, size: uint32(len(b)), crc: crc32.Checksum(b, castagnoli)}
	if int64(at.size) != int64(len(b)) {
		return extent{}, fmt.Errorf("repomd: metadata of %d bytes: %w", len(b), ErrTooLarge)
	}
	s.pending = append(s.pending, b...)
	s.size += int64(len(b))
	if len(s.pending) >= maxPending {
		if err := s.flush(); err != nil {
			return extent{}, err
		}
	}
	return at, nil
}

// flush writes what is pending. The lock is held.
func (s *segment) flush() error {
	if len(s.pending) == 0 {
		return nil
	}
	if _, err := s.file.WriteAt(s.pending, s.size-int64(len(s.pending))); err != nil {
		return fmt.Errorf("repomd: write cache: %w", err)
	}
	s.pending = s.pending[:0]
	return nil
}

// sync makes what was appended readable.
func (s *segment) sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flush()
}

// read returns the bytes of one extent.
func (s *segment) read(at extent) ([]byte, error) {
	var text []byte
	err := s.readAll([]extent{at}, func(part []byte) { text = append(text, part...) })
	return text, err
}

// readAll calls visit with the bytes of every extent, in the given order; the
// bytes are valid until it returns. Extents that lie close together are read
// at once, whatever their order. The error wraps ErrDamaged.
func (s *segment) readAll(at []extent, visit func([]byte)) error {
	if err := s.sync(); err != nil {
		return err
	}
	var buffer []byte
	for len(at) > 0 {
		n, first, end := span(at)
		if size := int(end - first); cap(buffer) < size {
			buffer = make([]byte, max(size, min(maxSpan, sizeOf(at))))
		}
		b := buffer[:end-first]
		if _, err := s.file.ReadAt(b, first); err != nil {
			return fmt.Errorf("repomd: read cache: %w: %w", err, ErrDamaged)
		}
		for _, e := range at[:n] {
			part := b[e.offset-first:][:e.size]
			if crc32.Checksum(part, castagnoli) != e.crc {
				return fmt.Errorf("repomd: read cache: %d bytes at %d of %s differ: %w", e.size, e.offset, s.file.Name(), ErrDamaged)
			}
			visit(part)
		}
		at = at[n:]
	}
	return nil
}

// sizeOf is how many bytes extents have together.
func sizeOf(at []extent) (n int) {
	for _, e := range at {
		n += int(e.size)
	}
	return n
}

// span says how many of the extents are best read at once, and from where to
// where: those that fill at least half of a part of the file that is not
// longer than maxSpan.
func span(at []extent) (n int, first, end int64) {
	first, end = at[0].offset, at[0].offset+int64(at[0].size)
	used := int64(at[0].size)
	for n = 1; n < len(at); n++ {
		from, to := min(first, at[n].offset), max(end, at[n].offset+int64(at[n].size))
		used += int64(at[n].size)
		if to-from > maxSpan || to-from > 2*used {
			break
		}
		first, end = from, to
	}
	return n, first, end
}
