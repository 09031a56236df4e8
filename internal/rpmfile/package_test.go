package rpmfile

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/rpmpack"

	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

//go:embed testdata/kitchen.spec
var kitchenSpec string

// kitchen builds testdata/kitchen.spec and returns its RPMs by architecture.
func kitchen(t testing.TB, args ...string) map[string]string {
	t.Helper()
	built := rpmtest.Build(t, "x86_64", kitchenSpec, map[string]string{"hello.txt": "hello\n"}, args...)
	byArch := map[string]string{}
	for _, path := range built {
		n, err := ParseNEVRA(strings.TrimSuffix(filepath.Base(path), ".rpm"))
		if err != nil {
			t.Fatal(err)
		}
		byArch[n.Arch] = path
	}
	if len(byArch) != 3 {
		t.Fatalf("built %v, want a source, an x86_64 and a noarch RPM", built)
	}
	return byArch
}

func TestReadFile(t *testing.T) {
	t.Parallel()
	path := kitchen(t)["x86_64"]
	got, digest, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := &Package{
		NEVRA:             NEVRA{"kitchen", 3, "1.2~rc1^git5", "4.fc37", "x86_64"},
		Summary:           "Everything & the <kitchen> sink",
		Description:       "First line.\nSecond line with ümlaut.",
		License:           "MIT AND Apache-2.0",
		URL:               "https://example.org/?a=1&b=2",
		Group:             "Development/Libraries",
		Vendor:            `Example "Vendor"`,
		Packager:          "Jane Doe <jane@example.org>",
		BuildHost:         "builder.example",
		SourceRPM:         "kitchen-1.2~rc1^git5-4.fc37.src.rpm",
		OS:                "linux",
		ModularityLabel:   "kitchen:1:20200101:deadbeef",
		BuildTime:         1700000000,
		PayloadFormat:     "cpio",
		PayloadCompressor: "gzip",
		Scripts: []Script{
			{"pre", "echo pre"},
			{"post", "echo post"},
			{"preun", "echo preun"},
			{"postun", "echo postun"},
			{"pretrans", "echo pretrans"},
			{"posttrans", "echo posttrans"},
			{"verifyscript", "echo verify"},
		},
		Files: []File{
			{Path: "/dev/kitchen", Mode: 0o020600, User: "root", Group: "root", RDev: 1<<8 | 3, VerifyFlags: 0xffffffff},
			{Path: "/etc/kitchen.conf", Mode: 0o100644, Size: 7, Digest: sha256Hex("config\n"), Flags: FileConfig | 1<<4, User: "root", Group: "root", VerifyFlags: 0xffffffff},
			{Path: "/usr/bin/capable", Mode: 0o100755, Size: 6, Digest: sha256Hex("hello\n"), User: "root", Group: "root", Caps: "cap_net_raw=ep", VerifyFlags: 0xffffffff},
			{Path: "/usr/bin/kitchen", Mode: 0o100755, Size: 6, Digest: sha256Hex("hello\n"), User: "root", Group: "root", VerifyFlags: 0xffffffff},
			{Path: "/usr/bin/kitchen-hard", Mode: 0o100755, Size: 6, Digest: sha256Hex("hello\n"), User: "root", Group: "root", VerifyFlags: 0xffffffff},
			{Path: "/usr/bin/kitchen-link", Mode: 0o120777, Size: 7, LinkTo: "kitchen", User: "root", Group: "root", VerifyFlags: 0xffffffff},
			{Path: "/var/lib/kitchen", Mode: 0o040755, User: "root", Group: "root", VerifyFlags: 0xffffffff},
			{Path: "/var/lib/kitchen/state", Mode: 0o100644, Flags: FileGhost, User: "root", Group: "root", VerifyFlags: 0xffffffd8},
		},
		Changelogs: []Changelog{
			{Time: 1699963200, Author: "Jane Doe <jane@example.org> - 3:1.2-4", Text: "- newest & greatest"},
			{Time: 1699876800, Author: "Jöhn <j@example.org> - 3:1.2-3", Text: "- older"},
		},
	}
	if diff := cmp.Diff(want, got,
		cmpopts.IgnoreUnexported(File{}),
		cmpopts.IgnoreFields(Package{}, "Platform", "InstalledSize", "ArchiveSize", "PayloadDigest", "HeaderStart", "HeaderEnd", "HeaderSHA256", "SigMD5", "SignedSize",
			"Requires", "Provides", "Conflicts", "Obsoletes", "Recommends", "Suggests", "Supplements", "Enhances"),
	); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Digest{SHA256: sha256Hex(string(raw)), Size: int64(len(raw))}); digest != want {
		t.Errorf("digest %v, want %v", digest, want)
	}
	if want := int64(len(raw)) - got.HeaderStart; got.SignedSize != want {
		t.Errorf("SignedSize %d, want %d", got.SignedSize, want)
	}
}

// TestReadAgreesWithRPM compares with what the system's rpm prints.
func TestReadAllRefusesOtherSizesThanTheSignatureHeaderSays(t *testing.T) {
	t.Parallel()
	whole := rpmtest.Pack(t, rpmpack.RPMMetaData{Name: "a", Version: "1", Release: "1", Arch: "noarch"}, func(r *rpmpack.RPM) {
		r.AddFile(rpmpack.RPMFile{Name: "/a", Body: bytes.Repeat([]byte("0123456789"), 100)})
	})
	if _, _, err := ReadAll(bytes.NewReader(whole)); err != nil {
		t.Fatal(err)
	}
	for what, raw := range map[string][]byte{
		"truncated": whole[:len(whole)-1],
		"too long":  append(bytes.Clone(whole), 0),
	} {
		if _, _, err := ReadAll(bytes.NewReader(raw)); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "a-1-1.noarch: "+what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestReadAgreesWithRPM(t *testing.T) {
	t.Parallel()
	for arch, path := range kitchen(t) {
		t.Run(arch, func(t *testing.T) {
			t.Parallel()
			p, _, err := ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for format, got := range map[string]string{
				"%{SIZE}":                strconv.FormatInt(p.InstalledSize, 10),
				"%{LONGARCHIVESIZE}":     strconv.FormatInt(p.ArchiveSize, 10),
				"%{PAYLOADDIGEST}":       p.PayloadDigest,
				"%{SHA256HEADER}":        p.HeaderSHA256,
				"%{SIGMD5}":              p.SigMD5,
				"%{PLATFORM}":            p.Platform,
				"[%{EXCLUSIVEARCH} ]":    strings.Join(append(p.ExclusiveArch, ""), " "),
				"[%{REQUIRENEVRS}\n]":    deps(p.Requires),
				"[%{PROVIDENEVRS}\n]":    deps(p.Provides),
				"[%{CONFLICTNEVRS}\n]":   deps(p.Conflicts),
				"[%{OBSOLETENEVRS}\n]":   deps(p.Obsoletes),
				"[%{RECOMMENDNEVRS}\n]":  deps(p.Recommends),
				"[%{SUGGESTNEVRS}\n]":    deps(p.Suggests),
				"[%{SUPPLEMENTNEVRS}\n]": deps(p.Supplements),
				"[%{ENHANCENEVRS}\n]":    deps(p.Enhances),
				"[%{FILENAMES}\n]":       paths(p.Files),
			} {
				want := queryRPM(t, path, format)
				if want == "(none)" {
					want = ""
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-rpm +distbot)\n%s", format, diff)
				}
			}
		})
	}
}

func TestReadMarksPrerequisites(t *testing.T) {
	t.Parallel()
	p, _, err := ReadFile(kitchen(t)["x86_64"])
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, d := range p.Requires {
		got[d.Name] = d.Pre
	}
	for name, want := range map[string]bool{"shadow-utils": true, "ldconfig": true, "bash": false, "(foo if bar)": false} {
		if pre, ok := got[name]; !ok || pre != want {
			t.Errorf("requirement %q: present %v, pre %v; want pre %v", name, ok, pre, want)
		}
	}
}

func TestReadSourceRPM(t *testing.T) {
	t.Parallel()
	p, _, err := ReadFile(kitchen(t)["src"])
	if err != nil {
		t.Fatal(err)
	}
	if !p.Source || p.Arch != "src" || p.BuildArch != "x86_64" || p.SourceRPM != "" {
		t.Errorf("Source %v, Arch %q, BuildArch %q, SourceRPM %q", p.Source, p.Arch, p.BuildArch, p.SourceRPM)
	}
	if got := paths(p.Files); got != "hello.txt\ntest.spec\n" {
		t.Errorf("files %q", got)
	}
}

func TestReadWithShortReads(t *testing.T) {
	t.Parallel()
	path := kitchen(t)["x86_64"]
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, wantDigest, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, digest, err := ReadAll(iotest.OneByteReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(File{})); diff != "" || digest != wantDigest {
		t.Errorf("one byte at a time: digest %v, want %v (-want +got)\n%s", digest, wantDigest, diff)
	}
}

func TestReadStopsAtThePayload(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(kitchen(t)["x86_64"])
	if err != nil {
		t.Fatal(err)
	}
	r := bytes.NewReader(raw)
	p, err := Read(r)
	if err != nil {
		t.Fatal(err)
	}
	if at := int64(len(raw)) - int64(r.Len()); at != p.HeaderEnd {
		t.Errorf("reader stands at %d, the header ends at %d", at, p.HeaderEnd)
	}
}

func TestReadReportsReaderErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken pipe")
	if _, err := Read(iotest.ErrReader(broken)); !errors.Is(err, broken) || errors.Is(err, ErrMalformed) {
		t.Errorf("got %v, want the reader's error and not ErrMalformed", err)
	}
}

func queryRPM(t *testing.T, path, format string) string {
	t.Helper()
	out, err := exec.Command(rpmtest.Tool(t, "rpm"), "-qp", "--qf", format, path).Output()
	if err != nil {
		t.Fatalf("rpm -qp --qf %q: %v", format, err)
	}
	return string(out)
}

func deps(list []Dependency) string {
	var b strings.Builder
	for _, d := range list {
		b.WriteString(d.String() + "\n")
	}
	return b.String()
}

func paths(files []File) string {
	var b strings.Builder
	for _, f := range files {
		b.WriteString(f.Path + "\n")
	}
	return b.String()
}

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func BenchmarkReadAll(b *testing.B) {
	raw, err := os.ReadFile(kitchen(b)["x86_64"])
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, _, err := ReadAll(bytes.NewReader(raw)); err != nil {
			b.Fatal(err)
		}
	}
}
