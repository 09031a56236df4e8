package distgit

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// maxPackObjects bounds the number of objects in one pack.
const maxPackObjects = 4 << 20

// packLimits bounds what one fetch may bring.
type packLimits struct {
	packBytes   int64
	objectBytes int64
}

// installPack reads one pack from r, checks it, and adds it with its index to
// the repository at dir. Readers of the repository see the pack complete or not
// at all.
//
// The check comes before go-git's indexer sees the pack, because the indexer
// allocates by the object count that the pack's header claims and by the sizes
// that its objects claim.
func installPack(ctx context.Context, dir string, r io.Reader, limits packLimits) (err error) {
	folder := filepath.Join(dir, "objects", "pack")
	file, err := os.CreateTemp(folder, "tmp_pack_*")
	if err != nil {
		return err
	}
	defer func() {
		_ = file.Close()
		_ = os.Remove(file.Name()) // gone already when it became the pack
	}()

	capped := newCappedReader(r, limits.packBytes, "bytes in the pack")
	count, err := checkPack(io.TeeReader(capped, file), limits.objectBytes)
	if err != nil || count == 0 {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	index := new(idxfile.Writer)
	parser, err := packfile.NewParser(packfile.NewScanner(file), index, stopper{ctx})
	if err != nil {
		return err
	}
	sum, err := parser.Parse()
	if err != nil {
		return fmt.Errorf("index the pack: %w", err)
	}
	if err := file.Sync(); err != nil {
		return err
	}
	// The index first: go-git lists packs, and expects each to have an index.
	name := filepath.Join(folder, "pack-"+sum.String())
	if err := writeIndex(name+".idx", index); err != nil {
		return err
	}
	return os.Rename(file.Name(), name+".pack")
}

// writeIndex writes the index file name atomically.
func writeIndex(name string, index *idxfile.Writer) error {
	content, err := index.Index()
	if err != nil {
		return err
	}
	return writeFileAtomic(name, func(w io.Writer) error {
		_, err := idxfile.NewEncoder(w).Encode(content)
		return err
	})
}

// checkPack reads a whole pack and returns its number of objects. It inflates
// every object once, into nothing, so that no claim of the pack is believed: a
// header that promises four billion objects, an object or a delta that inflates
// to gigabytes.
func checkPack(r io.Reader, objectBytes int64) (count uint32, err error) {
	tooBig := &LimitError{What: "bytes in one object", Limit: objectBytes}
	scanner := packfile.NewScanner(r)
	_, count, err = scanner.Header()
	if err != nil {
		return 0, fmt.Errorf("read the pack: %w", err)
	}
	if count > maxPackObjects {
		return 0, &LimitError{What: "objects in the pack", Limit: maxPackObjects}
	}
	for range count {
		header, err := scanner.NextObjectHeader()
		if err != nil {
			return 0, fmt.Errorf("read the pack: %w", err)
		}
		if header.Length > objectBytes {
			return 0, tooBig
		}
		var head deltaHead
		if _, _, err := scanner.NextObject(&head); err != nil {
			return 0, fmt.Errorf("read the pack: %w", err)
		}
		if header.Type.IsDelta() && head.resultSize() > objectBytes {
			return 0, tooBig
		}
	}
	if _, err := scanner.Checksum(); err != nil {
		return 0, fmt.Errorf("read the pack: %w", err)
	}
	return count, nil
}

// deltaHead keeps the first bytes of a delta: the sizes of base and result, two
// numbers of at most ten bytes each, and drops the rest.
type deltaHead struct {
	bytes [20]byte
	n     int
}

// Write implements io.Writer.
func (d *deltaHead) Write(p []byte) (int, error) {
	d.n += copy(d.bytes[d.n:], p)
	return len(p), nil
}

// resultSize is the size of the object that the delta makes. A number that
// never ends counts as endless.
func (d *deltaHead) resultSize() int64 {
	rest := d.bytes[:d.n]
	var size uint64
	for range 2 { // the base's size, then the result's
		size = 0
		for shift := 0; ; shift += 7 {
			if len(rest) == 0 || shift > 56 {
				return 1<<63 - 1
			}
			b := rest[0]
			rest = rest[1:]
			size |= uint64(b&0x7f) << shift
			if b&0x80 == 0 {
				break
			}
		}
	}
	return int64(size)
}

// stopper ends the indexing of a pack when its context ends.
type stopper struct{ ctx context.Context }

// OnHeader implements packfile.Observer.
func (s stopper) OnHeader(uint32) error { return s.ctx.Err() }

// OnInflatedObjectHeader implements packfile.Observer.
func (s stopper) OnInflatedObjectHeader(plumbing.ObjectType, int64, int64) error {
	return s.ctx.Err()
}

// OnInflatedObjectContent implements packfile.Observer.
func (s stopper) OnInflatedObjectContent(plumbing.Hash, int64, uint32, []byte) error {
	return s.ctx.Err()
}

// OnFooter implements packfile.Observer.
func (s stopper) OnFooter(plumbing.Hash) error { return s.ctx.Err() }
