package diagnosis_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders/diagnosis"
)

// buildLog is the text of an entry's build.log.
func buildLog(t testing.TB, name string) string {
	t.Helper()
	log, err := entry{name: name}.log("build.log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	text, err := io.ReadAll(log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestALogIsReadInPieces(t *testing.T) {
	t.Parallel()
	text := buildLog(t, "compiler")
	var out strings.Builder
	var phases []diagnosis.Phase
	log := diagnosis.NewLog("build.log", &out, func(phase diagnosis.Phase) { phases = append(phases, phase) })
	for i := range text {
		if n, err := log.Write([]byte(text[i : i+1])); n != 1 || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
	}
	if diff := cmp.Diff([]diagnosis.Phase{diagnosis.PhasePrep, diagnosis.PhaseBuild}, phases); diff != "" {
		t.Errorf("phases (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(text, out.String()); diff != "" {
		t.Errorf("log (-want +got)\n%s", diff)
	}
	got := log.Finding(diagnosis.Exit{Code: 1})
	if !strings.Contains(got.Reason, "'greeting' undeclared") {
		t.Errorf("reason %q", got.Reason)
	}
	whole, err := diagnosis.Read("build.log", diagnosis.StepBuild, strings.NewReader(text), diagnosis.Exit{Code: 1})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(whole, got); diff != "" {
		t.Errorf("findings of the whole and of pieces (-whole +pieces)\n%s", diff)
	}
}

func TestPhasesDoNotGoInCircles(t *testing.T) {
	t.Parallel()
	var phases []diagnosis.Phase
	log := diagnosis.NewLog("build.log", io.Discard, func(phase diagnosis.Phase) { phases = append(phases, phase) })
	for range 100 {
		for _, script := range []string{"%build", "%prep", "%install", "%nonsense"} {
			if _, err := io.WriteString(log, "Executing("+script+"): /bin/bash\n"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff([]diagnosis.Phase{diagnosis.PhaseBuild, diagnosis.PhaseInstall}, phases); diff != "" {
		t.Errorf("phases (-want +got)\n%s", diff)
	}
}

// TestLinesAreCountedThroughTheSteps writes two runs of rpmbuild to one log, as
// a spec that asks for more requirements does.
func TestLinesAreCountedThroughTheSteps(t *testing.T) {
	t.Parallel()
	text := buildLog(t, "header")
	log := diagnosis.NewLog("build.log", io.Discard, nil)
	first := read(t, log, text)
	second := read(t, log, text)
	if lines := strings.Count(text, "\n"); first.Line == 0 || second.Line != first.Line+lines {
		t.Errorf("lines %d and %d of two logs of %d lines each", first.Line, second.Line, lines)
	}
	first.Line = second.Line
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("findings (-first +second)\n%s", diff)
	}
}

// read writes a text as a step and returns its finding.
func read(t *testing.T, log *diagnosis.Log, text string) diagnosis.Finding {
	t.Helper()
	log.Begin(diagnosis.StepBuild)
	if _, err := io.WriteString(log, text); err != nil {
		t.Fatal(err)
	}
	return log.Finding(diagnosis.Exit{Code: 1})
}

func TestLogsWithoutAnyReason(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, log string
		ended     diagnosis.Exit
		want      diagnosis.Finding
	}{
		{
			"An empty one tells the exit code", "",
			diagnosis.Exit{Step: diagnosis.StepBuild, Code: 3},
			diagnosis.Finding{Phase: diagnosis.PhasePrep, Kind: diagnosis.KindCommandFailed, Reason: "rpmbuild ended with exit code 3"},
		},
		{
			"An empty one of dnf refers to itself", "",
			diagnosis.Exit{Step: diagnosis.StepRequires, Code: 1},
			diagnosis.Finding{Phase: diagnosis.PhaseBuildroot, Kind: diagnosis.KindBuildroot, Reason: "the buildroot could not be installed: see the log"},
		},
		{
			"A checkout's last line is the error",
			"fetching kernel.tar.xz\ndistgit: fetch source kernel.tar.xz of kernel: source not found in the lookaside\n",
			diagnosis.Exit{Step: diagnosis.StepSources, Code: 1},
			diagnosis.Finding{
				Phase: diagnosis.PhaseSources, Kind: diagnosis.KindMissingSource, Object: "kernel.tar.xz", LogFile: "build.log", Line: 2,
				Reason:  "distgit: fetch source kernel.tar.xz of kernel: source not found in the lookaside",
				Excerpt: []string{"distgit: fetch source kernel.tar.xz of kernel: source not found in the lookaside"},
			},
		},
		{
			"A checkout may be worth another try", "distgit: lookaside: no route to host\n",
			diagnosis.Exit{Step: diagnosis.StepSources, Temporary: true},
			diagnosis.Finding{
				Phase: diagnosis.PhaseSources, Kind: diagnosis.KindRepository, Infrastructure: true, LogFile: "build.log", Line: 1,
				Reason: "distgit: lookaside: no route to host", Excerpt: []string{"distgit: lookaside: no route to host"},
			},
		},
		{
			"A signal is told", "",
			diagnosis.Exit{Step: diagnosis.StepSRPM, Code: 137, Signal: 9},
			diagnosis.Finding{Phase: diagnosis.PhaseSRPM, Kind: diagnosis.KindKilled, Reason: "rpmbuild was ended by signal 9 (killed)"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := diagnosis.Read("build.log", test.ended.Step, strings.NewReader(test.log), test.ended)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("finding (-want +got)\n%s", diff)
			}
		})
	}
}

// TestABuildCannotBlameTheInfrastructure prints what dnf says of a repository
// that is down where a package can print it.
func TestABuildCannotBlameTheInfrastructure(t *testing.T) {
	t.Parallel()
	const down = "Errors during downloading metadata for repository 'base':\n  - Curl error (7): Couldn't connect to server\n" +
		"Error: Failed to download metadata for repo 'base'\nNo space left on device\nNo match for argument: nothing\n"
	for _, test := range []struct {
		name, log string
		step      diagnosis.Step
		kind      diagnosis.Kind
	}{
		{
			"In a script of the build", "Executing(%build): /bin/sh\n+ cat words\n" + down + "error: Bad exit status from /var/tmp/rpm-tmp.x (%build)\n",
			diagnosis.StepBuild, diagnosis.KindDiskFull,
		},
		{
			"In a scriptlet of a build requirement", "Running transaction\n  Running scriptlet: x-1-1.noarch 1/1\n" + down + "error: %prein(x-1-1.noarch) scriptlet failed, exit status 1\n",
			diagnosis.StepRequires, diagnosis.KindScriptlet,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := diagnosis.Read("log", test.step, strings.NewReader(test.log), diagnosis.Exit{Code: 1})
			if err != nil {
				t.Fatal(err)
			}
			if got.Infrastructure || got.Kind != test.kind || len(got.Missing) > 0 {
				t.Errorf("finding %+v, want the package's, %s", got, test.kind)
			}
		})
	}
}

// TestTheBuilddepPluginIsMissing reads dnf 4.14's words.
func TestTheBuilddepPluginIsMissing(t *testing.T) {
	t.Parallel()
	const log = "No such command: builddep. Please use /usr/bin/dnf --help\nIt could be a DNF plugin command, try: \"dnf install 'dnf-command(builddep)'\"\n"
	got, err := diagnosis.Read("root.log", diagnosis.StepRequires, strings.NewReader(log), diagnosis.Exit{Code: 1})
	if err != nil {
		t.Fatal(err)
	}
	if !got.Infrastructure || got.Line != 1 || !strings.Contains(got.Reason, "run scripts/setup") {
		t.Errorf("finding %+v, want advice for the operator", got)
	}
}

// TestMockPutsItsOwnWordsBeforeOthers reads lines as mock 6 writes them.
func TestMockPutsItsOwnWordsBeforeOthers(t *testing.T) {
	t.Parallel()
	const root = "INFO buildroot.py:500:  calling preinit hooks\n" +
		"DEBUG util.py:446:  No matching package to install: 'pkgconfig(greet) >= 1.2'\nDEBUG util.py:446:  Not all dependencies satisfied\n"
	got, err := diagnosis.Read("root.log", diagnosis.StepRequires, strings.NewReader(root), diagnosis.Exit{Code: 30})
	if err != nil {
		t.Fatal(err)
	}
	want := []diagnosis.Requirement{{Text: "pkgconfig(greet) >= 1.2"}}
	if diff := cmp.Diff(want, got.Missing); diff != "" || got.Line != 2 {
		t.Errorf("line %d, missing (-want +got)\n%s", got.Line, diff)
	}
	const build = "Mock Version: 6.7\nENTER ['do_with_status'](['bash', '--login', '-c', '/usr/bin/rpmbuild -bs x.spec'])\n" +
		"Executing command: ['bash', '--login', '-c', '/usr/bin/rpmbuild -bs --noclean x.spec'] with env {}\nWrote: x.src.rpm\n" +
		"Executing command: ['bash', '--login', '-c', '/usr/bin/rpmbuild -bb --noclean x.spec'] with env {}\n" +
		"Executing(%check): /bin/sh -e /var/tmp/rpm-tmp.x\n+ make check\nFAIL: greet\nerror: Bad exit status from /var/tmp/rpm-tmp.x (%check)\n"
	got, err = diagnosis.Read("build.log", diagnosis.StepSRPM, strings.NewReader(build), diagnosis.Exit{Code: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got.Phase != diagnosis.PhaseCheck || got.Line != 8 {
		t.Errorf("finding %+v, want line 8 in phase check", got)
	}
}

// nearby is a providers' answer.
type nearby map[string][]string

var errNoRepository = errors.New("no repository")

// Nearest implements diagnosis.Providers.
func (n nearby) Nearest(_ context.Context, requirement string) ([]string, error) {
	found, ok := n[requirement]
	if !ok {
		return nil, errNoRepository
	}
	return found, nil
}

func TestNearestProviders(t *testing.T) {
	t.Parallel()
	f := diagnosis.Finding{Reason: "nothing provides greet-devel >= 2", Missing: []diagnosis.Requirement{{Text: "greet-devel >= 2"}}}
	if err := f.AddNearest(t.Context(), nearby{"greet-devel >= 2": {"greet-devel-1.2-1.fc37", "\x1b[31mgreet"}}); err != nil {
		t.Fatal(err)
	}
	want := diagnosis.Finding{
		Reason:  "nothing provides greet-devel >= 2: greet-devel-1.2-1.fc37",
		Missing: []diagnosis.Requirement{{Text: "greet-devel >= 2", Nearest: []string{"greet-devel-1.2-1.fc37", "[31mgreet"}}},
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("finding (-want +got)\n%s", diff)
	}
	if err := f.AddNearest(t.Context(), nearby{}); !errors.Is(err, errNoRepository) {
		t.Errorf("got %v, want %v", err, errNoRepository)
	}
}

// BenchmarkLog reads the output of a build that prints much.
func BenchmarkLog(b *testing.B) {
	text := []byte(strings.Repeat(buildLog(b, "meson-compile"), 200))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		log := diagnosis.NewLog("build.log", io.Discard, nil)
		if _, err := log.Write(text); err != nil {
			b.Fatal(err)
		}
		log.Finding(diagnosis.Exit{Code: 1})
	}
}
