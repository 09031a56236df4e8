package rpmsig

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/rpmpack"

	"github.com/distbot/distbot/internal/pgp"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// pack is a small package without reserved room.
func pack(t testing.TB) []byte {
	t.Helper()
	return rpmtest.Pack(t, rpmpack.RPMMetaData{Name: "packed", Version: "1", Release: "1", Arch: "noarch"}, func(r *rpmpack.RPM) {
		r.AddFile(rpmpack.RPMFile{Name: "/usr/share/packed", Body: bytes.Repeat([]byte("content "), 100), Mode: 0o644})
	})
}

func TestTampering(t *testing.T) {
	t.Parallel()
	key, other := newKey(t, pgp.Ed25519), newKey(t, pgp.Ed25519)
	db := keyring(t, key.PublicKey)
	signed := sign(t, pack(t), key)
	head := readHead(t, signed)
	inHeader := bytes.Index(signed, []byte("noarch\x00")) // the value of ARCH
	flip := func(at int) []byte {
		changed := bytes.Clone(signed)
		changed[at] ^= 1
		return changed
	}
	for name, test := range map[string]struct {
		raw  []byte
		keys []*pgp.PrivateKey
		now  time.Time
		want error
	}{
		"the payload was changed":        {raw: flip(len(signed) - 20), want: rpmfile.ErrDigest},
		"the payload was cut":            {raw: signed[:len(signed)-1], want: rpmfile.ErrDigest},
		"the payload has more":           {raw: append(bytes.Clone(signed), 0), want: rpmfile.ErrDigest},
		"the header was changed":         {raw: flip(inHeader), want: rpmfile.ErrDigest},
		"header and digest were changed": {raw: redigested(t, flip(inHeader)), want: pgp.ErrBadSignature},
		"the signature was changed":      {raw: flip(leadSize + introSize + 5*entrySize + 110), want: pgp.ErrBadSignature},
		"nobody signed it":               {raw: pack(t), want: ErrUnsigned},
		"somebody else signed it":        {raw: sign(t, signed, other), want: pgp.ErrUnknownKey},
		"it was signed in the future":    {raw: signed, now: signedAt.Add(-time.Hour), want: pgp.ErrBadSignature},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := test.now
			if now.IsZero() {
				now = signedAt
			}
			if _, err := Verify(t.Context(), bytes.NewReader(test.raw), []*pgp.PublicKey{key.PublicKey}, now); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if out, err := rpmkeys(t, db, test.raw); err == nil && test.now.IsZero() {
				t.Errorf("rpmkeys accepts it:\n%s", out)
			}
		})
	}
	if head.Size() >= int64(len(signed)) {
		t.Error("the package has no payload")
	}
}

// redigested corrects the digest of the main header in the signature header.
func redigested(t *testing.T, raw []byte) []byte {
	t.Helper()
	head, err := ReadHead(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	all, err := head.values()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(head.header)
	for i, v := range all {
		if v.tag == 273 {
			all[i].data = append([]byte(hex.EncodeToString(sum[:])), 0)
		}
	}
	return copyWith(t, raw, marshal(all))
}

// TestUncoveredPayload renames the tag of the payload's digest, as in packages
// of old.
func TestUncoveredPayload(t *testing.T) {
	t.Parallel()
	key := newKey(t, pgp.Ed25519)
	raw := pack(t)
	at := bytes.Index(raw, binary.BigEndian.AppendUint32(nil, 5092))
	copy(raw[at:], binary.BigEndian.AppendUint32(nil, 9092))
	raw = sign(t, redigested(t, raw), key)
	if _, err := Verify(t.Context(), bytes.NewReader(raw), []*pgp.PublicKey{key.PublicKey}, signedAt); !errors.Is(err, ErrNotCovered) {
		t.Errorf("got %v, want %v", err, ErrNotCovered)
	}
}

// TestOpenPGPTag reads signatures as rpm 4.20 may write them.
func TestOpenPGPTag(t *testing.T) {
	t.Parallel()
	one, two := newKey(t, pgp.Ed25519), newKey(t, pgp.Ed25519)
	raw := pack(t)
	head := readHead(t, raw)
	all, err := head.values()
	if err != nil {
		t.Fatal(err)
	}
	v := value{tag: tagOpenPGP, kind: typeStringArray}
	for _, key := range []*pgp.PrivateKey{one, two} {
		signature, err := key.Sign(head.Header(), signedAt)
		if err != nil {
			t.Fatal(err)
		}
		v.count++
		v.data = append(v.data, base64Text(signature)...)
	}
	both := copyWith(t, raw, marshal(append([]value{v}, all...)))
	verified, err := Verify(t.Context(), bytes.NewReader(both), []*pgp.PublicKey{two.PublicKey, one.PublicKey}, signedAt)
	if err != nil || len(verified.By) != 2 {
		t.Errorf("got %+v, %v, want both keys", verified, err)
	}
	if got := sign(t, both, one); !bytes.Equal(got, sign(t, raw, one)) {
		t.Error("signing leaves signatures of others")
	}
}

func TestTruncated(t *testing.T) {
	t.Parallel()
	raw := pack(t)
	head := readHead(t, raw)
	for n := range head.Size() {
		if _, err := ReadHead(bytes.NewReader(raw[:n])); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "truncated") {
			t.Fatalf("%d bytes: got %v, want that it is truncated", n, err)
		}
	}
}

func TestClaimedSizes(t *testing.T) {
	t.Parallel()
	raw := pack(t)
	for name, at := range map[string]int{"index of the signature header": leadSize + 8, "store of the signature header": leadSize + 12} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lying := bytes.Clone(raw)
			copy(lying[at:], "\xff\xff\xff\xff")
			if _, err := ReadHead(bytes.NewReader(lying)); !errors.Is(err, rpmfile.ErrTooLarge) {
				t.Errorf("got %v, want %v", err, rpmfile.ErrTooLarge)
			}
		})
	}
}

// TestLargeFile signs a package of 2 GiB, most of which is a hole, within a few
// megabytes.
func TestLargeFile(t *testing.T) {
	t.Parallel()
	key := newKey(t, pgp.Ed25519)
	raw := pack(t)
	path := filepath.Join(t.TempDir(), "large.rpm")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	const size = 2 << 30
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	head := readHead(t, raw)
	signature, err := key.Sign(head.Header(), signedAt)
	if err != nil {
		t.Fatal(err)
	}
	header, err := head.WithSignature(signature)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var n counter
	if err := Copy(t.Context(), &n, file, header); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if want := size + int64(len(header)-len(head.signature)); int64(n) != want {
		t.Errorf("the copy has %d bytes, want %d", n, want)
	}
	// Tests beside this one allocate, too.
	if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > size/4 {
		t.Errorf("copying %d bytes allocated %d", size, grown)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	cancel(stop)
	if err := Copy(ctx, &n, file, header); !errors.Is(err, stop) {
		t.Errorf("got %v, want the context's cause", err)
	}
}

// counter counts what is written.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// FuzzHead reads and signs what nobody made as an RPM.
func FuzzHead(f *testing.F) {
	raw := pack(f)
	f.Add(raw)
	f.Add(raw[:200])
	key, err := pgp.Generate(pgp.Ed25519, "Fuzz", keyMade, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		head, err := ReadHead(bytes.NewReader(raw))
		if err != nil {
			return
		}
		if _, err := head.Parse(); err != nil {
			return
		}
		signature, err := key.Sign(head.Header(), signedAt)
		if err != nil {
			t.Fatal(err)
		}
		header, err := head.WithSignature(signature)
		if err != nil {
			return
		}
		var signed bytes.Buffer
		if err := Copy(t.Context(), &signed, bytes.NewReader(raw), header); err != nil {
			t.Fatalf("copy: %v", err)
		}
		again, err := ReadHead(&signed)
		if err != nil {
			t.Fatalf("read the copy: %v", err)
		}
		if _, err := again.Parse(); err != nil {
			t.Fatalf("parse the copy: %v", err)
		}
		by, err := again.signers([]*pgp.PublicKey{key.PublicKey}, signedAt)
		if err != nil || len(by) != 1 {
			t.Fatalf("signers of the copy: %v, %v", by, err)
		}
	})
}

func base64Text(raw []byte) []byte {
	return append([]byte(base64.StdEncoding.EncodeToString(raw)), 0)
}
