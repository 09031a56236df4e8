package rpmsig

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/distbot/distbot/internal/rpmfile"
)

const (
	leadSize  = 96
	introSize = 16
	entrySize = 16
)

// Head is the beginning of an RPM file, up to its payload.
type Head struct {
	lead, signature []byte // the signature header with its padding
	// header is the main header: what signatures are made over.
	header []byte
}

// ReadHead reads the head of an RPM from r and nothing after it, into at most
// rpmfile.MaxHeaderBytes. It follows the sizes that the file claims, in bounds,
// and looks at nothing else: so bytes can be hashed while they are read, and be
// parsed (see Parse) only when their digest has turned out to be the right one.
// Errors wrap rpmfile.ErrTooLarge, ErrMalformed or that of r.
func ReadHead(r io.Reader) (*Head, error) {
	var h Head
	var err error
	left := int64(rpmfile.MaxHeaderBytes - leadSize)
	if h.lead, err = readExactly(r, leadSize); err != nil {
		return nil, fmt.Errorf("rpmsig: read lead: %w", err)
	}
	if h.signature, err = readHeader(r, true, left); err != nil {
		return nil, fmt.Errorf("rpmsig: read signature header: %w", err)
	}
	if h.header, err = readHeader(r, false, left-int64(len(h.signature))); err != nil {
		return nil, fmt.Errorf("rpmsig: read main header: %w", err)
	}
	return &h, nil
}

// readHeader reads a header of at most limit bytes; padded to a multiple of 8
// where asked for.
func readHeader(r io.Reader, padded bool, limit int64) ([]byte, error) {
	intro, err := readExactly(r, introSize)
	if err != nil {
		return nil, err
	}
	if string(intro[:4]) != headerMagic[:4] {
		return nil, fmt.Errorf("magic %x: %w", intro[:4], ErrMalformed)
	}
	store := int64(binary.BigEndian.Uint32(intro[12:]))
	size := int64(binary.BigEndian.Uint32(intro[8:]))*entrySize + store
	if padded {
		size += -store & 7
	}
	if size > limit-introSize {
		return nil, fmt.Errorf("%d bytes, at most %d: %w", size, limit-introSize, rpmfile.ErrTooLarge)
	}
	body, err := readExactly(r, size)
	return append(intro, body...), err
}

// readExactly reads n bytes. Memory grows with the bytes that are really there.
func readExactly(r io.Reader, n int64) ([]byte, error) {
	var buf bytes.Buffer
	_, err := io.CopyN(&buf, r, n)
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("truncated: %w", ErrMalformed)
	}
	return buf.Bytes(), err
}

// Size is the number of bytes of the file before its payload.
func (h *Head) Size() int64 { return int64(len(h.lead) + len(h.signature) + len(h.header)) }

// Header is the main header, which signatures are made over. It must not be
// changed.
func (h *Head) Header() []byte { return h.header }

// Parse checks both headers by the rules of package rpmfile and tells what the
// package is. Signatures and WithSignature want it to have succeeded.
func (h *Head) Parse() (*rpmfile.Package, error) {
	return rpmfile.Read(io.MultiReader(bytes.NewReader(h.lead), bytes.NewReader(h.signature), bytes.NewReader(h.header)))
}

// Covered returns an error that wraps ErrNotCovered unless a signature of the
// main header vouches for the payload, too.
func Covered(p *rpmfile.Package) error {
	if p.PayloadDigest == "" {
		return fmt.Errorf("rpmsig: %s: %w", p.NEVRA, ErrNotCovered)
	}
	return nil
}
