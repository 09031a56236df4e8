package rootfs

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/sandbox"
)

func TestWatcherReadsPhasesFromPieces(t *testing.T) {
	t.Parallel()
	log := string(must(os.ReadFile("testdata/failures/compiler/recorded.log"))(t))
	var out strings.Builder
	var phases []builders.Phase
	w := newWatcher(&out, func(phase builders.Phase) { phases = append(phases, phase) })
	for i := range log {
		if n, err := w.Write([]byte(log[i : i+1])); n != 1 || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
	}
	if diff := cmp.Diff([]builders.Phase{builders.PhasePrep, builders.PhaseBuild}, phases); diff != "" {
		t.Errorf("phases (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(log, out.String()); diff != "" {
		t.Errorf("log (-want +got)\n%s", diff)
	}
	if got := w.failure(builders.PhasePrep, sandbox.Result{ExitCode: 1}); !strings.Contains(got.Reason, "'greeting' undeclared") {
		t.Errorf("reason %q", got.Reason)
	}
}

func TestWatcherIsNotLedInCircles(t *testing.T) {
	t.Parallel()
	var phases []builders.Phase
	w := newWatcher(io.Discard, func(phase builders.Phase) { phases = append(phases, phase) })
	for range 100 {
		for _, script := range []string{"%build", "%prep", "%install", "%nonsense"} {
			if _, err := io.WriteString(w, "Executing("+script+"): /bin/bash\n"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff([]builders.Phase{builders.PhaseBuild, builders.PhaseInstall}, phases); diff != "" {
		t.Errorf("phases (-want +got)\n%s", diff)
	}
}

func TestWatcherWithoutAnyReason(t *testing.T) {
	t.Parallel()
	w := newWatcher(io.Discard, nil)
	got := w.failure(builders.PhasePrep, sandbox.Result{ExitCode: 3})
	if got.Phase != builders.PhasePrep || got.Reason != "rpmbuild ended with exit code 3" {
		t.Errorf("failure %+v", got)
	}
}

// FuzzReasons feeds what a hostile build can print to what reads it.
func FuzzReasons(f *testing.F) {
	logs, err := filepath.Glob("testdata/failures/*/recorded.log")
	if err != nil || len(logs) == 0 {
		f.Fatalf("no logs: %v", err)
	}
	for _, name := range logs {
		f.Add(string(must(os.ReadFile(name))(f)))
	}
	f.Fuzz(func(t *testing.T, log string) {
		w := newWatcher(io.Discard, nil)
		if _, err := io.WriteString(w, log); err != nil {
			t.Fatal(err)
		}
		for _, failure := range []*builders.Failure{w.failure(builders.PhasePrep, sandbox.Result{ExitCode: 1}), dnfFailure(log)} {
			reason := failure.Reason
			if reason == "" || failure.Phase == "" || !utf8.ValidString(reason) || strings.ContainsAny(reason, "\n\r\t\x00\x1b") || utf8.RuneCountInString(reason) > maxReason {
				t.Errorf("failure %+v", failure)
			}
		}
	})
}
