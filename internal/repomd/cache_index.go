package repomd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// The index of a cache is one file that is replaced as a whole: a magic line,
// numbers as varints, texts with their lengths, and the checksum of it all.
const (
	indexName  = "index"
	indexMagic = "distbot repomd cache 3\n"
)

// Save remembers the repository that Write wrote last, and forgets what is not
// in it. A cache that is not saved is the one it was when it was opened. Where
// the error wraps ErrDamaged it was Reset, and is saved empty.
func (c *Cache) Save() error {
	if err := c.compact(); errors.Is(err, ErrDamaged) {
		if reset := c.Reset(); reset != nil {
			return errors.Join(err, reset)
		}
		return errors.Join(err, c.save())
	} else if err != nil {
		return err
	}
	return c.save()
}

// save makes the files what the index says, and then the index.
func (c *Cache) save() error {
	for _, s := range c.segments {
		if err := s.sync(); err != nil {
			return err
		}
	}
	const tmp = "index.new"
	f, err := c.root.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("repomd: save cache: %w", err)
	}
	_, err = f.Write(c.encode())
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("repomd: save cache: %w", err)
	}
	if err := c.root.Rename(tmp, indexName); err != nil {
		return fmt.Errorf("repomd: save cache: %w", err)
	}
	return c.removeOthers()
}

// removeOthers removes the files of other serials.
func (c *Cache) removeOthers() error {
	entries, err := fs.ReadDir(c.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("repomd: save cache: %w", err)
	}
	mine := "." + strconv.FormatInt(c.serial, 10)
	for _, e := range entries {
		if name := e.Name(); strings.Contains(name, ".") && !strings.HasSuffix(name, mine) {
			if err := c.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("repomd: save cache: %w", err)
			}
		}
	}
	return nil
}

// aPackage and aBlock are about as long as they become in an index.
const aPackage, aBlock = 256, 512

// encode is the index of what was written last.
func (c *Cache) encode() []byte {
	b := make([]byte, 0, len(indexMagic)+aPackage*c.count+aBlock*len(c.written))
	b = append(b, indexMagic...)
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	extents := func(at [len(packageDocuments)]extent) {
		for _, e := range at {
			b = binary.AppendUvarint(b, uint64(e.offset))
			b = binary.AppendUvarint(b, uint64(e.size))
			b = binary.LittleEndian.AppendUint32(b, e.crc)
		}
	}
	b = binary.AppendUvarint(b, c.format)
	b = binary.AppendVarint(b, c.serial)
	for _, s := range c.segments {
		b = binary.AppendVarint(b, s.size)
	}
	b = binary.AppendUvarint(b, uint64(len(c.written)))
	for _, block := range c.written {
		b = append(b, block.key[:]...)
		extents(c.blocks[block.key])
		for _, state := range block.hashed {
			text(string(state))
		}
		b = binary.AppendUvarint(b, uint64(len(block.packages)))
		for _, p := range block.packages {
			i := p.item
			for _, s := range []string{i.Name, i.Version, i.Release, i.Arch, i.SHA256, i.Href, i.Origin} {
				text(s)
			}
			for _, n := range []int64{int64(i.Epoch), i.Size, i.Time} {
				b = binary.AppendVarint(b, n)
			}
			extents(p.at)
		}
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// load reads the index and opens the files. The error says why the cache can't
// be used.
func (c *Cache) load() error {
	f, err := c.root.Open(indexName)
	if err != nil {
		return fmt.Errorf("repomd: load cache: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("repomd: load cache: %w", err)
	}
	raw := make([]byte, info.Size())
	if _, err := f.ReadAt(raw, 0); err != nil {
		return fmt.Errorf("repomd: load cache: %w", err)
	}
	n := len(raw) - crc32.Size
	if n < len(indexMagic) || string(raw[:len(indexMagic)]) != indexMagic ||
		crc32.Checksum(raw[:n], castagnoli) != binary.LittleEndian.Uint32(raw[n:]) {
		return fmt.Errorf("repomd: load cache: index: %w", ErrDamaged)
	}
	if err := c.decode(&indexReader{rest: string(raw[len(indexMagic):n])}); err != nil {
		return err
	}
	return nil
}

func (c *Cache) decode(r *indexReader) error {
	c.packages, c.blocks, c.written, c.count = make(map[key]*cachedPackage, len(r.rest)/aPackage), map[blockKey]cachedBlock{}, nil, 0
	var free []cachedPackage // many at once: there are thousands
	if format := r.unsigned(); r.bad || format != c.format {
		return fmt.Errorf("repomd: load cache: metadata of format %d, expected %d: %w", format, c.format, ErrDamaged)
	}
	c.serial = r.number()
	for i := range c.segments {
		size := r.number()
		f, err := c.root.OpenFile(segmentName(c.serial, i), os.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("repomd: load cache: %w", err)
		}
		c.segments[i] = &segment{file: f, size: size}
		if info, err := f.Stat(); err != nil || info.Size() < size {
			return fmt.Errorf("repomd: load cache: %s is too short: %w", f.Name(), ErrDamaged)
		}
	}
	blocks := r.count()
	for range blocks {
		b := &plannedBlock{}
		copy(b.key[:], r.bytes(len(b.key)))
		c.blocks[b.key] = cachedBlock(r.extents())
		for i := range b.hashed {
			b.hashed[i] = hashState(r.bytes(r.count()))
		}
		packages := r.count()
		for range packages {
			if len(free) == 0 {
				free = make([]cachedPackage, 64)
			}
			p := &free[0]
			free = free[1:]
			i := &p.item
			for _, s := range []*string{&i.Name, &i.Version, &i.Release, &i.Arch, &i.SHA256, &i.Href, &i.Origin} {
				*s = r.bytes(r.count())
			}
			i.Epoch, i.Size, i.Time = int(r.number()), r.number(), r.number()
			p.at = r.extents()
			if r.bad {
				break
			}
			k, err := i.key()
			if err != nil {
				return fmt.Errorf("repomd: load cache: %w: %w", err, ErrDamaged)
			}
			c.packages[k] = p
			b.packages = append(b.packages, p)
		}
		if r.bad {
			break
		}
		c.written = append(c.written, b)
		c.count += len(b.packages)
	}
	if r.bad || r.rest != "" {
		return fmt.Errorf("repomd: load cache: index: %w", ErrDamaged)
	}
	return nil
}

// indexReader takes an index apart; bad once something does not fit. Its
// texts share one string.
type indexReader struct {
	rest string
	bad  bool
}

func (r *indexReader) bytes(n int) string {
	if r.bad || n < 0 || n > len(r.rest) {
		r.bad = true
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

// unsigned reads a varint as encoding/binary writes it.
func (r *indexReader) unsigned() uint64 {
	var v uint64
	for shift := uint(0); shift < 64; shift += 7 {
		b := r.bytes(1)
		if r.bad {
			return 0
		}
		v |= uint64(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			return v
		}
	}
	r.bad = true
	return 0
}

func (r *indexReader) number() int64 {
	u := r.unsigned()
	return int64(u>>1) ^ -int64(u&1)
}

// count reads how many there are of something that takes a byte at least.
func (r *indexReader) count() int {
	n := r.unsigned()
	if n > uint64(len(r.rest)) {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *indexReader) extents() (at [len(packageDocuments)]extent) {
	for i := range at {
		at[i].offset, at[i].size = int64(r.unsigned()), uint32(r.unsigned())
		if crc := r.bytes(crc32.Size); !r.bad {
			at[i].crc = binary.LittleEndian.Uint32([]byte(crc))
		}
	}
	return at
}
