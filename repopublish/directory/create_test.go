package directory

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"
	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/repopublish/directory/directorytest"
)

func mustCreate(tb testing.TB, opts Options) Result {
	tb.Helper()
	result, err := Create(tb.Context(), opts)
	if err != nil {
		tb.Fatal(err)
	}
	return result
}

// repodata are the documents that repomd.xml lists, and itself.
func repodata(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	files := map[string]string{}
	read := func(name string) []byte {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			tb.Fatal(err)
		}
		files[name] = string(raw)
		return raw
	}
	md, err := repomd.ReadRepomd(bytes.NewReader(read("repodata/repomd.xml")))
	if err != nil {
		tb.Fatal(err)
	}
	for _, d := range md.Data {
		read(d.Href)
	}
	return files
}

// defaults are module defaults.
func defaults(stream string) []byte {
	return []byte("---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: demo\n  modified: 202001010000\n  stream: \"" + stream + "\"\n...\n")
}

func types(tb testing.TB, dir string) []string {
	tb.Helper()
	md, err := repomd.ReadRepomd(strings.NewReader(repodata(tb, dir)["repodata/repomd.xml"]))
	if err != nil {
		tb.Fatal(err)
	}
	var kinds []string
	for _, d := range md.Data {
		kinds = append(kinds, d.Type)
	}
	slices.Sort(kinds)
	return kinds
}

// tool runs a program that must succeed and returns what it says.
func tool(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), rpmtest.Tool(tb, name), args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		tb.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// query asks dnf what it finds in a repository.
func query(tb testing.TB, dir string) string {
	tb.Helper()
	home := tb.TempDir()
	config := filepath.Join(home, "dnf.conf")
	if err := os.WriteFile(config, []byte("[main]\n"), 0o644); err != nil {
		tb.Fatal(err)
	}
	return tool(tb, "dnf", "-q", "--disableplugin=*", "--config="+config, "--setopt=reposdir=/dev/null", "--setopt=cachedir="+home+"/cache",
		"--setopt=persistdir="+home+"/persist", "--setopt=logdir="+home, "--setopt=varsdir=/dev/null", "--installroot="+home+"/root", "--releasever=1",
		"--repofrompath=r,file://"+dir, "--repoid=r", "--forcearch=x86_64", "repoquery", "--qf",
		"%{name} %{epoch}:%{version}-%{release}.%{arch} %{size} %{buildtime} %{location} %{requires} %{files}")
}

func TestCreateReplacesCreaterepo(t *testing.T) {
	t.Parallel()
	for _, compression := range []repomd.Compression{repomd.Gzip, repomd.Zstd} {
		t.Run(string(compression), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Join(dir, "Packages", "p"), 0o755); err != nil {
				t.Fatal(err)
			}
			for i := range 150 {
				directorytest.Pack(t, filepath.Join(dir, "Packages", "p"), i, 1)
			}
			directorytest.Pack(t, dir, 1000, 1)
			tool(t, "createrepo_c", "-q", dir)
			theirs := query(t, dir)
			result := mustCreate(t, Options{Dir: dir, CacheDir: t.TempDir(), Compression: compression})
			if result.Packages != 151 || result.Read != 151 || !result.Changed {
				t.Errorf("%+v", result)
			}
			if ours := query(t, dir); strings.Count(ours, "\n") < 151 || ours != theirs {
				t.Errorf("dnf sees something else (-createrepo_c +distbot)\n%.3000s", cmp.Diff(theirs, ours))
			}
			if diff := cmp.Diff([]string{"filelists", "other", "primary"}, types(t, dir)); diff != "" {
				t.Errorf("documents (-want +got)\n%s", diff)
			}
			if compression == repomd.Zstd {
				return // createrepo_c 0.17 can't read it
			}
			// createrepo_c's own reader: with --update it takes over what it can read.
			if out := tool(t, "createrepo_c", "--update", "--skip-stat", "-v", dir); !strings.Contains(out, "Loaded information about 151 packages") {
				t.Errorf("createrepo_c says\n%s", out)
			}
		})
	}
}

// An update is what a whole run would have made, whatever happened before.
func TestUpdateEqualsAWholeRun(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 5))
	dir, cache := t.TempDir(), t.TempDir()
	release := map[int]int{}
	for i := range 200 {
		directorytest.Pack(t, dir, i, 1)
		release[i] = 1
	}
	mustCreate(t, Options{Dir: dir, CacheDir: cache, Update: true})
	for round := range 12 {
		changed := map[int]bool{}
		for range random.IntN(4) {
			i := random.IntN(250)
			if old := release[i]; old > 0 {
				if err := os.Remove(filepath.Join(dir, filepath.Base(directorytest.Pack(t, t.TempDir(), i, old)))); err != nil {
					t.Fatal(err)
				}
				delete(changed, i)
			}
			if release[i] = 0; random.IntN(3) > 0 {
				release[i] = round + 2
				directorytest.Pack(t, dir, i, release[i])
				changed[i] = true
			}
		}
		result := mustCreate(t, Options{Dir: dir, CacheDir: cache, Update: true})
		if result.Read > len(changed) {
			t.Errorf("round %d: read %d RPMs, %d had changed", round, result.Read, len(changed))
		}
		updated := repodata(t, dir)
		if whole := mustCreate(t, Options{Dir: dir, CacheDir: t.TempDir()}); whole.Changed || whole.Read != whole.Packages {
			t.Errorf("round %d: the whole run says %+v", round, whole)
		}
		if diff := cmp.Diff(repodata(t, dir), updated); diff != "" {
			t.Fatalf("round %d (-whole +updated)\n%.2000s", round, diff)
		}
	}
}

func TestUpdateSeesAFileThatHidesItsChange(t *testing.T) {
	t.Parallel()
	dir, cache := t.TempDir(), t.TempDir()
	file := directorytest.Pack(t, dir, 1, 1)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	mustCreate(t, Options{Dir: dir, CacheDir: cache, Update: true})
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] ^= 1 // in the payload: same size, same time
	if err := os.WriteFile(file, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if result := mustCreate(t, Options{Dir: dir, CacheDir: cache, Update: true}); result.Read != 1 || !result.Changed {
		t.Errorf("%+v", result)
	}
}

func TestEqualPackagesMakeEqualRepositories(t *testing.T) {
	t.Parallel()
	var all []map[string]string
	for i := range 2 {
		dir := t.TempDir()
		for n := range 70 {
			file := directorytest.Pack(t, dir, n, 1)
			when := time.Unix(int64(1_600_000_000+i*1000), 0)
			if err := os.Chtimes(file, when, when); err != nil {
				t.Fatal(err)
			}
		}
		mustCreate(t, Options{Dir: dir})
		all = append(all, repodata(t, dir))
	}
	if diff := cmp.Diff(all[0], all[1]); diff != "" {
		t.Errorf("(-first +second)\n%.2000s", diff)
	}
}

func TestDocumentsAreKept(t *testing.T) {
	t.Parallel()
	dir, comps := t.TempDir(), filepath.Join(t.TempDir(), "comps.xml")
	directorytest.Pack(t, dir, 1, 1)
	text := []byte("<?xml version=\"1.0\"?>\n<comps><group><id>g</id><name>G</name></group></comps>\n")
	if err := os.WriteFile(comps, text, 0o644); err != nil {
		t.Fatal(err)
	}
	// Of another program, with databases and another kind of checksum.
	tool(t, "createrepo_c", "-q", "-s", "sha512", "--repomd-checksum", "sha512", "-g", comps, dir)
	product := filepath.Join(t.TempDir(), "productid")
	if err := os.WriteFile(product, []byte("a certificate"), 0o644); err != nil {
		t.Fatal(err)
	}
	tool(t, "modifyrepo_c", "--mdtype=productid", product, filepath.Join(dir, "repodata"))
	packages := []string{"filelists", "other", "primary"}
	for _, step := range []struct {
		name string
		opts Options
		want []string
	}{
		{"groups and what is not known", Options{}, []string{"group", "group_gz", "productid"}},
		{"with modules", Options{Modules: defaults("1")}, []string{"group", "group_gz", "modules", "productid"}},
		{"all on another run", Options{Update: true}, []string{"group", "group_gz", "modules", "productid"}},
		{"other modules, once", Options{Modules: defaults("2")}, []string{"group", "group_gz", "modules", "productid"}},
		{"other groups, once", Options{Comps: text}, []string{"group", "group_gz", "modules", "productid"}},
		{"without what is dropped", Options{Drop: []string{"modules", "productid"}}, []string{"group", "group_gz"}},
		{"without groups", Options{Drop: []string{"group"}}, nil},
	} {
		step.opts.Dir = dir
		mustCreate(t, step.opts)
		want := append(slices.Clone(packages), step.want...)
		slices.Sort(want)
		if diff := cmp.Diff(want, types(t, dir)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", step.name, diff)
		}
		query(t, dir)
	}
}

func TestADocumentThatIsNotWhatRepomdSaysIsNotKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mustCreate(t, Options{Dir: dir, Modules: defaults("1")})
	for name := range repodata(t, dir) {
		if strings.Contains(name, "modules") {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("something else"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := Create(t.Context(), Options{Dir: dir}); !errors.Is(err, repomd.ErrChecksum) {
		t.Errorf("got %v, want ErrChecksum", err)
	}
	mustCreate(t, Options{Dir: dir, Drop: []string{"modules"}})
}

// After any trouble the repository is the one of before.
func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, dir string)
		want  []string
	}{
		{"files that are no RPMs, all at once", func(t *testing.T, dir string) {
			for _, name := range []string{"text.rpm", "empty.rpm"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.TrimPrefix(name, "empty.rpm")), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}, []string{`"text.rpm"`, `"empty.rpm"`}},
		{"a truncated RPM", func(t *testing.T, dir string) {
			if err := os.Truncate(directorytest.Pack(t, dir, 2, 1), 900); err != nil {
				t.Fatal(err)
			}
		}, []string{`"package00002-1.0-1.x86_64.rpm"`}},
		{"a truncated payload", func(t *testing.T, dir string) {
			name := directorytest.Pack(t, dir, 2, 1)
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(name, info.Size()-1); err != nil {
				t.Fatal(err)
			}
		}, []string{"truncated"}},
		{"an RPM with something behind it", func(t *testing.T, dir string) {
			f, err := os.OpenFile(directorytest.Pack(t, dir, 2, 1), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString("more"); err != nil {
				t.Fatal(err)
			}
			f.Close()
		}, []string{"too long"}},
		{"a header that tells of gigabytes", func(t *testing.T, dir string) {
			name := directorytest.Pack(t, dir, 2, 1)
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			copy(raw[96+8:], "\xff\xff\xff\xff\xff\xff\xff\xff")
			if err := os.WriteFile(name, raw, 0o644); err != nil {
				t.Fatal(err)
			}
		}, []string{"exceeds a limit"}},
		{"a header that was changed", func(t *testing.T, dir string) {
			name := directorytest.Pack(t, dir, 2, 1)
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, bytes.Replace(raw, []byte("package00002\x00"), []byte("package00003\x00"), 1), 0o644); err != nil {
				t.Fatal(err)
			}
		}, []string{"digest mismatch"}},
		{"paths in RPMs that XML can't express", func(t *testing.T, dir string) {
			for i, path := range []string{"/a\x01b", "/a\x1bb"} {
				raw := rpmtest.Pack(t, rpmpack.RPMMetaData{Name: fmt.Sprint("a", i), Version: "1", Release: "1", Arch: "noarch"}, func(r *rpmpack.RPM) {
					r.AddFile(rpmpack.RPMFile{Name: path})
				})
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("a", i, ".rpm")), raw, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}, []string{`"/a\x01b"`, `"/a\x1bb"`}},
		{"a name that is not UTF-8", func(t *testing.T, dir string) {
			if err := os.Rename(directorytest.Pack(t, dir, 2, 1), filepath.Join(dir, "lat\xebin.rpm")); err != nil {
				t.Fatal(err)
			}
		}, []string{`"lat\xebin.rpm" is not UTF-8`}},
		{"a name that XML can't express", func(t *testing.T, dir string) {
			if err := os.Rename(directorytest.Pack(t, dir, 2, 1), filepath.Join(dir, "a\nb\x01.rpm")); err != nil {
				t.Fatal(err)
			}
		}, []string{`"a\nb\x01.rpm"`}},
		{"a name that is not UTF-8", func(t *testing.T, dir string) {
			if err := os.Rename(directorytest.Pack(t, dir, 2, 1), filepath.Join(dir, "caf\xe9.rpm")); err != nil {
				t.Fatal(err)
			}
		}, []string{`"caf\xe9.rpm"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir, cache := t.TempDir(), t.TempDir()
			directorytest.Pack(t, dir, 1, 1)
			mustCreate(t, Options{Dir: dir, CacheDir: cache})
			before := repodata(t, dir)
			tt.spoil(t, dir)
			_, err := Create(t.Context(), Options{Dir: dir, CacheDir: cache, Update: true})
			var broken *BrokenError
			if !errors.As(err, &broken) || len(broken.Files) != len(tt.want) {
				t.Fatalf("got %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v doesn't name %s", err, want)
				}
			}
			if diff := cmp.Diff(before, repodata(t, dir)); diff != "" {
				t.Errorf("(-before +after)\n%s", diff)
			}
			result := mustCreate(t, Options{Dir: dir, CacheDir: cache, Update: true, SkipBroken: true})
			if result.Packages != 1 || len(result.Skipped) != len(tt.want) || result.Changed {
				t.Errorf("without them: %+v", result)
			}
		})
	}
}

func TestNamesWithMarkup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, name := range []string{"a<&>\"'.rpm", "b c.rpm", "d%20#?.rpm", "ë.rpm", "new\nline\ttab\r.rpm"} {
		if err := os.Rename(directorytest.Pack(t, dir, i, 1), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	tool(t, "createrepo_c", "-q", "--no-database", dir)
	theirs := query(t, dir)
	mustCreate(t, Options{Dir: dir})
	if diff := cmp.Diff(theirs, query(t, dir)); diff != "" {
		t.Errorf("dnf sees something else (-createrepo_c +distbot)\n%s", diff)
	}
}

func TestOneRunAtATime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unlock, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(t.Context(), Options{Dir: dir}); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	// A process that is being started has the file for a moment.
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if name, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && name == dir {
			n, err := strconv.Atoi(fd.Name())
			if err != nil {
				t.Fatal(err)
			}
			child, err := unix.Dup(n)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(child)
		}
	}
	unlock()
	mustCreate(t, Options{Dir: dir})
}

func TestDocumentsOfBeforeStayForOneRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	directorytest.Pack(t, dir, 1, 1)
	mustCreate(t, Options{Dir: dir})
	first := repodata(t, dir)
	// What a run that was killed leaves.
	if err := os.WriteFile(filepath.Join(dir, "repodata", ".tmp-primary.xml.gz"), []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	directorytest.Pack(t, dir, 2, 1)
	mustCreate(t, Options{Dir: dir})
	there := func() (n int) {
		for name := range first {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil && name != "repodata/repomd.xml" {
				n++
			}
		}
		return n
	}
	if there() != 3 {
		t.Error("documents of the repository before are gone")
	}
	directorytest.Pack(t, dir, 3, 1)
	mustCreate(t, Options{Dir: dir})
	if there() != 0 {
		t.Error("documents of the repository before the one before are still there")
	}
	left, err := fs.ReadDir(os.DirFS(dir), "repodata")
	if err != nil || len(left) != 7 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestASignatureThatFitsNoMoreIsRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mustCreate(t, Options{Dir: dir})
	asc := filepath.Join(dir, "repodata", "repomd.xml.asc")
	if err := os.WriteFile(asc, []byte("-----BEGIN PGP SIGNATURE-----\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if result := mustCreate(t, Options{Dir: dir}); result.Changed || len(result.Warnings) != 0 {
		t.Errorf("nothing changed, but %+v", result)
	}
	if _, err := os.Stat(asc); err != nil {
		t.Error("the signature of the same repository is gone")
	}
	directorytest.Pack(t, dir, 1, 1)
	if result := mustCreate(t, Options{Dir: dir}); len(result.Warnings) != 1 {
		t.Errorf("no warning in %+v", result)
	}
	if _, err := os.Stat(asc); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the signature: %v", err)
	}
}

func TestExcludedFilesAndLinks(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	for i := range 4 {
		directorytest.Pack(t, elsewhere, i, 1)
	}
	for from, to := range map[string]string{
		elsewhere: filepath.Join(dir, "linked"), dir: filepath.Join(dir, "circle"), "/nonexistent": filepath.Join(dir, "nowhere"),
	} {
		if from == dir {
			continue
		}
		if err := os.Symlink(from, to); err != nil {
			t.Fatal(err)
		}
	}
	result := mustCreate(t, Options{Dir: dir, Exclude: []string{"package00001-*", "linked/package00002*"}})
	if result.Packages != 2 {
		t.Errorf("%+v", result)
	}
	if err := os.Symlink(dir, filepath.Join(dir, "circle")); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(t.Context(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "leads to a directory that it is in") {
		t.Errorf("a link in a circle: %v", err)
	}
}
