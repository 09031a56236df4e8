package rpmfile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// NewXZReader decompresses .xz as Read does a payload: with a dictionary of at
// most 128 MiB, and without verifying the container's own checksums, so that the
// compressed bytes must be covered by another one. Its errors wrap ErrMalformed
// or ErrTooLarge, or are those of r.
func NewXZReader(r io.Reader) io.Reader { return newXZReader(bufio.NewReader(r)) }

// xzReader reads the container of the .xz file format 1.0.4 (streams of blocks,
// one LZMA2 filter each) and leaves LZMA2 itself to ulikunitz/xz. That module's
// own container reader allocates whatever dictionary a block header asks for,
// up to 4 GiB, and has no bound to set. Block checks and the index are skipped,
// not verified: an RPM's payload digest covers them.
type xzReader struct {
	in        *countReader
	inStream  bool
	check     int64 // bytes of check after each block
	block     io.Reader
	blockFrom int64
}

func newXZReader(r *bufio.Reader) *xzReader { return &xzReader{in: &countReader{r: r}} }

// errEndOfBlocks is returned by nextBlock when the stream's index follows.
var errEndOfBlocks = errors.New("end of blocks")

// Read returns uncompressed bytes; errors other than io.EOF wrap ErrMalformed.
func (x *xzReader) Read(p []byte) (int, error) {
	for {
		if x.block != nil {
			n, err := x.block.Read(p)
			if errors.Is(err, io.EOF) {
				x.block = nil
				err = x.in.skip(-(x.in.n-x.blockFrom)&3 + x.check)
			}
			if n > 0 || err != nil {
				return n, xzError(err)
			}
			continue
		}
		switch err := x.advance(); {
		case errors.Is(err, io.EOF):
			return 0, io.EOF
		case err != nil:
			return 0, xzError(err)
		}
	}
}

// advance opens the next block or stream; io.EOF after the last stream.
func (x *xzReader) advance() error {
	if !x.inStream {
		return x.nextStream()
	}
	err := x.nextBlock()
	if errors.Is(err, errEndOfBlocks) {
		x.inStream = false
		return x.skipIndex()
	}
	return err
}

func xzError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("xz: truncated: %w", ErrMalformed)
	case errors.Is(err, ErrMalformed), errors.Is(err, ErrTooLarge):
		return err
	}
	return fmt.Errorf("xz: %w: %w", err, ErrMalformed)
}

// nextStream reads a stream header, after any stream padding.
func (x *xzReader) nextStream() error {
	var h [12]byte
	for {
		if _, err := x.in.r.Peek(1); err != nil && x.in.n > 0 {
			return io.EOF
		}
		if err := x.in.full(h[:4]); err != nil {
			return noEOF(err)
		}
		if h[0]|h[1]|h[2]|h[3] != 0 || x.in.n <= 4 {
			break
		}
	}
	if err := x.in.full(h[4:]); err != nil {
		return noEOF(err)
	}
	if !bytes.HasPrefix(h[:], []byte("\xfd7zXZ\x00\x00")) || h[7] > 15 ||
		crc32.ChecksumIEEE(h[6:8]) != binary.LittleEndian.Uint32(h[8:]) {
		return fmt.Errorf("xz: stream header %x: %w", h, ErrMalformed)
	}
	x.check = [...]int64{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}[h[7]]
	x.inStream = true
	return nil
}

// nextBlock reads a block header and opens its LZMA2 data.
func (x *xzReader) nextBlock() error {
	size, err := x.in.ReadByte()
	if err != nil {
		return noEOF(err)
	}
	if size == 0 {
		return errEndOfBlocks
	}
	h := make([]byte, (int(size)+1)*4)
	h[0] = size
	if err := x.in.full(h[1:]); err != nil {
		return noEOF(err)
	}
	body, sum := h[:len(h)-4], h[len(h)-4:]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(sum) {
		return fmt.Errorf("xz: block header checksum: %w", ErrMalformed)
	}
	dict, err := blockDictionary(body)
	if err != nil {
		return err
	}
	if dict > maxWindow {
		return fmt.Errorf("xz: dictionary of %d bytes, at most %d: %w", dict, maxWindow, ErrTooLarge)
	}
	x.blockFrom = x.in.n
	x.block, err = lzma.Reader2Config{DictCap: int(max(dict, lzma.MinDictCap))}.NewReader2(x.in)
	return err
}

// blockDictionary is the size of the dictionary a block header asks for. Blocks
// with other filters than one LZMA2 are refused; rpm writes none.
func blockDictionary(header []byte) (int64, error) {
	flags, r := header[1], bytes.NewReader(header[2:])
	if flags&0x3f != 0 {
		return 0, fmt.Errorf("xz: block flags %#x: %w", flags, ErrMalformed)
	}
	for bit := byte(0x40); bit != 0; bit <<= 1 { // compressed size, uncompressed size
		if flags&bit != 0 {
			if _, err := binary.ReadUvarint(r); err != nil {
				return 0, noEOF(err)
			}
		}
	}
	var filter [3]byte
	if _, err := io.ReadFull(r, filter[:]); err != nil {
		return 0, noEOF(err)
	}
	if filter[0] != 0x21 || filter[1] != 1 {
		return 0, fmt.Errorf("xz: filter %#x: %w", filter[0], ErrMalformed)
	}
	return lzma.DecodeDictCap(filter[2])
}

// skipIndex passes over the rest of the index and the stream footer.
func (x *xzReader) skipIndex() error {
	begin := x.in.n - 1 // the index indicator
	records, err := binary.ReadUvarint(x.in)
	if err != nil {
		return noEOF(err)
	}
	for range records {
		for range 2 {
			if _, err := binary.ReadUvarint(x.in); err != nil {
				return noEOF(err)
			}
		}
	}
	return x.in.skip(-(x.in.n-begin)&3 + 4 + 12)
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// countReader counts the bytes taken from r. It is an io.ByteReader, so that
// LZMA2 takes no byte more than it needs.
type countReader struct {
	r *bufio.Reader
	n int64
}

func (c *countReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *countReader) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}

func (c *countReader) full(p []byte) error {
	_, err := io.ReadFull(c, p)
	return err
}

func (c *countReader) skip(n int64) error {
	done, err := c.r.Discard(int(n))
	c.n += int64(done)
	return noEOF(err)
}
