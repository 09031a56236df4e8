package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
)

// sharedCache is the default cache: the packages are the host's, and the
// tests of other packages need the same RPMs.
func sharedCache(t testing.TB) string {
	t.Helper()
	cache, err := cachePath("")
	if err != nil {
		t.Fatal(err)
	}
	return cache
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func hostArch(t testing.TB) architecture {
	t.Helper()
	out, err := exec.Command("dpkg", "--print-architecture").Output()
	if err != nil {
		t.Fatalf("dpkg: %v: these tests repack the packages of a Debian or Ubuntu host", err)
	}
	for _, a := range architectures() {
		if a.deb == strings.TrimSpace(string(out)) {
			return a
		}
	}
	t.Fatalf("architecture %s of this host is none distbot knows", out)
	return architecture{}
}

func TestDebian(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "base")
	options := Options{Arch: hostArch(t).rpm, Out: out, Cache: sharedCache(t), Log: quiet()}
	var last Progress
	options.Progress = func(p Progress) { last = p }
	repo, err := Debian(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Progress{Stage: StagePublish, Done: 1, Total: 1}); last != want {
		t.Errorf("last progress %+v, want %+v", last, want)
	}
	t.Run("every RPM is recorded with its digest and its origin", func(t *testing.T) {
		t.Parallel()
		recorded := map[string]string{}
		for _, p := range repo.Packages {
			recorded[p.File] = p.SHA256
			own := p.Name == filesystemName || p.Name == macrosName
			if own != (p.Source == "") || own != (p.SourceSHA256 == "") {
				t.Errorf("%s: source %q, digest %q", p.Name, p.Source, p.SourceSHA256)
			}
		}
		if diff := cmp.Diff(recorded, rpms(t, out)); diff != "" {
			t.Errorf("RPMs (-recorded +found):\n%s", diff)
		}
	})
	t.Run("all files belong to root and none is set-id", func(t *testing.T) {
		t.Parallel()
		for _, p := range repo.Packages {
			pkg, _, err := rpmfile.ReadFile(filepath.Join(out, p.File))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range pkg.Files {
				if f.User != "root" || f.Group != "root" || f.Mode&0o6000 != 0 {
					t.Errorf("%s: %s is %s:%s %o", p.Name, f.Path, f.User, f.Group, f.Mode)
				}
			}
		}
	})
	t.Run("comps has the groups of the result", func(t *testing.T) {
		t.Parallel()
		if diff := cmp.Diff(compsGroups(repo.Groups), readComps(t, out)); diff != "" {
			t.Errorf("groups (-want +got):\n%s", diff)
		}
	})
	t.Run("dnf finds no package whose requirements are not in it", func(t *testing.T) {
		t.Parallel()
		b := newBuildRoot(t, "bootstrap,file://"+out)
		b.mustDNF(t, "repoclosure", "--repo", "bootstrap")
	})
	t.Run("another run finds it in place", func(t *testing.T) {
		t.Parallel()
		before, err := os.Stat(out)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Debian(t.Context(), Options{Arch: options.Arch, Out: out, Cache: options.Cache, Log: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		after, err := os.Stat(out)
		if err != nil {
			t.Fatal(err)
		}
		if !again.UpToDate || !os.SameFile(before, after) {
			t.Errorf("up to date: %v, same directory: %v", again.UpToDate, os.SameFile(before, after))
		}
		if diff := cmp.Diff(repo.Packages, again.Packages); diff != "" {
			t.Errorf("packages (-first +second):\n%s", diff)
		}
	})
	t.Run("builds made in it", func(t *testing.T) {
		t.Parallel()
		testBuilds(t, out)
	})
}

func readComps(t *testing.T, repo string) []repomd.Group {
	t.Helper()
	f, err := os.Open(filepath.Join(repo, "repodata", "repomd.xml"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	md, err := repomd.ReadRepomd(f)
	if err != nil {
		t.Fatal(err)
	}
	data, ok := md.Find("group")
	if !ok {
		t.Fatal("repomd.xml names no comps")
	}
	comps, err := os.Open(filepath.Join(repo, data.Href))
	if err != nil {
		t.Fatal(err)
	}
	defer comps.Close()
	groups, err := repomd.ReadComps(comps)
	if err != nil {
		t.Fatal(err)
	}
	return groups
}

// testBuilds follows a library, a program that needs it, and a noarch package
// through fresh roots. The steps build on one another.
func testBuilds(t *testing.T, repo string) {
	tag := t.TempDir()
	index := func() {
		t.Helper()
		if out, err := exec.Command("createrepo_c", "-q", "--no-database", tag).CombinedOutput(); err != nil {
			t.Fatalf("createrepo_c: %v\n%s", err, out)
		}
	}
	index()
	root := newBuildRoot(t, "bootstrap,file://"+repo, "tag,file://"+tag)
	root.mustDNF(t, "install", "@build")
	root.mustDNF(t, "builddep", "testdata/greet/greet.spec")
	library := root.build(t, "greet")
	built := rpms(t, library)

	t.Run("a C library gives its debug packages", func(t *testing.T) {
		arch := hostArch(t).rpm
		want := []string{}
		for _, name := range []string{"greet", "greet-debuginfo", "greet-debugsource", "greet-devel"} {
			want = append(want, name+"-1.2-3."+arch+".rpm")
		}
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(built))); diff != "" {
			t.Fatalf("RPMs (-want +got):\n%s", diff)
		}
		pkg := readRPM(t, filepath.Join(library, arch, want[0]))
		wantFiles := []string{"/usr/lib64/libgreet.so.1", "/usr/share/doc/greet", "/usr/share/doc/greet/README", "/usr/share/licenses/greet", "/usr/share/licenses/greet/README"}
		if diff := cmp.Diff(wantFiles, filePaths(pkg)); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		if pkg.BuildTime != 1700000000 || pkg.BuildHost != "distbot.invalid" || pkg.PayloadCompressor != "zstd" {
			t.Errorf("built %d on %q, payload %q", pkg.BuildTime, pkg.BuildHost, pkg.PayloadCompressor)
		}
		debug := filePaths(readRPM(t, filepath.Join(library, arch, want[1])))
		if name := "/usr/lib/debug/usr/lib64/libgreet.so.1-1.2-3." + arch + ".debug"; !slices.Contains(debug, name) {
			t.Errorf("debuginfo has no %s: %q", name, debug)
		}
		source := filePaths(readRPM(t, filepath.Join(library, arch, want[2])))
		if name := "/usr/src/debug/greet-1.2-3." + arch + "/greet.c"; !slices.Contains(source, name) {
			t.Errorf("debugsource has no %s: %q", name, source)
		}
	})
	t.Run("another fresh root gives the same bytes", func(t *testing.T) {
		other := newBuildRoot(t, "bootstrap,file://"+repo)
		other.mustDNF(t, "install", "@build")
		if diff := cmp.Diff(built, rpms(t, other.build(t, "greet"))); diff != "" {
			t.Errorf("digests (-first root +second root):\n%s", diff)
		}
	})
	t.Run("a program that needs the library waits for it", func(t *testing.T) {
		out, err := root.dnf(t, "builddep", "testdata/usegreet/usegreet.spec")
		if err == nil || !strings.Contains(out, "No matching package to install: 'pkgconfig(greet) >= 1.2'") {
			t.Fatalf("builddep without the library: %v\n%s", err, out)
		}
		for name := range built {
			if err := os.Link(filepath.Join(library, hostArch(t).rpm, name), filepath.Join(tag, name)); err != nil {
				t.Fatal(err)
			}
		}
		index()
		root.mustDNF(t, "builddep", "testdata/usegreet/usegreet.spec")
		// Its %check runs it, so the loader finds the library too.
		if got := rpms(t, root.build(t, "usegreet")); len(got) != 3 {
			t.Errorf("built %q, want program, debuginfo and debugsource", slices.Sorted(maps.Keys(got)))
		}
	})
	t.Run("a noarch package with a service builds", func(t *testing.T) {
		root.mustDNF(t, "builddep", "testdata/hello-noarch/hello-noarch.spec")
		if _, ok := rpms(t, root.build(t, "hello-noarch"))["hello-noarch-1.0-1.noarch.rpm"]; !ok {
			t.Error("hello-noarch-1.0-1.noarch.rpm was not built")
		}
	})
	t.Run("the names of Fedora's build group install", func(t *testing.T) {
		root.mustDNF(t, append([]string{"install"}, strings.Fields(`bash bzip2 coreutils cpio diffutils findutils gawk
			glibc-minimal-langpack grep gzip info make patch redhat-rpm-config rpm-build sed shadow-utils system-release tar
			unzip util-linux which xz filesystem setup gcc gcc-c++ glibc-devel zlib-devel pkgconf-pkg-config pkgconfig
			perl-interpreter python3 autoconf automake libtool`)...)...)
	})
}

func readRPM(t *testing.T, name string) *rpmfile.Package {
	t.Helper()
	pkg, _, err := rpmfile.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return pkg
}

func filePaths(p *rpmfile.Package) []string {
	var paths []string
	for _, f := range p.Files {
		paths = append(paths, f.Path)
	}
	return paths
}

// smallSet makes options for few packages, with RPMs of its own.
func smallSet(t *testing.T) Options {
	t.Helper()
	o := ownCache(t)
	o.Packages = []string{"libc-bin", "patch", "perl-base"}
	return o
}

// ownCache makes options with a cache that has the shared one's downloads.
func ownCache(t testing.TB) Options {
	t.Helper()
	arch := hostArch(t)
	cache := t.TempDir()
	o := Options{Arch: arch.rpm, Out: filepath.Join(t.TempDir(), "base"), Cache: cache, Log: quiet()}
	archives := filepath.Join(cache, "apt", arch.deb, "archives")
	if err := os.MkdirAll(archives, 0o755); err != nil {
		t.Fatal(err)
	}
	shared, err := filepath.Glob(filepath.Join(sharedCache(t), "apt", arch.deb, "archives", "*.deb"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range shared {
		if err := place(name, filepath.Join(archives, filepath.Base(name))); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func TestDebianIsReproducible(t *testing.T) {
	t.Parallel()
	first, second := smallSet(t), smallSet(t)
	second.Jobs = 1
	for _, o := range []Options{first, second} {
		if _, err := Debian(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(rpms(t, first.Out), rpms(t, second.Out)); diff != "" {
		t.Errorf("RPMs (-first +second):\n%s", diff)
	}
	if a, b := mustManifest(t, first.Out).Repomd, mustManifest(t, second.Out).Repomd; a != b {
		t.Errorf("digests of repomd.xml are %s and %s", a, b)
	}
}

func TestTwoRunsAtOnceMakeOneRepository(t *testing.T) {
	t.Parallel()
	o := smallSet(t)
	type answer struct {
		result *Result
		err    error
	}
	answers := make(chan answer)
	for range 2 {
		go func() {
			r, err := Debian(t.Context(), o)
			answers <- answer{r, err}
		}()
	}
	made := 0
	for range 2 {
		a := <-answers
		if a.err != nil {
			t.Fatal(a.err)
		}
		if !a.result.UpToDate {
			made++
		}
	}
	if made != 1 {
		t.Errorf("%d runs made the repository, want 1", made)
	}
}

// killedEnv carries Options to a copy of the test program that is to be killed.
const killedEnv = "DISTBOT_TEST_KILLED_OPTIONS"

type killedOptions struct {
	Arch, Out, Cache string
	Packages         []string
}

// TestKilledProcess is the body of the process that TestKill kills; without
// its options it has nothing to do.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	text := os.Getenv(killedEnv)
	if text == "" {
		return
	}
	var k killedOptions
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		t.Fatal(err)
	}
	o := Options{Arch: k.Arch, Out: k.Out, Cache: k.Cache, Packages: k.Packages, Log: quiet()}
	o.Progress = func(p Progress) {
		if p.Stage == StageConvert && p.Done == 3 {
			if _, err := os.Stdout.WriteString("converting\n"); err != nil {
				t.Error(err)
			}
			select {} // with the cache locked, until the signal
		}
	}
	if _, err := Debian(context.Background(), o); err != nil {
		t.Error(err)
	}
}

func TestKill(t *testing.T) {
	t.Parallel()
	o := smallSet(t)
	text, err := json.Marshal(killedOptions{o.Arch, o.Out, o.Cache, o.Packages})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledProcess$")
	cmd.Env = append(os.Environ(), killedEnv+"="+string(text))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, len("converting\n"))
	if _, err := io.ReadFull(out, line); err != nil || string(line) != "converting\n" {
		t.Fatalf("the process said %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the process was not killed")
	}
	if _, err := os.Stat(o.Out); err == nil {
		t.Errorf("%s is there though its process was killed", o.Out)
	}
	result, err := Debian(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := intact(o.Out, mustManifest(t, o.Out).Key); !ok || result.UpToDate {
		t.Errorf("intact: %v, up to date: %v", ok, result.UpToDate)
	}
}

func mustManifest(t *testing.T, dir string) manifest {
	t.Helper()
	m, err := readManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCancel(t *testing.T) {
	t.Parallel()
	o := smallSet(t)
	ctx, cancel := context.WithCancel(t.Context())
	o.Progress = func(p Progress) {
		if p.Stage == StageConvert && p.Done == 2 {
			cancel()
		}
	}
	if _, err := Debian(ctx, o); err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("Debian = %v, want context.Canceled", err)
	}
	if _, err := os.Stat(o.Out); err == nil {
		t.Errorf("%s is there though the run was cancelled", o.Out)
	}
}

func BenchmarkDebian(b *testing.B) {
	o := ownCache(b)
	run := func(b *testing.B) {
		if _, err := Debian(b.Context(), o); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("nothing converted yet", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			if err := errors.Join(os.RemoveAll(filepath.Join(o.Cache, "rpms")), os.RemoveAll(o.Out)); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			run(b)
		}
	})
	b.Run("up to date", func(b *testing.B) {
		run(b)
		for b.Loop() {
			run(b)
		}
	})
}
