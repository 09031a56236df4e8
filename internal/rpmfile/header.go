package rpmfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cavaliergopher/rpm"
)

// Bounds of what [Read] holds in memory. Some 200,000 files fit, by number of
// values and by size.
const (
	// MaxHeaderBytes bounds lead, signature and main header together.
	MaxHeaderBytes = 64 << 20

	maxStoreBytes   = 32 << 20 // of one header: what the parser behind accepts
	maxIndexEntries = 0xffff   // rpm: HEADER_TAGS_MAX
	maxArray        = 0xfffff  // rpm: HEADER_ARRAY_MAX, values of one tag
	maxValues       = 4 << 20  // values of all tags of one header; each costs up to 16 bytes decoded
)

const (
	leadSize  = 96
	introSize = 16 // magic, reserved, number of index entries, store size
	entrySize = 16 // tag, type, offset, count
)

// Types of index entries (rpm's rpmTagType_e).
const (
	typeChar        = 1
	typeInt8        = 2
	typeInt16       = 3
	typeInt32       = 4
	typeInt64       = 5
	typeString      = 6
	typeBinary      = 7
	typeStringArray = 8
	typeI18NString  = 9
)

// firstDataTag is HEADER_I18NTABLE; smaller tags are regions.
const firstDataTag = 100

// Regions: the first entry of a header, whose values are a trailer that says how
// much of the header belongs to it.
const (
	regionImage      = 61 // HEADERIMAGE
	regionSignatures = 62 // HEADERSIGNATURES, of the signature header
	regionImmutable  = 63 // HEADERIMMUTABLE, of the main header
)

// headerMagic begins every header: magic, version 1, reserved.
const headerMagic = "\x8e\xad\xe8\x01\x00\x00\x00\x00"

// headers is the validated beginning of an RPM file.
type headers struct {
	raw        []byte // lead, signature, padding, main header
	start, end int    // of the main header within the file
}

// readHeaders reads exactly the lead and both headers from r. Memory grows
// with the bytes that are really there, never with what a count claims.
func readHeaders(r io.Reader) (headers, error) {
	var h headers
	var buf bytes.Buffer
	if err := readInto(&buf, r, leadSize); err != nil {
		return h, fmt.Errorf("lead: %w", err)
	}
	if err := checkLead(buf.Bytes()); err != nil {
		return h, fmt.Errorf("lead: %w", err)
	}
	if err := readHeader(&buf, r, regionSignatures); err != nil {
		return h, fmt.Errorf("signature header: %w", err)
	}
	h.start = buf.Len()
	if err := readHeader(&buf, r, regionImmutable); err != nil {
		return h, fmt.Errorf("main header: %w", err)
	}
	h.end = buf.Len()
	h.raw = buf.Bytes()
	return h, nil
}

func checkLead(lead []byte) error {
	if !bytes.HasPrefix(lead, []byte{0xed, 0xab, 0xee, 0xdb}) {
		return fmt.Errorf("magic %x: %w", lead[:4], ErrMalformed)
	}
	if major := lead[4]; major != 3 && major != 4 {
		return fmt.Errorf("format version %d: %w", major, ErrMalformed)
	}
	return nil
}

// readHeader appends one header, which must have a region, to buf and validates
// it. A signature header is followed by padding to a multiple of 8.
func readHeader(buf *bytes.Buffer, r io.Reader, region uint32) error {
	begin := buf.Len()
	if err := readInto(buf, r, introSize); err != nil {
		return err
	}
	intro := buf.Bytes()[begin:]
	if !bytes.HasPrefix(intro, []byte(headerMagic)) {
		return fmt.Errorf("magic %x: %w", intro[:len(headerMagic)], ErrMalformed)
	}
	entries := int64(binary.BigEndian.Uint32(intro[8:]))
	store := int64(binary.BigEndian.Uint32(intro[12:]))
	if entries > maxIndexEntries || store > maxStoreBytes {
		return fmt.Errorf("%d index entries and %d bytes, at most %d and %d: %w",
			entries, store, maxIndexEntries, maxStoreBytes, ErrTooLarge)
	}
	size := entries*entrySize + store
	if region == regionSignatures {
		size += -store & 7 // the index is a multiple of 8 already
	}
	if int64(buf.Len())+size > MaxHeaderBytes {
		return fmt.Errorf("%d bytes of headers, at most %d: %w", int64(buf.Len())+size, MaxHeaderBytes, ErrTooLarge)
	}
	if err := readInto(buf, r, size); err != nil {
		return err
	}
	body := buf.Bytes()[begin+introSize:]
	index, values := body[:entries*entrySize], body[entries*entrySize:][:store]
	end, err := checkIndex(region, index, values)
	if err != nil {
		return err
	}
	return checkRegion(region, index, values, end)
}

// readInto appends exactly n bytes of r to buf.
func readInto(buf *bytes.Buffer, r io.Reader, n int64) error {
	switch _, err := io.CopyN(buf, r, n); {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("truncated: %w", ErrMalformed)
	case err != nil:
		return err
	}
	return nil
}

// checkIndex applies rpm's own rules (hdrblobVerifyInfo in lib/header.c) to
// every index entry, so that no count is believed which the store cannot hold:
// known type, offset aligned and within the store, values within the store,
// strings terminated, no overlap with the entry before, and in a main header the
// types of tags that rpm knows. It also refuses a tag that occurs twice, which two
// readers could understand differently. end is where the values of the last entry
// end in the store.
func checkIndex(region uint32, index, store []byte) (end int64, err error) {
	seen := make(map[uint32]bool, len(index)/entrySize)
	values := int64(0)
	for i := 0; i < len(index)/entrySize; i++ {
		e := index[i*entrySize:]
		tag, typ := binary.BigEndian.Uint32(e), binary.BigEndian.Uint32(e[4:])
		offset, count := int64(binary.BigEndian.Uint32(e[8:])), int64(binary.BigEndian.Uint32(e[12:]))

		if seen[tag] {
			return 0, entryError(i, tag, typ, offset, count, "tag occurs twice")
		}
		seen[tag] = true
		length, fault := entryLength(typ, offset, count, store)
		if fault != "" {
			return 0, entryError(i, tag, typ, offset, count, fault)
		}
		if tag < firstDataTag {
			// A region: only the first entry, and its 16-byte trailer lies
			// after the data it covers.
			if i != 0 || typ != typeBinary || count != entrySize {
				return 0, entryError(i, tag, typ, offset, count, "bad region")
			}
			continue
		}
		if region == regionImmutable && !fits(tag, typ) {
			return 0, entryError(i, tag, typ, offset, count, "the tag has another type")
		}
		if offset < end {
			return 0, entryError(i, tag, typ, offset, count, "overlaps the entry before")
		}
		end = offset + length
		if typ != typeBinary && typ != typeChar && typ != typeInt8 {
			values += count
		}
		if values > maxValues {
			return 0, fmt.Errorf("more than %d values: %w", maxValues, ErrTooLarge)
		}
	}
	return end, nil
}

// checkRegion applies rpm's rules for the region of a header in a package file
// (hdrblobVerifyRegion in lib/header.c, with exact_size): the first entry is the
// region's, its values are a trailer at the very end of the store, and the trailer
// says that the region covers every entry. What a region does not cover, rpm does
// not read as the package's. One thing more than rpm: a header without region,
// which rpm took up to 4.0, is refused. end is where the values of the other
// entries end.
func checkRegion(region uint32, index, store []byte, end int64) error {
	if len(index) < entrySize || binary.BigEndian.Uint32(index) != region {
		return fmt.Errorf("the first entry is not the region %d: %w", region, ErrMalformed)
	}
	at := int64(binary.BigEndian.Uint32(index[8:])) // within the store: see entryLength
	trailer := store[at:][:entrySize]
	tag, typ := binary.BigEndian.Uint32(trailer), binary.BigEndian.Uint32(trailer[4:])
	covers, count := -int64(int32(binary.BigEndian.Uint32(trailer[8:]))), binary.BigEndian.Uint32(trailer[12:])
	if region == regionSignatures && tag == regionImage {
		tag = region // as some old packages have it
	}
	switch {
	case tag != region || typ != typeBinary || count != entrySize:
		return fmt.Errorf("region %d: trailer has tag %d, type %d, count %d: %w", region, tag, typ, count, ErrMalformed)
	case covers != int64(len(index)) || at+entrySize != int64(len(store)):
		return fmt.Errorf("region %d covers %d bytes of the index and %d of the store, which have %d and %d: %w",
			region, covers, at+entrySize, len(index), len(store), ErrMalformed)
	case end > at:
		return fmt.Errorf("region %d: values lie in its trailer: %w", region, ErrMalformed)
	}
	return nil
}

func entryError(i int, tag, typ uint32, offset, count int64, fault string) error {
	return fmt.Errorf("index entry %d (tag %d, type %d, offset %d, count %d): %s: %w",
		i, tag, typ, offset, count, fault, ErrMalformed)
}

// entryLength is the number of bytes an entry's values take in the store, or a
// description of why they cannot be there.
func entryLength(typ uint32, offset, count int64, store []byte) (length int64, fault string) {
	width := int64(1)
	switch typ {
	case typeInt16:
		width = 2
	case typeInt32:
		width = 4
	case typeInt64:
		width = 8
	case typeChar, typeInt8, typeBinary, typeString, typeStringArray, typeI18NString:
	default:
		return 0, "unknown type"
	}
	size := int64(len(store))
	switch {
	case count < 1:
		return 0, "no values"
	case typ != typeBinary && count > maxArray:
		return 0, "too many values"
	case offset%width != 0:
		return 0, "misaligned"
	case offset >= size || count*width > size-offset: // both below 2³², no overflow
		return 0, "values outside the store"
	case typ == typeString && count != 1:
		return 0, "several values in a single string"
	}
	if typ != typeString && typ != typeStringArray && typ != typeI18NString {
		return count * width, ""
	}
	at := offset
	for range count {
		n := bytes.IndexByte(store[at:], 0)
		if n < 0 {
			return 0, "string not terminated"
		}
		at += int64(n) + 1
	}
	return at - offset, ""
}

// parse hands validated headers to the library. Validation leaves nothing for
// it to stumble over that we know of; should it panic all the same, that is a
// malformed RPM, not the end of the process.
func (h headers) parse() (p *rpm.Package, err error) {
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, fmt.Errorf("parser: %v: %w", r, ErrMalformed)
		}
	}()
	p, err = rpm.Read(bytes.NewReader(h.raw))
	if err != nil {
		return nil, fmt.Errorf("parser: %w: %w", err, ErrMalformed)
	}
	return p, nil
}
