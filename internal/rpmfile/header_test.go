package rpmfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/rpmpack"

	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// entry is one index entry of a handmade header.
type entry struct{ tag, typ, offset, count uint32 }

// handmade is an RPM with an empty signature header and a main header of the
// given index and store, which has no region.
func handmade(index []entry, store []byte) []byte {
	return slices.Concat(headless(), header(index, store))
}

// whole is handmade with a region that covers the main header.
func whole(index []entry, store []byte) []byte {
	return slices.Concat(headless(), regional(regionImmutable, index, store))
}

// headless is the beginning of an RPM up to its main header.
func headless() []byte {
	lead := make([]byte, leadSize)
	copy(lead, "\xed\xab\xee\xdb\x03\x00")
	signatures := regional(regionSignatures, nil, nil)
	return slices.Concat(lead, signatures)
}

// regional is a header whose region covers all of it.
func regional(region uint32, index []entry, store []byte) []byte {
	size := int32(len(index)+1) * entrySize
	trailer := header([]entry{{region, typeBinary, uint32(-size), entrySize}}, nil)[introSize:]
	return header(append([]entry{{region, typeBinary, uint32(len(store)), entrySize}}, index...), slices.Concat(store, trailer))
}

func header(index []entry, store []byte) []byte {
	b := []byte("\x8e\xad\xe8\x01\x00\x00\x00\x00")
	b = binary.BigEndian.AppendUint32(b, uint32(len(index)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(store)))
	for _, e := range index {
		for _, v := range []uint32{e.tag, e.typ, e.offset, e.count} {
			b = binary.BigEndian.AppendUint32(b, v)
		}
	}
	return append(b, store...)
}

// TestReadSurvivesHugeCounts is the 144-byte file that makes the library
// behind allocate gigabytes.
//
//nolint:paralleltest // it measures what the whole process allocates
func TestReadSurvivesHugeCounts(t *testing.T) {
	for _, tt := range []struct {
		name       string
		typ, count uint32
	}{
		{"int16 of 0x10000000", typeInt16, 0x10000000},
		{"int32 of 0x10000000", typeInt32, 0x10000000},
		{"int64 of 0x10000000", typeInt64, 0x10000000},
		{"int16 of 0xFFFFFFFF", typeInt16, 0xffffffff},
		{"int32 of 0xFFFFFFFF", typeInt32, 0xffffffff},
		{"int64 of 0xFFFFFFFF", typeInt64, 0xffffffff},
		{"binary of 0xFFFFFFFF", typeBinary, 0xffffffff},
		{"strings of 0xFFFFFFFF", typeStringArray, 0xffffffff},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// One lead, one intro and one index entry, and 16 bytes of store.
			raw := make([]byte, leadSize, 144)
			copy(raw, "\xed\xab\xee\xdb\x03\x00")
			raw = append(raw, header([]entry{{tagName, tt.typ, 0, tt.count}}, make([]byte, 16))...)
			if len(raw) != 144 {
				t.Fatalf("the input has %d bytes", len(raw))
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Read(bytes.NewReader(raw))
			runtime.ReadMemStats(&after)

			if !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v, want ErrMalformed", err)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<10 {
				t.Errorf("allocated %d bytes", grown)
			}
			if took := fastest(10, func() { _, _ = Read(bytes.NewReader(raw)) }); took > 10*time.Millisecond {
				t.Errorf("took %v at best, which only a loop over the count explains", took)
			}
		})
	}
}

// fastest is the shortest of n runs, so that a busy machine does not count.
func fastest(n int, run func()) time.Duration {
	best := time.Duration(1<<63 - 1)
	for range n {
		start := time.Now()
		run()
		best = min(best, time.Since(start))
	}
	return best
}

func TestReadRefusesBrokenHeaders(t *testing.T) {
	t.Parallel()
	store := []byte("name\x00\x00\x00\x00unterminated")
	for _, tt := range []struct {
		name  string
		raw   []byte
		want  error
		fault string
	}{
		{"an empty file", nil, ErrMalformed, "truncated"},
		{"a lead without headers", handmade(nil, nil)[:leadSize], ErrMalformed, "truncated"},
		{"another magic", bytes.Repeat([]byte{0x7f}, 500), ErrMalformed, "magic"},
		{"an unknown type", handmade([]entry{{tagName, 42, 0, 1}}, store), ErrMalformed, "unknown type"},
		{"the null type", handmade([]entry{{tagName, 0, 0, 1}}, store), ErrMalformed, "unknown type"},
		{"a count of zero", handmade([]entry{{tagName, typeString, 0, 0}}, store), ErrMalformed, "no values"},
		{"two values in a single string", handmade([]entry{{tagName, typeString, 0, 2}}, store), ErrMalformed, "single string"},
		{"an offset behind the store", handmade([]entry{{tagName, typeString, 20, 1}}, store), ErrMalformed, "outside the store"},
		{"an offset of 0xFFFFFFFF", handmade([]entry{{tagName, typeString, 0xffffffff, 1}}, store), ErrMalformed, "outside the store"},
		{"a misaligned number", handmade([]entry{{tagSize, typeInt32, 2, 1}}, store), ErrMalformed, "misaligned"},
		{"a number that runs out of the store", handmade([]entry{{tagSize, typeInt32, 16, 2}}, store), ErrMalformed, "outside the store"},
		{"a string without end", handmade([]entry{{tagName, typeString, 8, 1}}, store), ErrMalformed, "not terminated"},
		{"fewer strings than counted", handmade([]entry{{tagName, typeStringArray, 0, 6}}, store), ErrMalformed, "not terminated"},
		{"overlapping entries", handmade([]entry{{tagName, typeString, 0, 1}, {tagVersion, typeString, 2, 1}}, store), ErrMalformed, "overlaps"},
		{"a tag that occurs twice", handmade([]entry{{tagName, typeString, 0, 1}, {tagName, typeString, 5, 1}}, store), ErrMalformed, "twice"},
		{"a region in the middle", handmade([]entry{{tagName, typeString, 0, 1}, {63, typeBinary, 4, 16}}, store), ErrMalformed, "region"},
		{"an index that is not there", handmade([]entry{{tagName, typeString, 0, 1}}, store)[:len(headless())+introSize+20], ErrMalformed, "truncated"},
		{"no region", handmade([]entry{{tagName, typeString, 0, 1}}, store), ErrMalformed, "first entry is not the region 63"},
		{"a name that is a number", handmade([]entry{{tagName, typeInt32, 0, 1}}, store), ErrMalformed, "another type"},
		{"no name", whole([]entry{{tagVersion, typeString, 0, 1}}, store), ErrName, "architecture"},
		{"more entries than rpm allows", claim(0x10000, 16), ErrTooLarge, "index entries"},
		{"a store of 4 GiB", claim(1, 0xffffffff), ErrTooLarge, "index entries"},
		{"more values than fit in memory", manyStrings(), ErrTooLarge, "values"},
		{"a store that is not there", claim(1, maxStoreBytes), ErrMalformed, "truncated"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Read(bytes.NewReader(tt.raw))
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("got %v, want %v with %q", err, tt.want, tt.fault)
			}
		})
	}
}

// manyStrings is an RPM whose 5 MiB decode to five million strings.
func manyStrings() []byte {
	var index []entry
	for i := range uint32(5) {
		index = append(index, entry{9000 + i, typeStringArray, i * maxArray, maxArray})
	}
	return handmade(index, make([]byte, 5*maxArray))
}

// claim is an RPM whose main header promises more than the file holds.
func claim(entries, store uint32) []byte {
	raw := slices.Concat(headless(), header(nil, nil))
	binary.BigEndian.PutUint32(raw[len(raw)-8:], entries)
	binary.BigEndian.PutUint32(raw[len(raw)-4:], store)
	return raw
}

// TestReadBoundsWhatASmallHeaderDescribes: a directory name is stored once and
// used by a million files.
func TestReadBoundsWhatASmallHeaderDescribes(t *testing.T) {
	t.Parallel()
	const files = 100_000
	raw := rpmtest.Pack(t, rpmpack.RPMMetaData{Name: "a", Version: "1", Release: "1", Arch: "noarch"}, func(r *rpmpack.RPM) {
		r.AddCustomTag(tagDirNames, rpmpack.EntryStringSlice([]string{"/" + strings.Repeat("d", 4000) + "/"}))
		names := make([]string, files)
		for i := range names {
			names[i] = "f"
		}
		r.AddCustomTag(tagBaseNames, rpmpack.EntryStringSlice(names))
		for _, tag := range []int{tagDirIndexes, tagFileSizes, tagFileFlags, tagFileInodes} {
			r.AddCustomTag(tag, rpmpack.EntryUint32(make([]uint32, files)))
		}
		r.AddCustomTag(tagFileModes, rpmpack.EntryUint16(make([]uint16, files)))
		for _, tag := range []int{tagFileDigests, tagFileLinkTos, tagFileUserName, tagFileGroupName} {
			r.AddCustomTag(tag, rpmpack.EntryStringSlice(make([]string, files)))
		}
	})
	if _, err := Read(bytes.NewReader(raw)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

func TestReadRefusesColumnsOfDifferentLength(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*rpmpack.RPM){
		"requires without enough versions": func(r *rpmpack.RPM) {
			r.AddCustomTag(1049, rpmpack.EntryStringSlice([]string{"a", "b"}))
			r.AddCustomTag(1050, rpmpack.EntryStringSlice([]string{"1"}))
		},
		"a directory index outside": func(r *rpmpack.RPM) {
			r.AddCustomTag(tagDirIndexes, rpmpack.EntryUint32([]uint32{7}))
		},
		"changelog texts missing": func(r *rpmpack.RPM) {
			r.AddCustomTag(tagChangelogTime, rpmpack.EntryUint32([]uint32{1, 2}))
			r.AddCustomTag(tagChangelogText, rpmpack.EntryStringSlice([]string{"one"}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := rpmtest.Pack(t, rpmpack.RPMMetaData{Name: "a", Version: "1", Release: "1", Arch: "noarch"}, func(r *rpmpack.RPM) {
				r.AddFile(rpmpack.RPMFile{Name: "/etc/a", Body: []byte("a")})
				edit(r)
			})
			if _, err := Read(bytes.NewReader(raw)); !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v, want ErrMalformed", err)
			}
		})
	}
}

func TestReadVerifiesTheHeaderDigest(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(kitchen(t)["noarch"])
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(raw, []byte("MIT AND"))
	copy(raw[at:], "GPL AND")
	if _, err := Read(bytes.NewReader(raw)); !errors.Is(err, ErrDigest) {
		t.Errorf("got %v, want ErrDigest", err)
	}
}

// FuzzRead also walks the payload of whatever still parses: neither may panic,
// and errors are of the documented kinds.
func FuzzRead(f *testing.F) {
	for _, path := range kitchen(f) {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add(rpmtest.Pack(f, rpmpack.RPMMetaData{Name: "a", Version: "1", Release: "1", Arch: "noarch"}, nil))
	f.Add(whole([]entry{{tagName, typeString, 0, 1}}, []byte("name\x00")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := readWithoutDigest(raw)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrName) && !errors.Is(err, ErrDigest) {
				t.Errorf("undocumented error: %v", err)
			}
			return
		}
		if p.HeaderEnd > int64(len(raw)) {
			t.Errorf("header ends at %d of %d bytes", p.HeaderEnd, len(raw))
		}
		_ = CheckELF(bytes.NewReader(raw), p, Limits{Bytes: 1 << 20, Entries: 1000})
	})
}

// readWithoutDigest is Read with the header's own digest corrected first, so
// that mutations get past it.
func readWithoutDigest(raw []byte) (*Package, error) {
	p, err := Read(bytes.NewReader(raw))
	if !errors.Is(err, ErrDigest) {
		return p, err
	}
	h, err := readHeaders(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	lib, err := h.parse()
	if err != nil {
		return nil, err
	}
	p = &Package{HeaderStart: int64(h.start), HeaderEnd: int64(h.end)}
	return p, p.fromHeader(tags{&lib.Header})
}
