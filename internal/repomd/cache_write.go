package repomd

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
)

// plan cuts a repository into blocks.
func (c *Cache) plan(items []Item, compression Compression) ([]*plannedBlock, error) {
	var blocks []*plannedBlock
	var cut cutter
	var identity []byte
	flush := func() {
		if n := len(blocks); n > 0 {
			blocks[n-1].key = sha256.Sum256(identity)
		}
	}
	for i, item := range items {
		if i > 0 && CompareItems(items[i-1], item) >= 0 {
			return nil, fmt.Errorf("repomd: write: %s (%.12s) after %s (%.12s): %w", item.NEVRA, item.SHA256, items[i-1].NEVRA, items[i-1].SHA256, ErrOrder)
		}
		k, err := item.key()
		if err != nil {
			return nil, err
		}
		p, ok := c.packages[k]
		if !ok {
			return nil, fmt.Errorf("repomd: write: %s is not in the cache", item.NEVRA)
		}
		p.item = item
		if cut.next(item.NEVRA, item.SHA256) || i == 0 {
			flush()
			blocks = append(blocks, &plannedBlock{})
			identity = binary.AppendUvarint(identity[:0], c.format)
			identity = append(append(identity, compression...), '\n')
		}
		identity = k.append(identity)
		last := blocks[len(blocks)-1]
		last.packages = append(last.packages, p)
	}
	flush()
	return blocks, nil
}

// pack compresses the blocks that the cache lacks.
func (c *Cache) pack(ctx context.Context, blocks []*plannedBlock, compression Compression) error {
	// Before any is added.
	missing := slices.DeleteFunc(slices.Clone(blocks), func(b *plannedBlock) bool {
		_, ok := c.blocks[b.key]
		return ok
	})
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for _, b := range missing {
		work.Go(func() error {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			return c.packBlock(b, compression)
		})
	}
	return work.Wait()
}

func (c *Cache) packBlock(b *plannedBlock, compression Compression) error {
	var packed cachedBlock
	for doc := range packageDocuments {
		at := extentsOf(b.packages, doc)
		text := make([]byte, 0, sizeOf(at))
		err := c.segments[doc].readAll(at, func(part []byte) { text = append(text, part...) })
		if err != nil {
			return err
		}
		member, err := compression.member(text)
		if err != nil {
			return err
		}
		if err := compression.checkMember(member, text); err != nil {
			return err
		}
		c.mu.Lock()
		packed[doc], err = c.segments[memberSegment].append(member)
		c.mu.Unlock()
		if err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blocks[b.key] = packed
	return nil
}

func extentsOf(packages []*cachedPackage, doc int) []extent {
	at := make([]extent, len(packages))
	for i, p := range packages {
		at[i] = p.at[doc]
	}
	return at
}

// writeDocuments writes the documents that list packages, all at once.
func (c *Cache) writeDocuments(ctx context.Context, root *os.Root, blocks []*plannedBlock, count int, compression Compression) ([]Data, error) {
	data := make([]Data, len(packageDocuments))
	work, ctx := errgroup.WithContext(ctx)
	for doc := range packageDocuments {
		work.Go(func() (err error) {
			data[doc], err = c.writeDocument(ctx, root, doc, blocks, count, compression)
			return err
		})
	}
	return data, work.Wait()
}

// writeDocument writes one document. Its text is hashed beside: that is most of
// the work where little changed, so it goes on where the text of before ends to
// be the same.
func (c *Cache) writeDocument(ctx context.Context, root *os.Root, doc int, blocks []*plannedBlock, count int, compression Compression) (Data, error) {
	w, err := createDocument(root, doc, compression, count)
	if err != nil {
		return Data{}, err
	}
	defer w.abort()
	var work errgroup.Group
	work.Go(func() error {
		return c.hashText(w, doc, blocks[c.resume(w, doc, blocks, count):])
	})
	work.Go(func() error {
		members := make([]extent, len(blocks))
		for i, b := range blocks {
			members[i] = c.blocks[b.key][doc]
		}
		return c.segments[memberSegment].readAll(members, w.member)
	})
	if err := work.Wait(); err != nil {
		return Data{}, err
	}
	if err := ctx.Err(); err != nil {
		return Data{}, context.Cause(ctx)
	}
	return w.end()
}

// resume lets the hash of a document's text go on after the blocks that the
// document of before began with, too, and returns how many they are.
func (c *Cache) resume(w *documentWriter, doc int, blocks []*plannedBlock, count int) (same int) {
	// The number of packages stands at the beginning of a document.
	if count != c.count {
		return 0
	}
	for same < min(len(blocks), len(c.written)) && blocks[same].key == c.written[same].key {
		blocks[same].hashed[doc] = c.written[same].hashed[doc]
		same++
	}
	for ; same > 0; same-- {
		if w.open.resume(blocks[same-1].hashed[doc]) == nil {
			break
		}
	}
	return same
}

// hashText hashes the text of blocks and remembers the hash after each.
func (c *Cache) hashText(w *documentWriter, doc int, blocks []*plannedBlock) error {
	var texts []extent
	ends := make([]int, len(blocks))
	for i, b := range blocks {
		texts = append(texts, extentsOf(b.packages, doc)...)
		ends[i] = len(texts)
	}
	read, block := 0, 0
	return c.segments[doc].readAll(texts, func(part []byte) {
		w.text(part)
		if read++; read == ends[block] {
			blocks[block].hashed[doc] = w.open.state()
			block++
		}
	})
}
