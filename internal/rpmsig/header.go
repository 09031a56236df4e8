package rpmsig

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/distbot/distbot/internal/pgp"
)

// headerMagic begins every header: magic, version 1, reserved.
const headerMagic = "\x8e\xad\xe8\x01\x00\x00\x00\x00"

// Tags of the signature header (rpm's rpmtag.h). Those of signatures are
// replaced, every other stays.
const (
	tagRegion   = 62 // HEADERSIGNATURES
	firstData   = 100
	tagDSA      = 267  // of the main header: DSA and EdDSA
	tagRSA      = 268  // of the main header: RSA
	tagOpenPGP  = 278  // of the main header: any, in base64, rpm 4.20
	tagPGP      = 1002 // of header and payload
	tagPGP5     = 1003
	tagGPG      = 1005 // of header and payload
	tagReserved = 1008 // room for signatures that are made later
)

const (
	typeInt16       = 3
	typeInt32       = 4
	typeInt64       = 5
	typeString      = 6
	typeBinary      = 7
	typeStringArray = 8
	typeI18N        = 9
)

// value is an entry of a header, with its bytes as they are stored.
type value struct {
	tag, kind, count uint32
	data             []byte
}

// align is the boundary that the values of a type begin at.
func (v value) align() int {
	switch v.kind {
	case typeInt16:
		return 2
	case typeInt32:
		return 4
	case typeInt64:
		return 8
	}
	return 1
}

// values takes apart a signature header that passed Parse, without its region.
func (h *Head) values() ([]value, error) {
	n := int(binary.BigEndian.Uint32(h.signature[8:]))
	index, store := h.signature[introSize:introSize+n*entrySize], h.signature[introSize+n*entrySize:]
	store = store[:binary.BigEndian.Uint32(h.signature[12:])]
	var all []value
	for ; len(index) > 0; index = index[entrySize:] {
		v := value{tag: binary.BigEndian.Uint32(index), kind: binary.BigEndian.Uint32(index[4:]), count: binary.BigEndian.Uint32(index[12:])}
		if v.tag < firstData {
			continue
		}
		offset := binary.BigEndian.Uint32(index[8:])
		if int64(offset) >= int64(len(store)) {
			return nil, fmt.Errorf("tag %d lies outside: %w", v.tag, ErrMalformed)
		}
		size, ok := v.size(store[offset:])
		if !ok {
			return nil, fmt.Errorf("tag %d is not whole: %w", v.tag, ErrMalformed)
		}
		v.data = store[offset:][:size]
		all = append(all, v)
	}
	return all, nil
}

// size is how many bytes of from the value takes.
func (v value) size(from []byte) (int, bool) {
	switch v.kind {
	case typeString, typeStringArray, typeI18N:
		size := 0
		for range v.count {
			end := bytes.IndexByte(from[size:], 0)
			if end < 0 {
				return 0, false
			}
			size += end + 1
		}
		return size, true
	}
	size := int64(v.count) * int64(v.align())
	return int(size), size <= int64(len(from))
}

// isSignature says whether a value is an OpenPGP signature.
func (v value) isSignature() bool {
	switch v.tag {
	case tagDSA, tagRSA, tagOpenPGP, tagPGP, tagPGP5, tagGPG:
		return true
	}
	return false
}

// signatureOf is the value for a signature of the main header.
func signatureOf(raw []byte) (value, error) {
	signature, err := pgp.ParseSignature(raw)
	if err != nil {
		return value{}, err
	}
	v := value{tag: tagDSA, kind: typeBinary, count: uint32(len(raw)), data: raw}
	if signature.IsRSA() {
		v.tag = tagRSA
	}
	return v, nil
}

// WithSignature is the signature header, with its padding, that makes the file
// one signed by raw, an OpenPGP packet over Header. Signatures that were there
// are gone, whoever made them: a client that does not know their keys would
// refuse the package for them. Every other value stays. As in rpmsign, what the
// signature takes is taken from the room that rpmbuild reserved, so that the
// size of the file stays, too, as far as there is room.
//
// The signature is written as the RSA or DSA signature of the header, which
// every rpm from 4.0 on reads in packages of format 4, and not once more under
// the tag that rpm 4.20 made for several of them: a copy has one.
func (h *Head) WithSignature(raw []byte) ([]byte, error) {
	own, err := signatureOf(raw)
	if err != nil {
		return nil, fmt.Errorf("rpmsig: sign: %w", err)
	}
	all, err := h.values()
	if err != nil {
		return nil, fmt.Errorf("rpmsig: sign: %w", err)
	}
	all = append(slices.DeleteFunc(all, value.isSignature), own)
	slices.SortStableFunc(all, func(a, b value) int { return cmp.Compare(a.tag, b.tag) })
	made := marshal(all)
	i := slices.IndexFunc(all, func(v value) bool { return v.tag == tagReserved && v.kind == typeBinary })
	if i < 0 {
		return made, nil
	}
	// A change of the reserved room moves what follows it by as much, or by
	// less where that is aligned: in general nothing follows.
	room := len(all[i].data) - (unpadded(made) - unpadded(h.signature))
	if room < 1 {
		return marshal(slices.Delete(all, i, i+1)), nil
	}
	all[i].data, all[i].count = make([]byte, room), uint32(room)
	return marshal(all), nil
}

// unpadded is the size of a header without its padding.
func unpadded(header []byte) int {
	return introSize + int(binary.BigEndian.Uint32(header[8:]))*entrySize + int(binary.BigEndian.Uint32(header[12:]))
}

// marshal puts a signature header together: its values in the order of their
// tags within one region (rpm's headerExport).
func marshal(all []value) []byte {
	entries := len(all) + 1
	var index, store []byte
	for _, v := range all {
		for len(store)%v.align() != 0 {
			store = append(store, 0)
		}
		index = appendEntry(index, v.tag, v.kind, uint32(len(store)), v.count)
		store = append(store, v.data...)
	}
	region := appendEntry(nil, tagRegion, typeBinary, uint32(len(store)), entrySize)
	store = appendEntry(store, tagRegion, typeBinary, uint32(-int32(entries*entrySize)), entrySize)
	header := binary.BigEndian.AppendUint32([]byte(headerMagic), uint32(entries))
	header = binary.BigEndian.AppendUint32(header, uint32(len(store)))
	return append(slices.Concat(header, region, index, store), make([]byte, -len(store)&7)...)
}

func appendEntry(to []byte, tag, kind, offset, count uint32) []byte {
	for _, n := range []uint32{tag, kind, offset, count} {
		to = binary.BigEndian.AppendUint32(to, n)
	}
	return to
}

// Signatures are the signatures of the main header: OpenPGP packets, which
// nobody has looked at.
func (h *Head) Signatures() ([][]byte, error) {
	all, err := h.values()
	if err != nil {
		return nil, fmt.Errorf("rpmsig: list signatures: %w", err)
	}
	var found [][]byte
	for _, v := range all {
		switch {
		case (v.tag == tagDSA || v.tag == tagRSA) && v.kind == typeBinary:
			found = append(found, v.data)
		case v.tag == tagOpenPGP && (v.kind == typeString || v.kind == typeStringArray):
			for text := range bytes.SplitSeq(bytes.TrimSuffix(v.data, []byte{0}), []byte{0}) {
				raw, err := base64.StdEncoding.DecodeString(string(text))
				if err != nil {
					return nil, fmt.Errorf("rpmsig: list signatures: %w: %w", err, ErrMalformed)
				}
				found = append(found, raw)
			}
		}
	}
	return found, nil
}
