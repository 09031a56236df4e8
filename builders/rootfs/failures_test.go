package rootfs

import (
	"flag"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/internal/sandbox"
	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"
)

var record = flag.Bool("record", false, "run the failing builds of testdata/failures again and keep their logs")

// verdict is what people are told.
type verdict struct {
	Phase          builders.Phase
	Infrastructure bool
	Reason         string
}

// verdicts are those of the packages in testdata/failures. Names that begin
// with srpm- fail to become a source package, br- fail to get their build
// requirements (so their log is dnf's), and repo- are br- with a repository on
// the network that misbehaves.
var verdicts = map[string]verdict{
	"srpm-tag":              {builders.PhaseSRPM, false, "line 7: Unknown tag: Recommend: x"},
	"srpm-version":          {builders.PhaseSRPM, false, "Version field must be present in package: (main package)"},
	"srpm-source":           {builders.PhaseSRPM, false, "Bad file: missing-1.tar.gz: No such file or directory"},
	"srpm-lua":              {builders.PhaseSRPM, false, `lua script failed: [string "<lua>"]:1: no luck`},
	"srpm-endif":            {builders.PhaseSRPM, false, "line 7: Unclosed %if"},
	"exclusive":             {builders.PhasePrep, false, "Architecture is not included: x86_64"},
	"patch":                 {builders.PhasePrep, false, "%prep: fix-greeting.patch: 1 out of 1 hunk FAILED -- saving rejects to file greet.c.rej"},
	"patch-classic":         {builders.PhasePrep, false, "%prep: fix-greeting.patch: 1 out of 1 hunk FAILED -- saving rejects to file greet.c.rej"},
	"tarball":               {builders.PhasePrep, false, "%prep: gzip: stdin: not in gzip format"},
	"generator":             {builders.PhaseBuildroot, false, "%generate_buildrequires: python3: command not found"},
	"configure":             {builders.PhaseBuild, false, "%build: configure: error: greet.h not found: install libgreet-devel"},
	"compiler":              {builders.PhaseBuild, false, "%build: greet.c:6:16: error: 'greeting' undeclared (first use in this function)"},
	"header":                {builders.PhaseBuild, false, "%build: greet.c:1:10: fatal error: greet.h: No such file or directory"},
	"undefined":             {builders.PhaseBuild, false, "%build: greet.c:(.text+0x5): undefined reference to `greet'"},
	"library":               {builders.PhaseBuild, false, "%build: /usr/bin/ld: cannot find -lgreet: No such file or directory"},
	"command":               {builders.PhaseBuild, false, "%build: cmake: command not found"},
	"macro":                 {builders.PhaseBuild, false, "%build: %cmake_build is not defined: no installed package has this macro"},
	"target":                {builders.PhaseBuild, false, "%build: make: *** No rule to make target 'all'. Stop."},
	"silent":                {builders.PhaseBuild, false, "%build: failed: exit 3"},
	"network":               {builders.PhaseBuild, false, "%build: connect: Network is unreachable"},
	"forks":                 {builders.PhaseBuild, false, "%build: fork: retry: Resource temporarily unavailable"},
	"fills-tmp":             {builders.PhaseBuild, false, "%build: head: error writing 'standard output': No space left on device"},
	"file-size":             {builders.PhaseBuild, false, "%build: File size limit exceeded: head -c 1200M /dev/zero > big"},
	"install":               {builders.PhaseInstall, false, "%install: install: cannot stat 'greet.conf': No such file or directory"},
	"check":                 {builders.PhaseCheck, false, "%check: failed: test 'Hello, you!' = 'Hello, world!'"},
	"testsuite":             {builders.PhaseCheck, false, "%check: FAIL: t/greet.sh"},
	"missing-file":          {builders.PhaseFiles, false, "%files: File not found: /usr/bin/greet"},
	"unpackaged":            {builders.PhaseFiles, false, "%files: Installed (but unpackaged) file(s) found: /usr/bin/greet /usr/bin/other"},
	"arch-in-noarch":        {builders.PhaseFiles, false, "%files: Arch dependent binaries in noarch package"},
	"br-missing":            {builders.PhaseBuildroot, false, "nothing provides nosuchthing, pkgconfig(greet) >= 1.2"},
	"br-too-new":            {builders.PhaseBuildroot, false, "nothing provides make >= 99"},
	"br-broken":             {builders.PhaseBuildroot, false, "nothing provides libnowhere.so.1()(64bit) (needed by broken-1-1.noarch)"},
	"br-conflict":           {builders.PhaseBuildroot, false, "the buildroot could not be installed: package conflict-b-1-1.noarch conflicts with conflict-a provided by conflict-a-1-1.noarch"},
	"br-file-conflict":      {builders.PhaseBuildroot, false, "the buildroot could not be installed: file /usr/share/greeting conflicts between attempted installs of file-a-0:1-1.noarch and file-b-0:1-1.noarch"},
	"br-scriptlet":          {builders.PhaseBuildroot, false, "the buildroot could not be installed: %prein(scriptlet-0:1-1.noarch) scriptlet failed, exit status 1"},
	"repo-refused":          {builders.PhaseBuildroot, true, "repository f37-build can't be downloaded: Curl error (7): Couldn't connect to server for http://127.0.0.1:PORT/repodata/repomd.xml [Failed to connect to 127.0.0.1 port PORT after 0 ms: Couldn't connect to server]"},
	"repo-metadata-digest":  {builders.PhaseBuildroot, true, "repository f37-build can't be downloaded: Downloading successful, but checksum doesn't match."},
	"repo-metadata-missing": {builders.PhaseBuildroot, true, "repository f37-build can't be downloaded: Status code: 404 for http://127.0.0.1:PORT/repodata/6345649ffb7cada262aa6d73d904dc9afda46feb2e339051abee409350f16521-primary.xml.gz (IP: 127.0.0.1)"},
	"repo-package-digest":   {builders.PhaseBuildroot, true, "a package can't be downloaded: good-1-1.noarch.rpm: Downloading successful, but checksum doesn't match."},
	"repo-package-missing":  {builders.PhaseBuildroot, true, "a package can't be downloaded: good-1-1.noarch.rpm: Status code: 404 for http://127.0.0.1:PORT/good-1-1.noarch.rpm (IP: 127.0.0.1)"},
}

func TestFailuresAreExplained(t *testing.T) {
	t.Parallel()
	found := names(t, "testdata/failures")
	for _, name := range found {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, log := verdicts[name], filepath.Join("testdata", "failures", name, "recorded.log")
			if *record {
				got, text := failForReal(t, name)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("the real build (-want +got)\n%s", diff)
				}
				if err := os.WriteFile(log, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got := explainLog(t, name, string(must(os.ReadFile(log))(t)))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the recorded log (-want +got)\n%s", diff)
			}
			if utf8.RuneCountInString(got.Reason) > maxReason {
				t.Errorf("a reason of %d characters", utf8.RuneCountInString(got.Reason))
			}
		})
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(verdicts)), found); diff != "" {
		t.Errorf("failures (-want +found)\n%s", diff)
	}
}

// explainLog reads a recorded log as the driver would have.
func explainLog(t *testing.T, name, log string) verdict {
	var failure *builders.Failure
	if isDNF(name) {
		failure = dnfFailure(log)
	} else {
		watch := newWatcher(io.Discard, nil)
		if _, err := io.WriteString(watch, log); err != nil {
			t.Fatal(err)
		}
		failure = watch.failure(beforeScripts(name), sandbox.Result{ExitCode: 1})
	}
	return verdictOf(failure)
}

// anyPort is the port of a test's server, in two writings.
var anyPort = regexp.MustCompile(`(127\.0\.0\.1(?::| port ))\d+`)

func verdictOf(failure *builders.Failure) verdict {
	return verdict{failure.Phase, failure.Infrastructure, anyPort.ReplaceAllString(failure.Reason, "${1}PORT")}
}

func isDNF(name string) bool {
	return strings.HasPrefix(name, "br-") || strings.HasPrefix(name, "repo-")
}

func beforeScripts(name string) builders.Phase {
	if strings.HasPrefix(name, "srpm-") {
		return builders.PhaseSRPM
	}
	return builders.PhasePrep
}

// failForReal builds the package and returns what the driver said, and the log
// that it said it of.
func failForReal(t *testing.T, name string) (verdict, string) {
	b := setup(t, func(config *Config) {
		config.Limits.PIDs, config.Limits.FileSize = 200, 1100<<20
	})
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "failures", name))); err != nil {
		t.Fatal(err)
	}
	order := b.order(t, buildGroup, troubled(t, name)...)
	var err error
	if strings.HasPrefix(name, "srpm-") {
		_, err = b.driver.SRPM(t.Context(), builders.SRPMOrder{Order: order, SourceDir: dir, Spec: "package.spec"})
	} else {
		_, err = b.driver.Build(t.Context(), builders.BuildOrder{Order: order, SRPM: must(b.srpm(t, dir))(t), Arch: hostArch()})
	}
	failure := failureOf(t, err)
	if !isDNF(name) {
		return verdictOf(failure), logOf(t, order, "build.log")
	}
	// Without the installing of the base root.
	log := logOf(t, order, "root.log")
	return verdictOf(failure), log[max(0, strings.LastIndex(log, "# installing")):]
}

// troubled is a repository of packages that can't be installed.
func troubled(t *testing.T, name string) []builders.Repo {
	if !isDNF(name) {
		return nil
	}
	relation := func(text string) rpmpack.Relations {
		var list rpmpack.Relations
		if err := list.Set(text); err != nil {
			t.Fatal(err)
		}
		return list
	}
	file := func(text string) func(*rpmpack.RPM) {
		return func(r *rpmpack.RPM) {
			r.AddFile(rpmpack.RPMFile{Name: "/usr/share/greeting", Body: []byte(text), Mode: 0o644})
		}
	}
	files := map[string][]byte{}
	for _, pkg := range []struct {
		meta rpmpack.RPMMetaData
		edit func(*rpmpack.RPM)
	}{
		{rpmpack.RPMMetaData{Name: "good"}, nil},
		{rpmpack.RPMMetaData{Name: "broken", Requires: relation("libnowhere.so.1()(64bit)")}, nil},
		{rpmpack.RPMMetaData{Name: "conflict-a"}, nil},
		{rpmpack.RPMMetaData{Name: "conflict-b", Conflicts: relation("conflict-a")}, nil},
		{rpmpack.RPMMetaData{Name: "scriptlet"}, func(r *rpmpack.RPM) { r.AddPrein("echo no >&2; exit 1") }},
		{rpmpack.RPMMetaData{Name: "file-a"}, file("hello")},
		{rpmpack.RPMMetaData{Name: "file-b"}, file("good morning")},
	} {
		pkg.meta.Version, pkg.meta.Release, pkg.meta.Arch = "1", "1", "noarch"
		files[pkg.meta.Name+"-1-1.noarch.rpm"] = rpmtest.Pack(t, pkg.meta, pkg.edit)
	}
	repo := repository(t, "f37-build", files)
	if !strings.HasPrefix(name, "repo-") {
		return []builders.Repo{repo}
	}
	server := httptest.NewUnstartedServer(nil)
	server.Config.Handler = misbehave(name, server, strings.TrimPrefix(repo.URL, "file://"))
	server.Start()
	t.Cleanup(server.Close)
	repo.URL = server.URL
	return []builders.Repo{repo}
}

// misbehave serves a directory, to the driver as it is and to dnf in a way of
// its own.
func misbehave(name string, server *httptest.Server, dir string) http.Handler {
	files := http.FileServer(http.Dir(dir))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.UserAgent(), "libdnf") {
			if name == "repo-refused" {
				server.Listener.Close()
			}
			files.ServeHTTP(w, r)
			return
		}
		metadata, pkg := strings.Contains(r.URL.Path, "primary"), strings.HasSuffix(r.URL.Path, ".rpm")
		switch {
		case name == "repo-metadata-digest" && metadata, name == "repo-package-digest" && pkg:
			text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(r.URL.Path)))
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			text[len(text)/2] ^= 1
			_, _ = w.Write(text)
		case name == "repo-metadata-missing" && metadata, name == "repo-package-missing" && pkg:
			http.NotFound(w, r)
		default:
			files.ServeHTTP(w, r)
		}
	})
}

func TestAFullDiskIsTheBuildersFault(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	recipe := b.order(t, smallGroup).Root
	repos, _, err := b.driver.readRepos(t.Context(), recipe)
	if err != nil {
		t.Fatal(err)
	}
	install := dnf{
		repos: repos, log: t.Output(), budget: b.driver.newBudget("the build", t.TempDir()),
		root: sandbox.Mount{Type: sandbox.TypeTmpfs, Tmpfs: 16 << 20, Target: installRoot},
	}
	failure := failureOf(t, install.run(t.Context(), "install", "bash"))
	if want := "no space left on the builder's disk while the buildroot was installed"; failure.Reason != want || !failure.Infrastructure {
		t.Errorf("failure %+v, want infrastructure's: %s", failure, want)
	}
}
