package distgit

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	git "github.com/go-git/go-git/v5"
)

// packObject is one entry of a pack made by hand.
type packObject struct {
	kind    byte
	claimed uint64
	content []byte
}

// Kinds of pack entries, from git's pack format.
const (
	packBlob     = 3
	packOFSDelta = 6
)

// makePack writes a pack whose header claims count objects.
func makePack(t *testing.T, count uint32, objects ...packObject) []byte {
	t.Helper()
	var out bytes.Buffer
	out.WriteString("PACK")
	_ = binary.Write(&out, binary.BigEndian, []uint32{2, count})
	last := 0
	for _, object := range objects {
		start := out.Len()
		size := object.claimed
		head := object.kind<<4 | byte(size&0xf)
		for size >>= 4; size > 0; size >>= 7 {
			out.WriteByte(head | 0x80)
			head = byte(size & 0x7f)
		}
		out.WriteByte(head)
		if object.kind == packOFSDelta {
			if start-last > 0x7f {
				t.Fatal("the base is too far away for this simple writer")
			}
			out.WriteByte(byte(start - last))
		}
		last = start
		packed := zlib.NewWriter(&out)
		if _, err := packed.Write(object.content); err != nil {
			t.Fatal(err)
		}
		if err := packed.Close(); err != nil {
			t.Fatal(err)
		}
	}
	sum := sha1.Sum(out.Bytes())
	return append(out.Bytes(), sum[:]...)
}

func TestInstallPack(t *testing.T) {
	t.Parallel()
	limits := packLimits{packBytes: 1 << 20, objectBytes: 1 << 16}
	hello := packObject{packBlob, 5, []byte("hello")}
	copyAll := []byte{5, 5, 0x90, 5} // a delta: base 5 bytes, result 5, copy 5 from 0
	bomb := bytes.Repeat([]byte{0}, 1<<22)
	for _, test := range []struct {
		name  string
		pack  []byte
		limit string // What of the LimitError, or empty
		fails bool
	}{
		{"an object and its delta", makePack(t, 2, hello, packObject{packOFSDelta, 4, copyAll}), "", false},
		{"a pack without objects", makePack(t, 0), "", false},
		{"four billion objects claimed", makePack(t, 1<<32-1, hello), "objects in the pack", true},
		{"a million objects claimed, one there", makePack(t, 1_000_000, hello), "", true},
		{"an object that claims a terabyte", makePack(t, 1, packObject{packBlob, 1 << 40, []byte("x")}), "bytes in one object", true},
		{"an object that is a bomb", makePack(t, 1, packObject{packBlob, uint64(len(bomb)), bomb}), "bytes in one object", true},
		{"a bomb that claims to be small", makePack(t, 1, packObject{packBlob, 10, bomb}), "", true},
		{"a delta that makes four gigabytes", makePack(t, 2, hello, packObject{packOFSDelta, 8, []byte{5, 0x80, 0x80, 0x80, 0x80, 0x10, 0x90, 5}}), "bytes in one object", true},
		{"a delta whose sizes never end", makePack(t, 2, hello, packObject{packOFSDelta, 20, bytes.Repeat([]byte{0xff}, 20)}), "bytes in one object", true},
		{"a delta that copies beyond its base", makePack(t, 2, hello, packObject{packOFSDelta, 4, []byte{5, 9, 0x90, 9}}), "", true},
		{"a pack cut short", makePack(t, 2, hello, hello)[:30], "", true},
		{"a pack with a wrong checksum", append(makePack(t, 1, hello)[:25], make([]byte, 20)...), "", true},
		{"no pack", []byte("hello, this is not a pack at all"), "", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if _, err := git.PlainInit(dir, true); err != nil {
				t.Fatal(err)
			}
			folder := filepath.Join(dir, "objects", "pack")
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			err := installPack(t.Context(), dir, bytes.NewReader(test.pack), limits)
			var limit *LimitError
			if (err != nil) != test.fails || errors.As(err, &limit) != (test.limit != "") || limit != nil && limit.What != test.limit {
				t.Errorf("installPack: %v; should fail %t, over the limit of %q", err, test.fails, test.limit)
			}
			left, err := os.ReadDir(folder)
			if err != nil {
				t.Fatal(err)
			}
			if test.fails && len(left) > 0 {
				t.Errorf("a pack that was refused left %v", left)
			}
		})
	}

	t.Run("stops when its context ends", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if _, err := git.PlainInit(dir, true); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, "objects", "pack"), 0o755); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := installPack(ctx, dir, bytes.NewReader(makePack(t, 1, hello)), limits); !errors.Is(err, context.Canceled) {
			t.Errorf("installPack: %v, want context.Canceled", err)
		}
	})
}

func FuzzCheckPack(f *testing.F) {
	t := &testing.T{}
	f.Add(makePack(t, 2, packObject{packBlob, 5, []byte("hello")}, packObject{packOFSDelta, 4, []byte{5, 5, 0x90, 5}}))
	f.Add([]byte("PACK"))
	f.Fuzz(func(t *testing.T, pack []byte) {
		count, err := checkPack(bytes.NewReader(pack), 1<<16)
		if err == nil && int(count) > len(pack) {
			t.Errorf("%d objects in %d bytes", count, len(pack))
		}
	})
}
