package repomd

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/distbot/distbot/internal/rpmfile"
)

// TestReadersGiveBackWhatWasWritten writes the metadata of RPMs of every kind
// and reads them again.
func TestReadersGiveBackWhatWasWritten(t *testing.T) {
	t.Parallel()
	dir, out := variedRepo(t), t.TempDir()
	entries := render(t, dir)
	md, err := Write(t.Context(), out, len(entries), sequence(entries), Options{Revision: "1"})
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]PrimaryPackage{}
	if err := ReadPrimary(content(t, out, md, "primary"), func(p PrimaryPackage) error {
		read[p.Checksum] = p
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	lists := map[string][]string{}
	if err := ReadFilelists(content(t, out, md, "filelists"), func(l Filelist) error {
		lists[l.Checksum] = append([]string(nil), l.Files...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.rpm"))
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d RPMs, %v", len(paths), err)
	}
	for _, path := range paths {
		p, digest, err := rpmfile.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		requires, recommends := publishableRequires(p)
		want := Dependencies{
			Provides: legible(p.Provides), Requires: legible(requires), Conflicts: legible(p.Conflicts), Obsoletes: legible(p.Obsoletes),
			Recommends: legible(append(recommends, p.Recommends...)), Suggests: legible(p.Suggests),
			Supplements: legible(p.Supplements), Enhances: legible(p.Enhances),
		}
		var files, primary []string
		for _, f := range p.Files {
			path := name(f.Path)
			files = append(files, path)
			if IsPrimary(path) {
				primary = append(primary, path)
			}
		}
		got := read[digest.SHA256]
		if diff := cmp.Diff(want, got.Dependencies); diff != "" {
			t.Errorf("dependencies of %s (-written +read)\n%s", p.NEVRA, diff)
		}
		if diff := cmp.Diff(primary, got.Files); diff != "" {
			t.Errorf("primary files of %s (-written +read)\n%s", p.NEVRA, diff)
		}
		if diff := cmp.Diff(files, lists[digest.SHA256]); diff != "" {
			t.Errorf("files of %s (-written +read)\n%s", p.NEVRA, diff)
		}
	}
}

// legible are the dependencies as XML can tell them again: no flags but the
// comparison, no version without one, no epoch 0.
func legible(deps []rpmfile.Dependency) []rpmfile.Dependency {
	var out []rpmfile.Dependency
	for _, d := range publishable(deps) {
		op := d.Flags.Op()
		r := rpmfile.Dependency{Name: name(d.Name), Flags: comparisons[op], Pre: d.Pre}
		if op != "" && d.EVR != "" {
			r.Epoch, r.Version, r.Release = d.Epoch, d.Version, d.Release
			r.EVR = strings.TrimPrefix(strings.TrimPrefix(d.EVR, "0:"), ":")
			r.EVR = strings.TrimSuffix(r.EVR, "-")
		}
		out = append(out, r)
	}
	return out
}

// name is a name as XML tells it: bytes that are not UTF-8 are read as Latin-1.
func name(s string) string {
	var d document
	return d.name(s)
}

func content(t testing.TB, dir string, md Repomd, kind string) io.Reader {
	t.Helper()
	data, ok := md.Find(kind)
	if !ok {
		t.Fatalf("no %s", kind)
	}
	r, err := data.Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestDocumentsAreCheckedAgainstRepomd(t *testing.T) {
	t.Parallel()
	const text = "<metadata></metadata>"
	compressed := map[string][]byte{
		"plain.xml": []byte(text),
		"a.xml.gz":  compress(t, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }, text),
		"a.xml.zst": compress(t, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }, text),
		"a.xml.xz":  compress(t, func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }, text),
	}
	for name, raw := range compressed {
		repository := fstest.MapFS{"repodata/" + name: {Data: raw}}
		sum := sha256.Sum256(raw)
		d := Data{Type: "primary", Href: "repodata/" + name, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(raw))}
		r, err := d.Open(repository)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != text {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		longer, other, unknown, gone := d, d, d, d
		longer.Size++
		other.SHA256 = strings.Repeat("a", 64)
		unknown.SHA256 = ""
		gone.Href = "repodata/gone"
		for what, tt := range map[string]struct {
			data Data
			want error
		}{
			"another size":     {longer, ErrChecksum},
			"another checksum": {other, ErrChecksum},
			"no checksum":      {unknown, ErrChecksum},
			"no file":          {gone, fs.ErrNotExist},
		} {
			if _, err := tt.data.Open(repository); !errors.Is(err, tt.want) {
				t.Errorf("%s with %s: got %v, want %v", name, what, err, tt.want)
			}
		}
	}
}

func compress(t *testing.T, by func(io.Writer) (io.WriteCloser, error), text string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := by(&buf)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func BenchmarkReadPrimary5000Packages(b *testing.B) {
	var text bytes.Buffer
	text.WriteString(`<metadata xmlns="` + nsCommon + `" xmlns:rpm="` + nsRPM + `">`)
	for _, e := range numbered(b, 5000) {
		text.Write(e.Primary)
	}
	text.WriteString("</metadata>")
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if err := ReadPrimary(bytes.NewReader(text.Bytes()), func(PrimaryPackage) error { n++; return nil }); err != nil || n != 5000 {
			b.Fatal(n, err)
		}
	}
}
