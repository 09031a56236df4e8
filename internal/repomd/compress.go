package repomd

import (
	"bytes"
	"fmt"
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

// member appends text to b, compressed as one gzip member or zstd frame, which
// the same text always gives.
func (c Compression) member(b, text []byte) ([]byte, error) {
	if c == Zstd {
		e, err := zstdEncoder()
		if err != nil {
			return nil, fmt.Errorf("repomd: compress: %w", err)
		}
		return e.EncodeAll(text, b), nil
	}
	out := bytes.NewBuffer(b)
	w, ok := gzipWriters.Get().(*gzip.Writer)
	if !ok {
		w = gzip.NewWriter(nil)
	}
	defer gzipWriters.Put(w)
	// The zero header has neither name nor modification time.
	w.Reset(out)
	if _, err := w.Write(text); err != nil {
		return nil, fmt.Errorf("repomd: compress: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("repomd: compress: %w", err)
	}
	return out.Bytes(), nil
}
