package builders_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// detail is what the status of a part of commit n says besides its line.
func (in *installation) detail(tb testing.TB, n int, part string) (finer string, detail *queue.Detail) {
	tb.Helper()
	const of = " from reports where commit_id = $1 and context = $2"
	finer = queuetest.Value[string](tb, in.Pool, "select finer"+of, queuetest.Commit(n), queue.ContextOf(in.Target, part))
	text := queuetest.Value[string](tb, in.Pool, "select coalesce(detail::text, '')"+of, queuetest.Commit(n), queue.ContextOf(in.Target, part))
	if text == "" {
		return finer, nil
	}
	if err := json.Unmarshal([]byte(text), &detail); err != nil {
		tb.Fatal(err)
	}
	return finer, detail
}

// missing is a failure with a finding that names a line of the spec.
func missing() *builders.Failure {
	return builders.Diagnosed(diagnosis.Finding{
		Phase: diagnosis.PhaseBuildroot, Kind: diagnosis.KindMissingRequires, Reason: "nothing provides pkgconfig(greet) >= 3", LogFile: "root.log", Line: 2,
		Excerpt: []string{"No matching package to install: 'pkgconfig(greet) >= 3'"}, SpecLine: 9,
		Missing: []diagnosis.Requirement{{Text: "pkgconfig(greet) >= 3", Nearest: []string{"pkgconfig(greet) 1.2 is there, >= 3 is needed"}}},
	}, diagnosis.Exit{Code: 1})
}

// TestWhatAStatusTellsOfAFailure compares what forges are told with the finding.
func TestWhatAStatusTellsOfAFailure(t *testing.T) {
	t.Parallel()

	t.Run("the spec's line, the first error, what is missing and the log's end", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.work(t)
		build := in.build(t, 1, script{build: func(_ context.Context, order builders.Order, _ string) (builders.Outcome, error) {
			var log strings.Builder
			for i := range 30 {
				fmt.Fprintf(&log, "line %d\n", i)
			}
			return builders.Outcome{}, errors.Join(os.WriteFile(filepath.Join(order.LogDir, "root.log"), []byte(log.String()), 0o644), missing())
		}})
		in.failed(t, build, "x86_64: nothing provides pkgconfig(greet) >= 3")
		_, got := in.detail(t, 1, "x86_64")
		task := queuetest.Task(t, in.Pool, build, queue.MethodBuildArch, "x86_64").ID
		end := make([]string, 20)
		for i := range end {
			end[i] = fmt.Sprint("line ", i+10)
		}
		link := fmt.Sprintf("%s/tasks/%d/logs/root.log?attempt=1", queuetest.ExternalURL, task)
		want := &queue.Detail{
			Summary: "**x86_64** failed in phase `buildroot`: `nothing provides pkgconfig(greet) >= 3`\n\nLine 9 of `hello.spec`.\n\n" +
				"The first error, in [root.log, line 2](" + link + "&line=2#line):\n\n```text\nNo matching package to install: 'pkgconfig(greet) >= 3'\n```\n" +
				"\nMissing:\n\n- `pkgconfig(greet) >= 3`\n  - nearest: `pkgconfig(greet) 1.2 is there, >= 3 is needed`\n" +
				"\nThe end of [root.log](" + link + "):\n\n```text\n" + strings.Join(end, "\n") + "\n```\n",
			Annotations: []queue.Annotation{{
				Path: "hello.spec", Line: 9, Level: queue.LevelFailure, Title: "x86_64: missing requires",
				Message: "nothing provides pkgconfig(greet) >= 3\npkgconfig(greet) 1.2 is there, >= 3 is needed\nNo matching package to install: 'pkgconfig(greet) >= 3'",
			}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the architecture's status (-want +got):\n%s", diff)
		}
		if _, whole := in.detail(t, 1, ""); whole == nil || whole.Summary != want.Summary || len(whole.Annotations) > 0 {
			t.Errorf("the build's status says %+v, want the same without a note on the line", whole)
		}
	})

	t.Run("and nothing once a retry succeeds", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.work(t)
		in.failed(t, in.build(t, 1, script{build: fail(missing())}), "nothing provides")
		if _, got := in.detail(t, 1, "x86_64"); got == nil || len(got.Annotations) != 1 {
			t.Fatalf("the first build's status says %+v", got)
		}
		in.complete(t, in.build(t, 1, script{}))
		for _, part := range []string{"", "srpm", "x86_64"} {
			if finer, got := in.detail(t, 1, part); got != nil || finer != "" {
				t.Errorf("the status of %q still says %q, %+v", part, finer, got)
			}
		}
	})

	t.Run("as a warning of an architecture that nobody waits for", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64", "riscv64")
		in.target(t, policies{bestEffort: []string{"riscv64"}})
		in.work(t)
		all := leaveByArch(in.packagesOf(t, 1))
		in.complete(t, in.build(t, 1, script{build: all.on("riscv64", fail(missing()))}))
		in.idle(t)
		finer, got := in.detail(t, 1, "riscv64")
		if finer != queue.FinerNeutral || got == nil || len(got.Annotations) != 1 || got.Annotations[0].Level != queue.LevelWarning {
			t.Errorf("the status is %q and says %+v, want neutral and a warning", finer, got)
		}
		if _, got := in.detail(t, 1, ""); got != nil {
			t.Errorf("the build's own status says %+v", got)
		}
	})

	t.Run("and no line where the host is to blame", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.work(t)
		failure := missing()
		failure.Infrastructure = true
		build := in.build(t, 1, script{build: fail(failure)})
		in.failed(t, build, "nothing provides")
		if _, got := in.detail(t, 1, "x86_64"); got == nil || len(got.Annotations) > 0 || !strings.Contains(got.Summary, "not the package's fault") {
			t.Errorf("the status says %+v", got)
		}
	})

	t.Run("after a state that says how far it is", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64", "riscv64")
		in.Start(t, in.NewBuild(2))
		if finer, _ := in.detail(t, 2, ""); finer != queue.FinerQueued {
			t.Errorf("a new build's status is %q, want queued", finer)
		}
		gate := newGate(fail(missing()))
		build := in.build(t, 1, script{build: gate.pass})
		in.work(t)
		<-gate.began
		if finer, _ := in.detail(t, 1, ""); finer != "" {
			t.Errorf("the status of a build that is at work is %q", finer)
		}
		close(gate.open)
		in.ended(t, build)
	})
}
