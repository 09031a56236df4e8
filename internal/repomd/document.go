package repomd

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/distbot/distbot/internal/rpmfile"
)

// Bounds of a document as it lies in a repository, and of what its
// decompression may hold in memory.
const (
	maxFileBytes = 512 << 20
	maxWindow    = 128 << 20
)

// Open reads the document that d describes from a repository, checks it
// against the size and the checksum of repomd.xml, and returns its content,
// decompressed while it is read. The compressed document is held in memory. The
// error wraps ErrChecksum (also when repomd.xml has none that is trusted),
// ErrTooLarge beyond 512 MiB, ErrMalformed, or is that of the file system.
func (d Data) Open(repository fs.FS) (io.ReadCloser, error) {
	f, err := repository.Open(path.Clean(d.Href))
	if err != nil {
		return nil, fmt.Errorf("repomd: read %s: %w", d.Type, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("repomd: read %s: %w", d.Type, err)
	case len(text) > maxFileBytes:
		return nil, fmt.Errorf("repomd: read %s: more than %d bytes: %w", d.Type, maxFileBytes, ErrTooLarge)
	case d.Size != 0 && d.Size != int64(len(text)):
		return nil, fmt.Errorf("repomd: read %s: %d bytes, repomd.xml says %d: %w", d.Type, len(text), d.Size, ErrChecksum)
	}
	if err := d.verify(text); err != nil {
		return nil, err
	}
	return Decompress(d.Href, bytes.NewReader(text))
}

// Decompress returns the content of a document of the given file name: .gz,
// .zst and .xz are decompressed in bounded memory, anything else is passed
// through. Reading fails with an error that wraps ErrTooLarge where more than
// 64 MiB are more than 256 times of what they were.
func Decompress(name string, r io.Reader) (io.ReadCloser, error) {
	packed := &measured{Reader: r}
	plain, err := decompress(name, packed)
	if err != nil {
		return nil, err
	}
	return &expansion{ReadCloser: plain, packed: packed}, nil
}

// decompress is Decompress of as much as there is, for a text whose length is
// known.
func decompress(name string, r io.Reader) (io.ReadCloser, error) {
	switch filepath.Ext(name) {
	case ".gz":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("repomd: decompress %s: %w: %w", name, err, ErrMalformed)
		}
		return z, nil
	case ".zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, fmt.Errorf("repomd: decompress %s: %w: %w", name, err, ErrMalformed)
		}
		return z.IOReadCloser(), nil
	case ".xz":
		return io.NopCloser(rpmfile.NewXZReader(r)), nil
	}
	return io.NopCloser(r), nil
}
