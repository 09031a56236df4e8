package repomd

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/rpmfile"
)

// numbered makes n entries with fragments of a plausible size, in order.
func numbered(t testing.TB, n int) []Entry {
	t.Helper()
	entries := make([]Entry, n)
	for i := range entries {
		p, f := example(i)
		fragments, err := Render(p, f)
		if err != nil {
			t.Fatal(err)
		}
		entries[i] = Entry{NEVRA: p.NEVRA, SHA256: f.SHA256, Fragments: fragments}
	}
	slices.SortFunc(entries, Compare)
	return entries
}

// example is a package such as most are: a few dependencies, dozens of files.
func example(i int) (*rpmfile.Package, File) {
	name := fmt.Sprintf("package%05d", i)
	p := &rpmfile.Package{
		NEVRA:   rpmfile.NEVRA{Name: name, Version: "1.2." + fmt.Sprint(i), Release: "3.fc37", Arch: "x86_64"},
		Summary: "An example of a package", Description: strings.Repeat("It has a description of several lines.\n", 5),
		License: "MIT", URL: "https://example.org/" + name, SourceRPM: name + "-1.2-3.fc37.src.rpm", BuildTime: 1_700_000_000,
		HeaderStart: 4504, HeaderEnd: 20_000,
	}
	for j := range 12 {
		p.Requires = append(p.Requires, rpmfile.Dependency{Name: fmt.Sprintf("lib%d.so.%d()(64bit)", i*7%1000, j)})
		p.Provides = append(p.Provides, rpmfile.Dependency{
			Name: fmt.Sprintf("%s-%d(x86-64)", name, j), Flags: rpmfile.FlagEqual, EVR: "1.2-3", Epoch: "0", Version: "1.2", Release: "3",
		})
	}
	for j := range 40 {
		p.Files = append(p.Files, rpmfile.File{Path: fmt.Sprintf("/usr/share/%s/directory/file%d", name, j), Mode: 0o100644})
	}
	for j := range 10 {
		p.Changelogs = append(p.Changelogs, rpmfile.Changelog{Time: int64(1_700_000_000 - j*100_000), Author: "Jane Doe <jane@example.org> - 1.2-3", Text: "- rebuilt"})
	}
	sum := sha256.Sum256([]byte(name))
	digest := hex.EncodeToString(sum[:])
	return p, File{Href: "Packages/p/" + p.NVRA() + ".rpm", SHA256: digest, Size: 12345, Time: 1_700_000_000}
}

func TestWriteIsDeterministic(t *testing.T) {
	t.Parallel()
	entries := numbered(t, 50)
	opts := Options{Revision: "7", Timestamp: 1_700_000_000, Comps: []byte("<comps/>"), Modules: []byte("---\n")}
	var trees []map[string]string
	for range 2 {
		dir := t.TempDir()
		if _, err := Write(t.Context(), dir, len(entries), sequence(entries), opts); err != nil {
			t.Fatal(err)
		}
		trees = append(trees, tree(t, dir))
	}
	if diff := cmp.Diff(trees[0], trees[1]); diff != "" {
		t.Errorf("two runs differ (-first +second)\n%s", diff)
	}
	if len(trees[0]) != 7 {
		t.Errorf("files: %v", keys(trees[0]))
	}
}

func TestWriteNamesFilesByChecksum(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	entries := numbered(t, 3)
	md, err := Write(t.Context(), dir, 3, sequence(entries), Options{Revision: "1", Timestamp: 9})
	if err != nil {
		t.Fatal(err)
	}
	got := tree(t, dir)
	for _, d := range md.Data {
		content, ok := got[d.Href]
		sum := sha256.Sum256([]byte(content))
		if !ok || hex.EncodeToString(sum[:]) != d.SHA256 || int64(len(content)) != d.Size || d.Timestamp != 9 ||
			d.Href != "repodata/"+d.SHA256+"-"+d.Type+".xml.gz" {
			t.Errorf("record %+v does not match its file", d)
		}
	}
	f, err := os.Open(filepath.Join(dir, "repodata/repomd.xml"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	read, err := ReadRepomd(f)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(md, read); diff != "" {
		t.Errorf("repomd.xml (-written +read)\n%s", diff)
	}
}

func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	e := numbered(t, 3)
	broken := errors.New("database gone")
	for _, tt := range []struct {
		name    string
		count   int
		entries iter.Seq2[Entry, error]
		want    error
	}{
		{"descending packages", 2, sequence([]Entry{e[1], e[0]}), ErrOrder},
		{"a package twice", 2, sequence([]Entry{e[0], e[0]}), ErrOrder},
		{"fewer packages than announced", 3, sequence(e[:2]), ErrOrder},
		{"more packages than announced", 1, sequence(e), ErrOrder},
		{"a sequence that fails", 3, func(yield func(Entry, error) bool) {
			_ = yield(e[0], nil) && yield(Entry{}, broken)
		}, broken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if _, err := Write(t.Context(), dir, tt.count, tt.entries, Options{Revision: "1"}); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestWriteNeverTouchesAnExistingRepository(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := WriteEmpty(t.Context(), dir, Options{Revision: "1"}); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	if _, err := WriteEmpty(t.Context(), dir, Options{Revision: "2"}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want fs.ErrExist", err)
	}
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Errorf("the repository changed (-before +after)\n%s", diff)
	}
}

func TestDNFReadsAnEmptyRepository(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := WriteEmpty(t.Context(), dir, Options{Revision: "1", Timestamp: 1}); err != nil {
		t.Fatal(err)
	}
	if got := repoquery(t, t.TempDir(), dir); got != "" {
		t.Errorf("repoquery says %q, want nothing", got)
	}
}

func TestDNFReadsGroups(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	comps, err := Comps([]Group{{ID: "build", Name: "Build root", UserVisible: true, Packages: []GroupPackage{
		{Name: "bash", Type: Mandatory}, {Name: "gcc", Type: Default}, {Name: "vim", Type: Optional},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := WriteEmpty(t.Context(), dir, Options{Revision: "1", Timestamp: 1, Comps: comps}); err != nil {
		t.Fatal(err)
	}
	got := dnf(t, t.TempDir(), dir, "group", "info", "build")
	want := "Group: Build root\n Mandatory Packages:\n   bash\n Default Packages:\n   gcc\n Optional Packages:\n   vim\n"
	if strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("group info says\n%s\nwant\n%s", got, want)
	}
}

func TestIdentityDependsOnContentOnly(t *testing.T) {
	t.Parallel()
	entries := numbered(t, 2)
	write := func(entries []Entry, opts Options) string {
		md, err := Write(t.Context(), t.TempDir(), len(entries), sequence(entries), opts)
		if err != nil {
			t.Fatal(err)
		}
		return md.Identity()
	}
	first := write(entries, Options{Revision: "1", Timestamp: 1})
	if again := write(entries, Options{Revision: "2", Timestamp: 2}); again != first {
		t.Errorf("revision and timestamp changed the identity: %s, %s", first, again)
	}
	if fewer := write(entries[:1], Options{Revision: "1", Timestamp: 1}); fewer == first {
		t.Error("another set of packages has the same identity")
	}
	if comps := write(entries, Options{Revision: "1", Timestamp: 1, Comps: []byte("<comps/>")}); comps == first {
		t.Error("another comps.xml has the same identity")
	}
}

// tree returns the files below dir with their content.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(dir, path))
		got[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func keys(m map[string]string) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func BenchmarkWrite5000Packages(b *testing.B) {
	entries := numbered(b, 5000)
	for b.Loop() {
		if _, err := Write(b.Context(), b.TempDir(), len(entries), sequence(entries), Options{Revision: "1"}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	p, f := example(1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Render(p, f); err != nil {
			b.Fatal(err)
		}
	}
}
