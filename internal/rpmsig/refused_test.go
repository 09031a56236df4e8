package rpmsig

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/distbot/distbot/internal/pgp"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// rpmHeader is a main header taken apart as its bytes are, so that it can be put
// together wrongly.
type rpmHeader struct {
	intro, index, store []byte
}

func splitHeader(raw []byte) rpmHeader {
	n := binary.BigEndian.Uint32(raw[8:]) * entrySize
	return rpmHeader{slices.Clone(raw[:introSize]), slices.Clone(raw[introSize:][:n]), slices.Clone(raw[introSize+n:])}
}

func (h rpmHeader) entry(i int) []byte { return h.index[i*entrySize:][:entrySize] }

func (h rpmHeader) entries() int { return len(h.index) / entrySize }

// trailer is that of the region, in the store.
func (h rpmHeader) trailer() []byte {
	return h.store[binary.BigEndian.Uint32(h.entry(0)[8:]):][:entrySize]
}

// counted is the header with the counts of its intro corrected.
func (h rpmHeader) counted() rpmHeader {
	binary.BigEndian.PutUint32(h.intro[8:], uint32(h.entries()))
	binary.BigEndian.PutUint32(h.intro[12:], uint32(len(h.store)))
	return h
}

func (h rpmHeader) bytes() []byte { return slices.Concat(h.intro, h.index, h.store) }

// put adds n to a big-endian number.
func put(at []byte, n int32) {
	binary.BigEndian.PutUint32(at, binary.BigEndian.Uint32(at)+uint32(n))
}

// withHeader is an RPM with another main header, whose digests are corrected: what
// is refused then is refused for the header itself.
func withHeader(t *testing.T, raw []byte, header []byte) []byte {
	t.Helper()
	head := readHead(t, raw)
	payload := raw[head.Size():]
	all, err := head.values()
	if err != nil {
		t.Fatal(err)
	}
	one, two, whole := sha1.Sum(header), sha256.Sum256(header), md5.Sum(slices.Concat(header, payload))
	for i, v := range all {
		switch v.tag {
		case 269: // SHA1HEADER
			all[i].data = append([]byte(hex.EncodeToString(one[:])), 0)
		case 273: // SHA256HEADER
			all[i].data = append([]byte(hex.EncodeToString(two[:])), 0)
		case 1000: // SIZE
			all[i].data = binary.BigEndian.AppendUint32(nil, uint32(len(header)+len(payload)))
		case 1004: // MD5
			all[i].data = whole[:]
		}
	}
	return slices.Concat(head.lead, marshal(all), header, payload)
}

// namedMutations are the ways to break the region that rpm has a rule against.
var namedMutations = map[string]func(h rpmHeader) rpmHeader{
	"its region covers one entry less":     func(h rpmHeader) rpmHeader { put(h.trailer()[8:], entrySize); return h },
	"its region covers one entry more":     func(h rpmHeader) rpmHeader { put(h.trailer()[8:], -entrySize); return h },
	"its region covers half an entry less": func(h rpmHeader) rpmHeader { put(h.trailer()[8:], entrySize/2); return h },
	"its region's trailer has a positive offset": func(h rpmHeader) rpmHeader {
		binary.BigEndian.PutUint32(h.trailer()[8:], uint32(len(h.index)))
		return h
	},
	"its region's trailer is of another tag":  func(h rpmHeader) rpmHeader { put(h.trailer(), 1); return h },
	"its region's trailer is of another type": func(h rpmHeader) rpmHeader { put(h.trailer()[4:], -1); return h },
	"its region's trailer has another count":  func(h rpmHeader) rpmHeader { put(h.trailer()[12:], 1); return h },
	"its region is of another tag":            func(h rpmHeader) rpmHeader { put(h.entry(0), -1); return h },
	"its region and trailer are of another tag": func(h rpmHeader) rpmHeader {
		put(h.trailer(), -1)
		put(h.entry(0), -1)
		return h
	},
	"its region's trailer lies elsewhere": func(h rpmHeader) rpmHeader { put(h.entry(0)[8:], -entrySize); return h },
	"it has no region": func(h rpmHeader) rpmHeader {
		h.store, h.index = h.store[:len(h.store)-entrySize], h.index[entrySize:]
		return h.counted()
	},
	"a store goes on behind the region": func(h rpmHeader) rpmHeader {
		h.store = append(h.store, make([]byte, entrySize)...)
		return h.counted()
	},
	"an entry follows that the region does not cover": func(h rpmHeader) rpmHeader {
		h.index = appendEntry(h.index, 5000, typeBinary, uint32(len(h.store)), 4)
		h.store = append(h.store, 1, 2, 3, 4)
		return h.counted()
	},
	"an entry's values lie in the trailer": func(h rpmHeader) rpmHeader {
		at := binary.BigEndian.Uint32(h.entry(0)[8:])
		h.index = appendEntry(h.index, 5000, typeBinary, at, 4)
		put(h.trailer()[8:], -entrySize)
		return h.counted()
	},
	"its reserved bytes are not zero": func(h rpmHeader) rpmHeader { h.intro[7] = 1; return h },
	"its version is another":          func(h rpmHeader) rpmHeader { h.intro[3] = 2; return h },
}

// mutated changes a header at random: entries, the region above all, the intro
// and bytes of the store.
func mutated(h rpmHeader, random *rand.Rand) rpmHeader {
	switch random.IntN(8) {
	case 0, 1:
		put(h.trailer()[4*random.IntN(4):], int32(random.IntN(65)-32))
	case 2:
		put(h.entry(0)[4*random.IntN(4):], int32(random.IntN(65)-32))
	case 3, 4:
		put(h.entry(random.IntN(h.entries()))[4*random.IntN(4):], int32(random.IntN(17)-8))
	case 5:
		i, j := random.IntN(h.entries()), random.IntN(h.entries())
		a := slices.Clone(h.entry(i))
		copy(h.entry(i), h.entry(j))
		copy(h.entry(j), a)
	case 6:
		h.store[random.IntN(len(h.store))] ^= 1 << random.IntN(8)
	case 7:
		h.intro[random.IntN(8)] ^= 1 << random.IntN(8)
	}
	return h
}

// TestWhatRPMRefusesIsNotSigned breaks main headers, corrects all digests, and
// compares with rpm itself. What it refuses must not get a signature; and what
// does must be accepted by rpm with it.
func TestWhatRPMRefusesIsNotSigned(t *testing.T) {
	t.Parallel()
	all := packages(t)
	key := newKey(t, pgp.Ed25519)
	db := keyring(t, key.PublicKey)
	raws := map[string][]byte{"rpmbuild": all["of binaries"], "sources": all["of sources"], "rpmpack": all["made by another program"]}
	mutants := map[string][]byte{}
	for kind, raw := range raws {
		header := readHead(t, raw).Header()
		if got := withHeader(t, raw, header); !accepted(t, got) {
			t.Fatalf("%s: it is not signed as it is", kind)
		}
		for name, mutate := range namedMutations {
			mutants[kind+": "+name] = withHeader(t, raw, mutate(splitHeader(header)).bytes())
		}
		for seed := range uint64(80) {
			random := rand.New(rand.NewPCG(seed, 0))
			mutants[fmt.Sprintf("%s: at random, %d", kind, seed)] = withHeader(t, raw, mutated(splitHeader(header), random).bytes())
		}
	}
	var refusals, signed int
	for name, raw := range mutants {
		out, refusedByRPM := refused(t, raw)
		if refusedByRPM {
			refusals++
		}
		if !accepted(t, raw) {
			continue
		}
		signed++
		if refusedByRPM {
			t.Errorf("%s: it is signed, and rpm says\n%s", name, out)
			continue
		}
		if out, err := rpmkeys(t, db, sign(t, raw, key)); err != nil {
			t.Errorf("%s: signed, rpm does not accept it: %v\n%s", name, err, out)
		}
	}
	// Otherwise nothing was compared.
	if refusals < 60 || signed < 20 {
		t.Errorf("of %d mutants rpm refused %d, and %d were signed", len(mutants), refusals, signed)
	}
	t.Logf("of %d mutants rpm refused %d, and %d were signed", len(mutants), refusals, signed)
}

// refused is what rpm says of an RPM whose signatures do not matter.
func refused(t *testing.T, raw []byte) (string, bool) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "it.rpm")
	write(t, file, raw)
	out, err := exec.Command(rpmtest.Tool(t, "rpmkeys"), "--dbpath", t.TempDir(), "-Kv", "--nosignature", file).CombinedOutput()
	return string(out), err != nil
}

// accepted says whether an RPM is one that would be signed.
func accepted(t *testing.T, raw []byte) bool {
	t.Helper()
	head, err := ReadHead(bytes.NewReader(raw))
	if err != nil {
		return false
	}
	pkg, err := head.Parse()
	if err != nil || Covered(pkg) != nil {
		return false
	}
	payload := sha256.Sum256(raw[head.Size():])
	return pkg.PayloadDigest == hex.EncodeToString(payload[:]) // which an import verifies
}
