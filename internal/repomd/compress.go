package repomd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Compression is how the documents of a repository are compressed.
type Compression string

// The compressions Write knows. Gzip is read by every client; zstd by dnf, but
// not by createrepo_c before 1.0.
const (
	Gzip Compression = "gz"
	Zstd Compression = "zstd"
)

// suffix is what the names of compressed files end with.
func (c Compression) suffix() string {
	if c == Zstd {
		return ".zst"
	}
	return ".gz"
}

var gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// zstdEncoder is shared: EncodeAll may be called concurrently, and its result
// depends on nothing but its input.
var zstdEncoder = sync.OnceValues(func() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(8<<20))
})

// member is text compressed as one gzip member or zstd frame, which the same
// text always gives.
func (c Compression) member(text []byte) ([]byte, error) {
	if c == Zstd {
		e, err := zstdEncoder()
		if err != nil {
			return nil, fmt.Errorf("repomd: compress: %w", err)
		}
		return e.EncodeAll(text, nil), nil
	}
	var out bytes.Buffer
	w, ok := gzipWriters.Get().(*gzip.Writer)
	if !ok {
		w = gzip.NewWriter(nil)
	}
	defer gzipWriters.Put(w)
	// The zero header has neither name nor modification time.
	w.Reset(&out)
	if _, err := w.Write(text); err != nil {
		return nil, fmt.Errorf("repomd: compress: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("repomd: compress: %w", err)
	}
	return out.Bytes(), nil
}

// checkMember reads a member as a client does, and returns an error wrapping
// ErrChecksum unless it is text. Documents are made of members that were read
// once, so that they need not be read whole each time.
//
// How much less a member is than its text does not matter here: clients don't
// ask, and no more is read than the text has. What is too much of a package is
// said by Describe.
func (c Compression) checkMember(member, text []byte) (err error) {
	plain, err := decompress("member"+c.suffix(), bytes.NewReader(member))
	if err != nil {
		return fmt.Errorf("repomd: check member: %w", err)
	}
	defer func() { err = errors.Join(err, plain.Close()) }()
	got := make([]byte, 64<<10)
	for rest := text; ; {
		n, err := plain.Read(got)
		if n > len(rest) || !bytes.Equal(got[:n], rest[:n]) {
			return fmt.Errorf("repomd: check member: what was compressed is not what comes back: %w", ErrChecksum)
		}
		rest = rest[n:]
		switch {
		case errors.Is(err, io.EOF) && len(rest) == 0:
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("repomd: check member: %d bytes are lacking: %w", len(rest), ErrChecksum)
		case err != nil:
			return fmt.Errorf("repomd: check member: %w", err)
		}
	}
}
