package mock

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/builders/drivertest"
	"github.com/distbot/distbot/internal/sandbox"
)

// told is what mock's files say when it ends.
type told struct{ state, root, build, own string }

// TestExitCodes reads what mock 6.7 left, shortened.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	const (
		inited  = "Start: run\nStart: chroot init\nFinish: chroot init\n"
		setup   = inited + "Start: build phase for in.src.rpm\nStart: build setup for in.src.rpm\n"
		running = setup + "Finish: build setup for in.src.rpm\nStart: rpmbuild in.src.rpm\nFinish: rpmbuild in.src.rpm\n"
		made    = "Executing command: ['bash', '--login', '-c', '/usr/bin/rpmbuild -bs']\nChild return code was: 0\n"
		dnf     = "Executing command: ['/usr/bin/dnf-3', '--installroot', 'R', 'builddep', 'x']\n"
		undo    = "Executing command: ['/bin/umount', '-n', 'R/proc']\nChild return code was: 0\n"
	)
	for _, test := range []struct {
		name string
		code int
		told told
		want builders.Failure
	}{
		{
			"%build fails", 1,
			told{running, "", made + "Executing(%build): /bin/bash -e x\n+ make\nmake: *** No rule to make target 'all'.  Stop.\nerror: Bad exit status from x (%build)\nChild return code was: 1\n", ""},
			builders.Failure{Phase: builders.PhaseBuild, Reason: "%build: make: *** No rule to make target 'all'. Stop."},
		},
		{
			"%build fails, by another code", 10,
			told{running, "", made + "Executing(%build): /bin/bash -e x\n+ false\nerror: Bad exit status from x (%build)\nChild return code was: 1\n", ""},
			builders.Failure{Phase: builders.PhaseBuild, Reason: "%build: failed: false"},
		},
		{
			"A build that says it succeeded", 1,
			told{running, "", made + "Executing(%build): /bin/bash -e x\n+ ./generate\nChild return code was: 0\nerror: Bad exit status from x (%build)\nChild return code was: 1\n", ""},
			builders.Failure{Phase: builders.PhaseBuild, Reason: "%build: failed: ./generate"},
		},
		{
			"rpmbuild is killed", 1,
			told{running, "", made + "Executing(%build): /bin/bash -e x\nChild return code was: -9\n", ""},
			builders.Failure{Phase: builders.PhaseBuild, Reason: "%build: rpmbuild was ended by signal 9 (killed)"},
		},
		{
			"Another architecture", 1,
			told{setup, "", "error: Architecture is not included: x86_64\nBuilding target platforms: x86_64\nChild return code was: 1\n", ""},
			builders.Failure{Phase: builders.PhasePrep, Reason: "Architecture is not included: x86_64"},
		},
		{
			"Not a source package", 1,
			told{"", "", "", "mock.py version 6.7 starting\nCannot find/open srpm: /x/in.src.rpm. Error: error reading package header\n"},
			builders.Failure{Phase: builders.PhasePrep, Reason: "the source package can't be unpacked: error reading package header"},
		},
		{
			"Half a source package", 40,
			told{setup, "", "", "Source RPM is not installable:\nwarning: x\nerror: unpacking of archive failed\n"},
			builders.Failure{Phase: builders.PhasePrep, Reason: "the source package can't be unpacked: unpacking of archive failed"},
		},
		{
			"mock itself fails", 1,
			told{inited, "", "", "Traceback (most recent call last):\n  File x\nRuntimeError: no luck\n"},
			builders.Failure{Phase: builders.PhaseBuildroot, Infrastructure: true, Reason: "mock: RuntimeError: no luck"},
		},
		{
			"mock fails after a build", 1,
			told{running, "", made + "Executing(%build): /bin/bash -e x\nChild return code was: 0\n", "OSError: [Errno 5] Input/output error: 'x'\n"},
			builders.Failure{Phase: builders.PhaseBuild, Infrastructure: true, Reason: "mock: OSError: [Errno 5] Input/output error: 'x'"},
		},
		{
			"A requirement is missing", 30,
			told{setup, dnf + "No matching package to install: 'nosuchthing'\nNot all dependencies satisfied\nError: Some packages could not be found.\nChild return code was: 1\n" + undo, made, "Command failed:\n"},
			builders.Failure{Phase: builders.PhaseBuildroot, Reason: "nothing provides nosuchthing"},
		},
		{
			"A repository is gone", 30,
			told{setup, "No matching package to install: 'of another run'\n" + dnf + "Errors during downloading metadata for repository 'base':\n  - Status code: 502 for http://127.0.0.1:1/0/repodata/repomd.xml (IP: 127.0.0.1)\nError: Failed to download metadata for repo 'base'\nChild return code was: 1\n" + undo, made, ""},
			builders.Failure{Phase: builders.PhaseBuildroot, Infrastructure: true, Reason: "repository base can't be downloaded: Status code: 502 for http://127.0.0.1:1/0/repodata/repomd.xml (IP: 127.0.0.1)"},
		},
		{
			"rpmbuild takes too long", 11,
			told{running, "", made + "Executing(%check): /bin/bash -e x\n", "commandTimeoutExpired: Timeout(60) expired for command:\n"},
			builders.Failure{Phase: builders.PhaseCheck, Reason: "the build ran longer than 1m0s and was ended"},
		},
		{
			"The root can't be made", 20,
			told{inited, "", "", "Could not find useradd in chroot, maybe the install failed?\n"},
			builders.Failure{Phase: builders.PhaseBuildroot, Infrastructure: true, Reason: "mock: the buildroot can't be made: Could not find useradd in chroot, maybe the install failed?"},
		},
		{
			"The root is locked", 60,
			told{"", "", "", "Build root is locked by another process.\n"},
			builders.Failure{Phase: builders.PhaseBuildroot, Infrastructure: true, Reason: "mock: another process uses the buildroot: Build root is locked by another process."},
		},
		{
			"The results can't be written", 70,
			told{"", "", "", "Could not create output directory for logs: x.\n"},
			builders.Failure{Phase: builders.PhaseBuildroot, Infrastructure: true, Reason: "mock: the results can't be written: Could not create output directory for logs: x."},
		},
		{
			"The configuration is none", 3,
			told{"", "", "", "Could not find required config file: x\n"},
			builders.Failure{Phase: builders.PhaseBuildroot, Infrastructure: true, Reason: "mock: exit code 3: Could not find required config file: x"},
		},
		{
			"mock is killed", 137,
			told{running, "", made, ""},
			builders.Failure{Phase: builders.PhasePrep, Infrastructure: true, Reason: "mock: exit code 137: it says nothing"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := drivertest.FailureOf(t, read(t, test.told).explain(diagnosis.Exit{Code: test.code}, test.told.own))
			if got.Reason != test.want.Reason || got.Phase != test.want.Phase || got.Infrastructure != test.want.Infrastructure {
				t.Errorf("failure (-want +got)\n%s", cmp.Diff(test.want.Reason, got.Reason)+string(got.Phase))
			}
		})
	}
}

// read makes a run that has read mock's logs.
func read(t *testing.T, told told) *run {
	t.Helper()
	r := &run{
		job: &job{
			driver: &Driver{config: Config{Limits: sandbox.Limits{Memory: 1 << 30}}}, dir: t.TempDir(), order: builders.Order{LogDir: t.TempDir()},
		},
		task: &buildTask{}, wall: time.Minute,
		progress: progress{enter: func(builders.Phase) {}, rooted: func() {}, started: map[string]bool{}},
	}
	r.build = newBuildLog(io.Discard, r.task, nil)
	if err := os.WriteFile(filepath.Join(r.job.order.LogDir, "root.log"), []byte(told.root), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, log := range []struct {
		to   io.Writer
		text string
	}{
		{&lines{read: r.progress.readState}, strings.ReplaceAll("\n"+told.state, "\n", "\n2026-11-20 16:54:42,447 - ")},
		{io.MultiWriter(r.build, &lines{read: r.progress.readBuild}), told.build},
	} {
		if _, err := io.WriteString(log.to, log.text); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func TestConfigIsNamedByWhatItMakes(t *testing.T) {
	t.Parallel()
	d := &Driver{config: Config{Dir: "/state/mock"}, manager: "dnf4"}
	recipe := builders.Recipe{Tag: "f37 build/é", Arch: "x86_64", Install: []string{"bash"}, Macros: map[string]string{"dist": ".fc37"}}
	first := d.newRootConfig(recipe, "key")
	recipe.Macros = map[string]string{"dist": ".fc38"}
	if same := d.newRootConfig(recipe, "key"); same != first {
		t.Error("macros of the build make another root")
	}
	if other := d.newRootConfig(recipe, "other"); other.root == first.root {
		t.Error("the same root for another content")
	}
	recipe.Install = append(recipe.Install, "gcc")
	if other := d.newRootConfig(recipe, "key"); other.root == first.root {
		t.Error("the same root for other packages")
	}
	if !strings.HasPrefix(first.root, "f37_build_-x86_64-") || filepath.Base(first.root) != first.root {
		t.Errorf("root %q, want the tag's name in a file name", first.root)
	}
	// The text is a program: what a tag says must stay in its strings.
	recipe.Install = []string{"x'\"\\\nimport os"}
	for line := range strings.Lines(d.newRootConfig(recipe, "key").text) {
		if !strings.HasPrefix(line, "config_opts[") {
			t.Errorf("line %q", line)
		}
	}
	recipe.Install = []string{"{{ config_opts }}"}
	if err := checkMarkup(recipe); err == nil {
		t.Error("a template is not refused")
	}
}

// TestOptionsAreNoPackages: mock would pass them on to dnf.
func TestOptionsAreNoPackages(t *testing.T) {
	t.Parallel()
	d := &Driver{config: Config{Dir: t.TempDir(), Log: 1 << 20}}
	for _, name := range []string{"--nogpgcheck", "bash --setopt=tsflags=nothing", "'--nobest'"} {
		_, err := d.SRPM(t.Context(), builders.SRPMOrder{Order: drivertest.Order(t, []string{"bash", name}), Spec: "x.spec"})
		if failure := drivertest.FailureOf(t, err); failure.Infrastructure || failure.Phase != builders.PhaseBuildroot || !strings.HasSuffix(failure.Reason, "is no name of a package") {
			t.Errorf("%q: %+v, want that it is no package", name, failure)
		}
	}
}
