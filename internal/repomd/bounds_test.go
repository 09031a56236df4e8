package repomd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// repeated is a text, another one n times, and a third.
func repeated(head, unit string, n int, tail string) io.Reader {
	some := 1 + 1<<20/len(unit)
	many := strings.Repeat(unit, some)
	readers := []io.Reader{strings.NewReader(head)}
	for ; n > some; n -= some {
		readers = append(readers, strings.NewReader(many))
	}
	return io.MultiReader(append(readers, strings.NewReader(many[:n*len(unit)]+tail))...)
}

// A package or a list that some hundred kilobytes decompress to does not fill
// the memory.
//
//nolint:paralleltest // it measures what the whole process allocates
func TestReadersHoldNoMoreThanPackagesNeed(t *testing.T) {
	const plain = 128 << 20
	head := `<metadata><package><name>a</name><arch>noarch</arch><version ver="1" rel="1"/><location href="a"/><format>`
	packages := func(r io.Reader) (n int, err error) {
		err = ReadPrimary(r, func(PrimaryPackage) error { n++; return nil })
		return n, err
	}
	lists := func(r io.Reader) (n int, err error) {
		err = ReadFilelists(r, func(Filelist) error { n++; return nil })
		return n, err
	}
	ids := func(r io.Reader) (n int, err error) {
		err = ReadIDs("other", r, func(string) error { n++; return nil })
		return n, err
	}
	groups := func(r io.Reader) (int, error) {
		g, err := ReadComps(r)
		return len(g), err
	}
	blank := "<!--" + strings.Repeat(" ", 60<<10) + "-->"
	for _, tt := range []struct {
		name             string
		read             func(io.Reader) (int, error)
		head, unit, tail string
		most             int // packages that are visited before the bound
	}{
		{"dependencies of a package", packages, head + "<provides>", `<entry name="a"/>`, "</provides></format></package></metadata>", 0},
		{"files of a package", packages, head, `<file/>`, "</format></package></metadata>", 0},
		{"bytes of a package", packages, head, blank, "</format></package></metadata>", 0},
		{"files of all packages", packages, "<metadata>", strings.TrimPrefix(head, "<metadata>") + strings.Repeat(`<file/>`, 10_000) + "</format></package>", "</metadata>", maxEntries / 10_000},
		{"a list of files", lists, `<filelists><package>`, `<file/>`, "</package></filelists>", 0},
		{"bytes of a list of files", lists, `<filelists><package>`, blank, "</package></filelists>", 0},
		{"lists of files", lists, `<filelists>`, `<package/>`, "</filelists>", maxPackages},
		{"changelogs", ids, `<otherdata>`, `<package/>`, "</otherdata>", maxPackages},
		{"a long pkgid", ids, `<otherdata><package pkgid="`, `f`, `"/></otherdata>`, 0},
		{"groups", groups, `<comps>`, `<group/>`, "</comps>", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := plain/len(tt.unit) + 1
			switch tt.name {
			case "a long pkgid":
				n = maxIdentifierBytes + 1
			case "groups":
				n = maxDecoded + 1
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			visited, err := tt.read(repeated(tt.head, tt.unit, n, tt.tail))
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrTooLarge) || visited > tt.most {
				t.Errorf("got %v after %d packages, want ErrTooLarge after %d at most", err, visited, tt.most)
			}
			// Lists grow by copies; what is visited is not held.
			if got, most := after.TotalAlloc-before.TotalAlloc, uint64(400<<20); got > most && tt.most == 0 {
				t.Errorf("%d MiB were allocated, at most %d are needed", got>>20, most>>20)
			}
		})
	}
}

func TestReadersReadTheLargestPackages(t *testing.T) {
	t.Parallel()
	const files, dependencies = 300_000, 40_000
	var text, list strings.Builder
	text.WriteString(`<metadata><package><name>a</name><arch>noarch</arch><version ver="1" rel="1"/><location href="a"/><format><provides>`)
	for i := range dependencies {
		fmt.Fprintf(&text, `<entry name="kernel(symbol_%d)" flags="EQ" ver="0x%08x"/>`, i, i*7919)
	}
	text.WriteString(`</provides></format></package></metadata>`)
	list.WriteString(`<filelists><package pkgid="ff">`)
	for i := range files {
		fmt.Fprintf(&list, "<file>/usr/share/icons/Theme/64x64/categories/preferences-desktop-%d.svg</file>\n", i)
	}
	list.WriteString(`</package></filelists>`)
	got, err := readPrimary(text.String())
	if err != nil || len(got) != 1 || len(got[0].Provides) != dependencies {
		t.Errorf("%d packages, %v", len(got), err)
	}
	n := 0
	if err := ReadFilelists(strings.NewReader(list.String()), func(l Filelist) error { n += len(l.Files); return nil }); err != nil || n != files {
		t.Errorf("%d files, %v", n, err)
	}
}

func TestDecompressStaysInProportion(t *testing.T) {
	t.Parallel()
	zstdFile := func(w io.Writer) io.WriteCloser {
		z, err := zstd.NewWriter(w)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	gzipFile := func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
	// As file lists have them: more than any window.
	var lines []byte
	for line := 0; len(lines) < 12<<20; line++ {
		lines = fmt.Appendf(lines, "  <file>/usr/share/doc/package%d/html/group__%x.html</file>\n", line/1000, line*7919)
	}
	same := bytes.Repeat([]byte(`<rpm:entry name="a"/>`), 50_000)
	for _, tt := range []struct {
		name string
		to   func(io.Writer) io.WriteCloser
		text []byte
		size int
		want error
	}{
		{"a.gz", gzipFile, same, 70 << 20, ErrTooLarge},
		{"a.zst", zstdFile, same, 70 << 20, ErrTooLarge},
		{"a.gz", gzipFile, same, 16 << 20, nil}, // a test's repository
		{"a.gz", gzipFile, lines, 66 << 20, nil},
		{"a.zst", zstdFile, lines, 66 << 20, nil},
	} {
		var packed bytes.Buffer
		w := tt.to(&packed)
		for n := 0; n < tt.size; n += len(tt.text) {
			if _, err := w.Write(tt.text); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		size := packed.Len()
		plain, err := Decompress(tt.name, &packed)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, plain)
		if !errors.Is(err, tt.want) || tt.want != nil && n > 100<<20 {
			t.Errorf("%s, %d bytes: %d bytes and %v, want %v", tt.name, size, n, err, tt.want)
		}
	}
}
