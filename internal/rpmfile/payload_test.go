package rpmfile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

func TestWalkPayload(t *testing.T) {
	t.Parallel()
	for compressor, flags := range map[string]string{
		"gzip": "w9.gzdio", "zstd": "w19.zstdio", "xz": "w6.xzdio", "bzip2": "w9.bzdio", "": "w.ufdio",
	} {
		t.Run("compressed with "+compressor, func(t *testing.T) {
			t.Parallel()
			built := kitchen(t, "--define", "_binary_payload "+flags, "--define", "_source_payload "+flags)
			want := map[string]string{
				"/etc/kitchen.conf": "config\n", "/usr/bin/kitchen": "", "/usr/bin/kitchen-hard": "hello\n",
				"/usr/bin/kitchen-link": "kitchen", "/var/lib/kitchen": "", "/usr/bin/capable": "hello\n", "/dev/kitchen": "",
			}
			if diff := cmp.Diff(want, walk(t, built["x86_64"], compressor)); diff != "" {
				t.Errorf("x86_64 (-want +got)\n%s", diff)
			}
			got := walk(t, built["src"], compressor)
			if diff := cmp.Diff(map[string]string{"hello.txt": "hello\n", "test.spec": kitchenSpec}, got); diff != "" {
				t.Errorf("src (-want +got)\n%s", diff)
			}
		})
	}
}

// walk returns the content of every member by path.
func walk(t *testing.T, path, compressor string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	if p.PayloadCompressor != compressor {
		t.Fatalf("compressor %q, want %q", p.PayloadCompressor, compressor)
	}
	got := map[string]string{}
	err = WalkPayload(f, p, Limits{}, func(m PayloadFile, r io.Reader) error {
		b, err := io.ReadAll(r)
		got[m.Path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestWalkPayloadSkipsWhatIsNotRead(t *testing.T) {
	t.Parallel()
	raw, p := read(t, kitchen(t)["x86_64"])
	var got []string
	err := WalkPayload(bytes.NewReader(raw), p, Limits{}, func(m PayloadFile, _ io.Reader) error {
		got = append(got, m.Path)
		return nil
	})
	if err != nil || len(got) != 7 {
		t.Errorf("walked %q, %v; want 7 members", got, err)
	}
}

func TestWalkPayloadReturnsTheVisitorsError(t *testing.T) {
	t.Parallel()
	raw, p := read(t, kitchen(t)["x86_64"])
	stop := errors.New("stop")
	if err := WalkPayload(bytes.NewReader(raw), p, Limits{}, func(PayloadFile, io.Reader) error { return stop }); !errors.Is(err, stop) || err.Error() != "stop" {
		t.Errorf("got %v, want the visitor's error", err)
	}
}

func TestWalkPayloadEnforcesLimits(t *testing.T) {
	t.Parallel()
	raw, p := read(t, kitchen(t)["x86_64"])
	for _, limits := range []Limits{{Entries: 3}, {Bytes: 200}, {Bytes: 1}} {
		err := WalkPayload(bytes.NewReader(raw), p, limits, func(PayloadFile, io.Reader) error { return nil })
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("%+v: got %v, want ErrTooLarge", limits, err)
		}
	}
}

func TestWalkPayloadVerifiesTheDigest(t *testing.T) {
	t.Parallel()
	raw, p := read(t, kitchen(t, "--define", "_binary_payload w.ufdio")["x86_64"])
	at := bytes.LastIndex(raw, []byte("hello\n"))
	raw[at] = 'j'
	err := WalkPayload(bytes.NewReader(raw), p, Limits{}, func(PayloadFile, io.Reader) error { return nil })
	if !errors.Is(err, ErrDigest) {
		t.Errorf("changed content: got %v, want ErrDigest", err)
	}
	err = WalkPayload(bytes.NewReader(raw[:at]), p, Limits{}, func(PayloadFile, io.Reader) error { return nil })
	if !errors.Is(err, ErrMalformed) {
		t.Errorf("truncated: got %v, want ErrMalformed", err)
	}
}

func read(t *testing.T, path string) ([]byte, *Package) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return raw, p
}

// member is a newc header with its name, padded.
func member(name, mode, size string) string {
	h := "070701" + "00000001" + mode + strings.Repeat("0", 32) + size + strings.Repeat("0", 32) +
		fmt.Sprintf("%08x", len(name)+1) + "00000000" + name + "\x00"
	return h + strings.Repeat("\x00", -len(h)&3)
}

func TestHostileArchives(t *testing.T) {
	t.Parallel()
	p := &Package{NEVRA: NEVRA{Name: "a", Version: "1", Release: "1", Arch: "noarch"}, Files: []File{
		{Path: "/etc/a", Mode: modeRegular, Size: 2, inode: 1}, {Path: "/etc/../../b", Mode: modeRegular}, {Path: "relative", Mode: modeRegular},
	}}
	end := member(trailer, "00000000", "00000000")
	for name, raw := range map[string]string{
		"nothing at all":                  "",
		"no trailer":                      member("./etc/a", "000081a4", "00000000"),
		"another magic":                   "070707" + strings.Repeat("0", 200),
		"a negative size":                 member("./etc/a", "000081a4", "-0000001") + end,
		"a signed size":                   member("./etc/a", "000081a4", "+0000001") + end,
		"a size that is no number":        member("./etc/a", "000081a4", "0x000001") + end,
		"a file the header does not list": member("./etc/shadow", "000081a4", "00000000") + end,
		"a path that climbs":              member("./etc/../../b", "000081a4", "00000000") + end,
		"a path with a doubled slash":     member(".//etc/a", "000081a4", "00000000") + end,
		"the same file twice":             strings.Repeat(member("./etc/a", "000081a4", "00000000"), 2) + end,
		"an empty name":                   member("", "000081a4", "00000000") + end,
		"a name of 4 GiB":                 strings.Replace(member("./etc/a", "000081a4", "00000000"), "00000008", "ffffffff", 1),
		"content that is not there":       member("./etc/a", "000081a4", "ffffffff"),
		"a stripped index outside":        "07070X" + "00000003" + "\x00\x00",
		"a stripped path that climbs":     "07070X" + "00000001" + "\x00\x00" + "07070Xffffffff\x00\x00",
		"a stripped index with a sign":    "07070X" + "-0000001" + "\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := WalkPayload(strings.NewReader(raw), p, Limits{}, func(PayloadFile, io.Reader) error { return nil })
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v, want ErrMalformed", err)
			}
		})
	}
}

// TestStrippedArchive reads the form rpm writes when a file has 4 GiB or more.
func TestStrippedArchive(t *testing.T) {
	t.Parallel()
	p := &Package{Files: []File{
		{Path: "/d", Mode: modeDir | 0o755, Size: 4096, inode: 1},
		{Path: "/d/first", Mode: modeRegular | 0o644, Size: 5, inode: 2},
		{Path: "/d/hard", Mode: modeRegular | 0o644, Size: 5, inode: 2},
		{Path: "/d/link", Mode: modeSymlink | 0o777, Size: 5, LinkTo: "first", inode: 3},
	}}
	raw := "07070X00000000\x00\x00" +
		"07070X00000001\x00\x00" +
		"07070X00000002\x00\x00hello\x00\x00\x00" +
		"07070X00000003\x00\x00first\x00\x00\x00" +
		"07070Xffffffff\x00\x00"
	got := map[string]string{}
	err := WalkPayload(strings.NewReader(raw), p, Limits{}, func(m PayloadFile, r io.Reader) error {
		b, err := io.ReadAll(r)
		got[m.Path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"/d": "", "/d/first": "", "/d/hard": "hello", "/d/link": "first"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestXZ reads what the real xz writes: several blocks, several streams, every
// kind of check, and padding.
func TestXZ(t *testing.T) {
	t.Parallel()
	plain := bytes.Repeat([]byte("all work and no play makes jack a dull boy\n"), 5000)
	input := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(input, plain, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"-0", "-9", "--check=none", "--check=crc32", "--check=sha256", "-T2 --block-size=10000", "--block-size=77777"} {
		t.Run("xz "+args, func(t *testing.T) {
			t.Parallel()
			packed, err := exec.Command(rpmtest.Tool(t, "xz"), append(strings.Fields(args), "-c", input)...).Output()
			if err != nil {
				t.Fatal(err)
			}
			checkXZ(t, packed, plain)
			two := append(append(bytes.Clone(packed), 0, 0, 0, 0), packed...)
			checkXZ(t, two, append(bytes.Clone(plain), plain...))
			if _, err := unXZ(packed[:len(packed)/2]); !errors.Is(err, ErrMalformed) {
				t.Errorf("truncated: got %v, want ErrMalformed", err)
			}
		})
	}
}

func checkXZ(t *testing.T, packed, want []byte) {
	t.Helper()
	if got, err := unXZ(packed); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, %v; want %d", len(got), err, len(want))
	}
}

func unXZ(packed []byte) ([]byte, error) {
	r, err := decompress(bufio.NewReader(bytes.NewReader(packed)), "xz")
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// TestXZRefusesAHugeDictionary: a block header asks for 4 GiB.
func TestXZRefusesAHugeDictionary(t *testing.T) {
	t.Parallel()
	// Stream header (CRC32 check), then a block header: LZMA2, dictionary code 40.
	raw, err := hex.DecodeString("fd377a585a0000016922de36" + "0200210128000000")
	if err != nil {
		t.Fatal(err)
	}
	raw = binary.LittleEndian.AppendUint32(raw, crc32.ChecksumIEEE(raw[12:]))
	if _, err := unXZ(raw); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}
