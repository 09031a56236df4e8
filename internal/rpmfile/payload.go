package rpmfile

import (
	"bufio"
	"compress/bzip2"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory a compressed payload may ask its decompressor
// for: xz -9 needs 64 MiB, zstd's --long default 128 MiB.
const maxWindow = 128 << 20

// Limits bound a payload walk. A zero field means the default.
type Limits struct {
	Bytes   int64 // uncompressed archive, default 64 GiB
	Entries int   // members of the archive, default 1,048,575
}

func (l Limits) withDefaults() Limits {
	if l.Bytes == 0 {
		l.Bytes = 64 << 30
	}
	if l.Entries == 0 {
		l.Entries = maxArray
	}
	return l
}

// PayloadFile is one member of a payload.
type PayloadFile struct {
	// Path is as File.Path: absolute and clean, or the plain name in a source
	// RPM. It is always one the header lists.
	Path string
	Mode uint32 // type and permission bits as in stat(2)
	Size int64  // bytes of content; 0 for all but the last of a set of hard links
	// File is the header's entry for the path.
	File *File
}

// WalkPayload calls visit for every member of the payload of p, in archive
// order, with a reader of exactly the member's content (a link's target for a
// symbolic link), which is valid during the call; content not read is skipped.
// An error from visit ends the walk and is returned as it is.
//
// r is the whole RPM file that p was read from. The payload may be gzip, zstd,
// xz, bzip2 or uncompressed cpio, newc or rpm's stripped "07070X" form for
// files of 4 GiB and more. A member the header does not list, a name twice, a
// path that is not clean, and a payload that differs from PayloadDigest are
// errors that wrap ErrMalformed or ErrDigest; a bound that is exceeded is
// ErrTooLarge. The digest is known only at the end: what visit saw counts only
// when WalkPayload returns nil.
func WalkPayload(r io.ReaderAt, p *Package, limits Limits, visit func(PayloadFile, io.Reader) error) error {
	if p.PayloadFormat != "cpio" && p.PayloadFormat != "" {
		return fmt.Errorf("rpmfile: walk payload of %s: format %q: %w", p.NEVRA, clip(p.PayloadFormat), ErrMalformed)
	}
	sum := sha256.New()
	packed := bufio.NewReaderSize(io.TeeReader(io.NewSectionReader(r, p.HeaderEnd, math.MaxInt64-p.HeaderEnd), sum), 64<<10)
	plain, err := decompress(packed, p.PayloadCompressor)
	if err != nil {
		return fmt.Errorf("rpmfile: walk payload of %s: %w", p.NEVRA, err)
	}
	defer plain.Close()
	if err := walkArchive(plain, p, limits.withDefaults(), visit); err != nil {
		return err
	}
	if p.PayloadDigest == "" {
		return nil
	}
	if _, err := io.Copy(io.Discard, packed); err != nil {
		return fmt.Errorf("rpmfile: walk payload of %s: %w", p.NEVRA, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != p.PayloadDigest {
		return fmt.Errorf("rpmfile: walk payload of %s: SHA-256 %s, the header says %q: %w", p.NEVRA, got, clip(p.PayloadDigest), ErrDigest)
	}
	return nil
}

func walkArchive(plain io.Reader, p *Package, limits Limits, visit func(PayloadFile, io.Reader) error) error {
	archive := newArchive(plain, p, limits)
	for {
		file, err := archive.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("rpmfile: walk payload of %s: %w", p.NEVRA, err)
		}
		if err := visit(file, archive); err != nil {
			return err
		}
	}
}

// decompress undoes the payload's compression. Memory is bounded by maxWindow
// whatever the stream asks for.
func decompress(r *bufio.Reader, compressor string) (io.ReadCloser, error) {
	switch compressor {
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w: %w", err, ErrMalformed)
		}
		return z, nil
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, fmt.Errorf("zstd: %w: %w", err, ErrMalformed)
		}
		return z.IOReadCloser(), nil
	case "xz":
		return io.NopCloser(newXZReader(r)), nil
	case "bzip2":
		return io.NopCloser(bzip2.NewReader(r)), nil
	case "":
		return io.NopCloser(r), nil
	}
	return nil, fmt.Errorf("payload compressor %q is not supported: %w", clip(compressor), ErrMalformed)
}
