package forgetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/forge"
)

var sampleAnnotation = forge.Annotation{
	Path: "hello.spec", Line: 9, Level: forge.LevelFailure, Title: "hello", Message: "nothing provides greet >= 3",
}

// sampleFailure is a status with all there can be.
func sampleFailure() forge.Status {
	status := sampleStatus
	status.State, status.Description, status.Run = forge.StateFailure, "nothing provides greet >= 3", "build/1"
	status.Detail = &forge.Detail{
		Summary:     "Phase: buildroot\n\n```\nNo matching package to install: 'greet >= 3'\n```\n",
		Annotations: []forge.Annotation{sampleAnnotation, {Path: "a/b.patch", Line: 1, Level: forge.LevelNotice, Message: "this\nis\ttext"}},
	}
	return status
}

// exerciseDetails is about what a status says besides its line. A driver that
// shows it, as its ShowsDetails tells, shows all of it; any other sends the
// status alone.
func exerciseDetails(t *testing.T, setup func(t *testing.T) Fixture) {
	t.Parallel()
	for name, change := range map[string]func(*forge.Detail){
		"as it is":      func(*forge.Detail) {},
		"of a line":     func(d *forge.Detail) { d.Summary, d.Annotations = "no `lines`", nil },
		"of annotation": func(d *forge.Detail) { d.Annotations = slices.Repeat(d.Annotations, forge.MaxAnnotations/2) },
	} {
		t.Run("a detail is shown where it can be, "+name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			status := sampleFailure()
			change(status.Detail)
			sendDetail(t, f, status)
			if !f.Forge.ShowsDetails() {
				return
			}
			run, _ := f.Server.Shown(f.Event.Repository.FullName, commitA, status.Context)
			if diff := cmp.Diff(*status.Detail, forge.Detail{Summary: run.Summary, Annotations: run.Annotations}); diff != "" {
				t.Errorf("what is shown (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("texts are cut where they are too long", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		status := sampleFailure()
		status.Detail.Summary = "\x00\x1b[31m\xff" + strings.Repeat("`é✓😀` is code\n", 10000)
		status.Detail.Annotations[0].Title = strings.Repeat("é✓😀\n", 300)
		status.Detail.Annotations[0].Message = "\x00\xff" + strings.Repeat("é✓😀\n", 20000)
		sendDetail(t, f, status)
		if !f.Forge.ShowsDetails() {
			return
		}
		run, _ := f.Server.Shown(f.Event.Repository.FullName, commitA, status.Context)
		summary, whole := strings.CutSuffix(run.Summary, "is code\n…")
		if n := len(run.Summary); n > forge.MaxSummary || n < forge.MaxSummary-100 || !whole || !strings.HasPrefix(summary, "\uFFFD`é") {
			t.Errorf("the summary is %d bytes: %.20q…%q", n, run.Summary, run.Summary[max(0, n-20):])
		}
		a := run.Annotations[0]
		if n := utf8.RuneCountInString(a.Title); n != forge.MaxAnnotationTitle || len(a.Message) > forge.MaxAnnotationMessage || len(a.Message) < forge.MaxAnnotationMessage-10 {
			t.Errorf("the annotation's title has %d characters, its message %d bytes", n, len(a.Message))
		}
	})
	t.Run("the same again is shown once", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		for range 3 {
			sendDetail(t, f, sampleFailure())
		}
		exactlyOne(t, f, sampleFailure())
	})
	t.Run("what the next run says replaces it", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		sendDetail(t, f, sampleFailure())
		again := sampleStatus
		again.Run, again.Finer = "build/2", forge.FinerQueued
		sendDetail(t, f, again)
		again.Finer, again.State = "", forge.StateSuccess
		sendDetail(t, f, again)
		if !f.Forge.ShowsDetails() {
			return
		}
		run, _ := f.Server.Shown(f.Event.Repository.FullName, commitA, again.Context)
		if run.Conclusion != "success" || len(run.Annotations) > 0 || strings.Contains(run.Summary, "greet") {
			t.Errorf("what is shown is %+v", run)
		}
	})
	t.Run("finer states are states", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		var want []forge.Status
		for i, status := range []forge.Status{
			{State: forge.StatePending, Finer: forge.FinerQueued},
			{State: forge.StateSuccess, Finer: forge.FinerSkipped},
			{State: forge.StateSuccess, Finer: forge.FinerNeutral},
			{State: forge.StateError, Finer: forge.FinerCanceled},
		} {
			status.Context, status.Description, status.TargetURL = fmt.Sprint("distbot/f37/", i), "x", sampleStatus.TargetURL
			sendDetail(t, f, status)
			status.Finer = ""
			want = append(want, status)
		}
		if diff := cmp.Diff(want, f.Server.Posted(f.Event.Repository.FullName, commitA)); diff != "" {
			t.Errorf("statuses at the forge (-want +got):\n%s", diff)
		}
	})
}

// sendDetail sends a status, and wants its line to arrive.
func sendDetail(t *testing.T, f Fixture, status forge.Status) {
	t.Helper()
	server, repo := f.Server, f.Event.Repository
	if !server.knows(repo.FullName, commitA) {
		server.AddCommit(repo.FullName, commitA)
	}
	if err := f.Forge.SetStatus(t.Context(), repo, commitA, status); err != nil {
		t.Fatalf("SetStatus = %v", err)
	}
	posted := server.Posted(repo.FullName, commitA)
	if len(posted) == 0 || !posted[len(posted)-1].Same(f.arrives([]forge.Status{status})[0]) {
		t.Fatalf("statuses at the forge %+v, want the last to be %+v", posted, status)
	}
}

// exactlyOne wants a context to be shown once at a forge that shows details.
func exactlyOne(t *testing.T, f Fixture, status forge.Status) {
	t.Helper()
	if !f.Forge.ShowsDetails() {
		return
	}
	runs := f.Server.CheckRuns(f.Event.Repository.FullName, commitA)
	if len(runs) != 1 || len(runs[0].Annotations) != len(status.Detail.Annotations) {
		t.Errorf("check runs %+v, want one with %d annotations", runs, len(status.Detail.Annotations))
	}
}

// knows reports whether a commit was added.
func (s *Server) knows(fullName, commit string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.repos[fullName][commit]
	return known
}
