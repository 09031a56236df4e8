package repomd

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"

	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

//go:embed testdata/varied.spec
var variedSpec string

// variedRepo fills a directory with RPMs of every kind the writer has a rule
// for: those of testdata/varied.spec under several payloads and names, and
// some with contents that rpmbuild would refuse.
func variedRepo(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for i, args := range [][]string{
		nil,
		{"--define", "_binary_payload w3.zstdio", "--define", "_source_payload w3.zstdio"},
		{"--define", "_binary_payload w2.xzdio", "--define", "_invalid_encoding_terminates_build 0"},
	} {
		spec := variedSpec
		if i > 0 {
			spec = strings.Replace(spec, "Name: varied", fmt.Sprintf("Name: varied%d", i), 1)
		}
		if i == 2 {
			spec = strings.NewReplacer("Eight é", "Eight \xe9\x80", "漢字", "\xe4\xf6").Replace(spec)
		}
		for _, path := range rpmtest.Build(t, "x86_64", spec, map[string]string{"source.txt": "x\n"}, args...) {
			if err := os.Rename(path, filepath.Join(dir, filepath.Base(path))); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, edit := range map[string]func(*rpmpack.RPM){
		"plain": nil,
		"text": func(r *rpmpack.RPM) {
			r.AddCustomTag(1004, rpmpack.EntryString("a\ttab, a \r return, <&>\"'"))
			r.AddCustomTag(1005, rpmpack.EntryString("latin1 \xe9\xfc \x80\x9f end\n\n"))
			r.AddCustomTag(1015, rpmpack.EntryString("𝄞 \u007f\u0085\u2028 "))
		},
		"attributes": func(r *rpmpack.RPM) {
			r.AddCustomTag(1047, rpmpack.EntryStringSlice([]string{"a\"b'c<d>&", "tab\there", "line\nfeed", "re\rturn", "漢𝄞", "latin\xe9\x80"}))
			r.AddCustomTag(1112, rpmpack.EntryUint32([]uint32{0, 8, 10, 12, 2, 4}))
			r.AddCustomTag(1113, rpmpack.EntryStringSlice([]string{"", "1\t2", "x:1-1", ":1-2-3", "1-", "-1"}))
		},
		"flags": func(r *rpmpack.RPM) {
			names := []string{"f0", "f6", "f14", "f64", "f512", "f1024", "f2048", "f32", "f128", "missingok", "empty", ""}
			r.AddCustomTag(1049, rpmpack.EntryStringSlice(names))
			r.AddCustomTag(1048, rpmpack.EntryUint32([]uint32{0, 6, 14, 64, 512, 1024, 2048, 32, 128, 1 << 19, 8, 0}))
			r.AddCustomTag(1050, rpmpack.EntryStringSlice([]string{"1", "1", "1", "", "", "", "", "", "", "", "", ""}))
		},
		"repeated": func(r *rpmpack.RPM) {
			r.AddCustomTag(1049, rpmpack.EntryStringSlice([]string{"a", "a", "b", "a", "a", "a", "a", "rpmlib(X)", "a"}))
			r.AddCustomTag(1048, rpmpack.EntryUint32([]uint32{0, 0, 0, 8, 8, 0, 512, 1 << 24, 0}))
			r.AddCustomTag(1050, rpmpack.EntryStringSlice([]string{"", "", "", "1", "1", "", "", "1", ""}))
		},
		"changelog": func(r *rpmpack.RPM) {
			r.AddCustomTag(1080, rpmpack.EntryUint32([]uint32{100, 100, 99, 98, 98, 98, 97, 5, 5, 5, 5, 5}))
			r.AddCustomTag(1081, rpmpack.EntryStringSlice([]string{"a  ", " ", "c\"<>", "d\n", "é", "f\xe9", "g", "h", "i", "j", "k", "l"}))
			r.AddCustomTag(1082, rpmpack.EntryStringSlice([]string{"", " ", "c\"<>", "d\r\n", "é", "f\xe9", "g", "h", "i", "j", "k", "l"}))
		},
		"sizes": func(r *rpmpack.RPM) {
			r.AddCustomTag(1009, rpmpack.EntryUint32([]uint32{4294967295}))
			r.AddCustomTag(1006, rpmpack.EntryUint32([]uint32{4000000000}))
			r.AddCustomTag(1003, rpmpack.EntryUint32([]uint32{2147483647}))
		},
	} {
		raw := rpmtest.Pack(t, rpmpack.RPMMetaData{
			Name: "packed-" + name, Version: "1", Release: "1", Arch: "x86_64", Summary: "s", BuildTime: time.Unix(1, 0),
		}, func(r *rpmpack.RPM) {
			r.AddFile(rpmpack.RPMFile{Name: "/usr/bin/a", Body: []byte("a")})
			if edit != nil {
				edit(r)
			}
		})
		if err := os.WriteFile(filepath.Join(dir, "packed-"+name+"-1-1.x86_64.rpm"), raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// render makes the entries of all RPMs in dir, with the modification time as
// createrepo_c takes it, in Write's order.
func render(t testing.TB, dir string) []Entry {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	var entries []Entry
	for _, path := range files {
		p, digest, err := rpmfile.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Render(p, File{Href: filepath.Base(path), SHA256: digest.SHA256, Size: digest.Size, Time: info.ModTime().Unix()})
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, Entry{NEVRA: p.NEVRA, SHA256: digest.SHA256, Fragments: f})
	}
	slices.SortFunc(entries, Compare)
	return entries
}

// sequence yields entries as a caller's database cursor would.
func sequence(entries []Entry) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// createrepo runs the real createrepo_c on dir.
func createrepo(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command(rpmtest.Tool(t, "createrepo_c"), append(args, "--no-database", "-q", dir)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("createrepo_c: %v\n%s", err, out)
	}
}

// open returns the decompressed document of the given type.
func open(t *testing.T, dir, kind string) string {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "repodata", "repomd.xml"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	md, err := ReadRepomd(f)
	if err != nil {
		t.Fatal(err)
	}
	data, ok := md.Find(kind)
	if !ok {
		t.Fatalf("repomd.xml has no %s", kind)
	}
	file, err := os.Open(filepath.Join(dir, data.Href))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := Decompress(data.Href, file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPackagesEqualCreaterepo compares what createrepo_c and this package say
// about the same RPMs, byte for byte and through the eyes of dnf.
func TestPackagesEqualCreaterepo(t *testing.T) {
	t.Parallel()
	dir := variedRepo(t)
	createrepo(t, dir)
	entries := render(t, dir)
	if len(entries) < 40 {
		t.Fatalf("only %d packages to compare", len(entries))
	}
	t.Run("fragments are equal byte for byte", func(t *testing.T) {
		t.Parallel()
		compareFragments(t, dir, entries)
	})
	t.Run("dnf reads both alike", func(t *testing.T) {
		t.Parallel()
		compareWithDNF(t, dir, entries)
	})
	t.Run("ReadPrimary reads createrepo_c's document", func(t *testing.T) {
		t.Parallel()
		comparePrimary(t, dir, entries)
	})
}

func compareFragments(t *testing.T, dir string, entries []Entry) {
	t.Helper()
	for _, doc := range packageDocuments {
		theirs := byChecksum(t, open(t, dir, doc.name))
		if len(theirs) != len(entries) {
			t.Errorf("%s: createrepo_c lists %d packages, want %d", doc.name, len(theirs), len(entries))
		}
		for _, e := range entries {
			if diff := cmp.Diff(theirs[e.SHA256], string(doc.of(e.Fragments))); diff != "" {
				t.Errorf("%s of %s (-createrepo_c +distbot)\n%s", doc.name, e.NEVRA, diff)
			}
		}
	}
}

// byChecksum cuts a document into its <package> elements.
func byChecksum(t *testing.T, doc string) map[string]string {
	t.Helper()
	fragments := map[string]string{}
	for {
		start := strings.Index(doc, "<package ")
		if start < 0 {
			return fragments
		}
		end := strings.Index(doc, "</package>\n") + len("</package>\n")
		fragment := doc[start:end]
		doc = doc[end:]
		_, sum, ok := strings.Cut(fragment, `pkgid="`)
		sum = strings.TrimPrefix(sum, `YES">`)
		if !ok || len(sum) < 64 {
			t.Fatalf("no checksum in %.200s", fragment)
		}
		fragments[sum[:64]] = fragment
	}
}

// TestRepositoryEqualsCreaterepo compares everything around the packages.
func TestRepositoryEqualsCreaterepo(t *testing.T) {
	t.Parallel()
	dir, comps := t.TempDir(), filepath.Join(t.TempDir(), "comps.xml")
	raw := rpmtest.Pack(t, rpmpack.RPMMetaData{Name: "one", Version: "1", Release: "1", Arch: "noarch"}, nil)
	if err := os.WriteFile(filepath.Join(dir, "one-1-1.noarch.rpm"), raw, 0o644); err != nil {
		t.Fatal(err)
	}
	text, err := Comps([]Group{{ID: "g", Name: "G", Packages: []GroupPackage{{Name: "one", Type: Mandatory}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(comps, text, 0o644); err != nil {
		t.Fatal(err)
	}
	createrepo(t, dir, "--revision", "17", "-g", comps)
	ours := t.TempDir()
	entries := render(t, dir)
	if _, err := Write(t.Context(), ours, len(entries), sequence(entries), Options{Revision: "17", Timestamp: 5, Comps: text}); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"primary", "filelists", "other", "group", "group_gz"} {
		if diff := cmp.Diff(open(t, dir, kind), open(t, ours, kind)); diff != "" {
			t.Errorf("%s (-createrepo_c +distbot)\n%s", kind, diff)
		}
	}
	if diff := cmp.Diff(shape(t, dir), shape(t, ours)); diff != "" {
		t.Errorf("repomd.xml without compressed sums, sizes and times (-createrepo_c +distbot)\n%s", diff)
	}
}

// shape is repomd.xml with what depends on the compressor and the clock blanked.
func shape(t *testing.T, dir string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "repodata", "repomd.xml"))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, line := range strings.SplitAfter(string(raw), "\n") {
		for _, element := range []string{"<checksum ", "<location ", "<timestamp>", "<size>"} {
			if i := strings.Index(line, element); i >= 0 {
				line = line[:i+len(element)] + "\n"
			}
		}
		out.WriteString(line)
	}
	return out.String()
}

// compareWithDNF asks the real dnf about our repository of the entries and
// about createrepo_c's.
func compareWithDNF(t *testing.T, dir string, entries []Entry) {
	t.Helper()
	ours := t.TempDir()
	if _, err := Write(t.Context(), ours, len(entries), sequence(entries), Options{Revision: "1", Timestamp: 1}); err != nil {
		t.Fatal(err)
	}
	theirHome, ourHome := t.TempDir(), t.TempDir()
	for _, query := range [][]string{
		{"--qf", "%{name} %{epoch}:%{version}-%{release}.%{arch} %{size} %{installsize} %{buildtime} %{sourcerpm} %{url} %{license} %{vendor} %{group}" +
			" %{packager} %{summary} %{description} %{location} provides %{provides} requires %{requires} conflicts %{conflicts} obsoletes %{obsoletes}" +
			" recommends %{recommends} suggests %{suggests} supplements %{supplements} enhances %{enhances}"},
		{"--requires-pre"},
		{"-l"},
		{"--changelogs"},
		{"--whatprovides", "/usr/bin/tool"},
	} {
		want := repoquery(t, theirHome, dir, query...)
		if strings.Count(want, "\n") < 3 {
			t.Errorf("repoquery %q of createrepo_c's repository says %q", query, want)
		}
		if diff := cmp.Diff(want, repoquery(t, ourHome, ours, query...)); diff != "" {
			t.Errorf("repoquery %q (-createrepo_c +distbot)\n%s", query, diff)
		}
	}
}

// repoquery runs dnf repoquery on the repository in dir alone, with cache,
// database and configuration below home.
func repoquery(t *testing.T, home, dir string, args ...string) string {
	t.Helper()
	return dnf(t, home, dir, append([]string{"repoquery"}, args...)...)
}

func dnf(t *testing.T, home, dir string, args ...string) string {
	t.Helper()
	config := filepath.Join(home, "dnf.conf")
	if err := os.MkdirAll(filepath.Join(home, "log"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte("[main]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, rpmtest.Tool(t, "dnf"), append([]string{
		"-q", "--disableplugin=*", "--config=" + config, "--setopt=reposdir=/dev/null", "--setopt=cachedir=" + home + "/cache",
		"--setopt=persistdir=" + home + "/persist", "--setopt=logdir=" + home + "/log", "--setopt=varsdir=/dev/null",
		"--installroot=" + home + "/root", "--releasever=1", "--repofrompath=r,file://" + dir, "--repoid=r", "--forcearch=x86_64",
	}, args...)...)
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("dnf %q: %v\n%s", args, err, stderr.String())
	}
	return string(out)
}

func comparePrimary(t *testing.T, dir string, entries []Entry) {
	t.Helper()
	got, err := readPrimary(open(t, dir, "primary"))
	if err != nil {
		t.Fatal(err)
	}
	byChecksum := map[string]PrimaryPackage{}
	for _, p := range got {
		byChecksum[p.Checksum] = p
	}
	for _, e := range entries {
		if p := byChecksum[e.SHA256]; p.NEVRA != e.NEVRA || p.ChecksumType != "sha256" {
			t.Errorf("read %+v, want %v", p, e.NEVRA)
		}
	}
}
