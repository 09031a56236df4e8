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

var sampleStatus = forge.Status{
	Context: "distbot/f37/x86_64", State: forge.StatePending,
	Description: "queued", TargetURL: "https://distbot.example.org/builds/1",
}

// withServer returns the fixture's server with Event's repository at commitA.
func withServer(t *testing.T, f Fixture) (*Server, forge.Repository) {
	t.Helper()
	repo := f.Event.Repository
	f.Server.AddCommit(repo.FullName, commitA)
	return f.Server, repo
}

// exerciseNoServer is for a kind that has nowhere to put statuses.
func exerciseNoServer(t *testing.T, setup func(t *testing.T) Fixture) {
	t.Parallel()
	exerciseRefusals(t, setup)
	t.Run("a status is accepted and forgotten", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		status := sampleStatus
		status.Description = strings.Repeat("x", 1000)
		if err := f.Forge.SetStatus(t.Context(), f.Event.Repository, commitA, status); err != nil {
			t.Errorf("SetStatus = %v", err)
		}
		if got, err := f.Forge.Statuses(t.Context(), f.Event.Repository, commitA); err != nil || len(got) != 0 {
			t.Errorf("Statuses = %v, %v, want none", got, err)
		}
	})
}

func exerciseRefusals(t *testing.T, setup func(t *testing.T) Fixture) {
	t.Run("what no forge takes is refused before it is sent", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		type edit = func(repo *forge.Repository, commit *string, s *forge.Status)
		annotated := func(change func(*forge.Annotation)) edit {
			return func(_ *forge.Repository, _ *string, s *forge.Status) {
				a := sampleAnnotation
				change(&a)
				s.Detail = &forge.Detail{Annotations: []forge.Annotation{a}}
			}
		}
		for name, change := range map[string]edit{
			"an unknown state":         func(_ *forge.Repository, _ *string, s *forge.Status) { s.State = "running" },
			"no state":                 func(_ *forge.Repository, _ *string, s *forge.Status) { s.State = "" },
			"no context":               func(_ *forge.Repository, _ *string, s *forge.Status) { s.Context = "" },
			"a long context":           func(_ *forge.Repository, _ *string, s *forge.Status) { s.Context = strings.Repeat("x", 256) },
			"a line feed in context":   func(_ *forge.Repository, _ *string, s *forge.Status) { s.Context = "a\nb" },
			"a script as target":       func(_ *forge.Repository, _ *string, s *forge.Status) { s.TargetURL = "javascript:alert(1)" },
			"a path as target":         func(_ *forge.Repository, _ *string, s *forge.Status) { s.TargetURL = "/builds/1" },
			"a branch for a commit":    func(_ *forge.Repository, c *string, _ *forge.Status) { *c = "f37" },
			"a short commit":           func(_ *forge.Repository, c *string, _ *forge.Status) { *c = "abcdef1" },
			"a path for a commit":      func(_ *forge.Repository, c *string, _ *forge.Status) { *c = "../../" + commitA },
			"a path for a repository":  func(r *forge.Repository, _ *string, _ *forge.Status) { r.FullName = "../admin" },
			"a finer state of another": func(_ *forge.Repository, _ *string, s *forge.Status) { s.Finer = forge.FinerSkipped },
			"an unknown finer state":   func(_ *forge.Repository, _ *string, s *forge.Status) { s.Finer = "odd" },
			"a long run":               func(_ *forge.Repository, _ *string, s *forge.Status) { s.Run = strings.Repeat("x", 256) },
			"an annotation of nothing": annotated(func(a *forge.Annotation) { a.Path = "" }),
			"an annotation elsewhere":  annotated(func(a *forge.Annotation) { a.Path = "../hello.spec" }),
			"an annotation of a root":  annotated(func(a *forge.Annotation) { a.Path = "/etc/passwd" }),
			"an annotation of line 0":  annotated(func(a *forge.Annotation) { a.Line = 0 }),
			"an annotation of a level": annotated(func(a *forge.Annotation) { a.Level = "error" }),
			"an annotation of silence": annotated(func(a *forge.Annotation) { a.Message = "\x1b[0m\n" }),
			"too many annotations": func(_ *forge.Repository, _ *string, s *forge.Status) {
				s.Detail = &forge.Detail{Annotations: slices.Repeat([]forge.Annotation{sampleAnnotation}, forge.MaxAnnotations+1)}
			},
			"a query in a repository": func(r *forge.Repository, _ *string, _ *forge.Status) { r.FullName = "rpms/hello?x=1" },
		} {
			repo, commit, status := f.Event.Repository, commitA, sampleStatus
			change(&repo, &commit, &status)
			if err := f.Forge.SetStatus(t.Context(), repo, commit, status); err == nil {
				t.Errorf("SetStatus with %s = nil, want an error", name)
			}
		}
		if f.Server != nil && f.Server.Requests() > 0 {
			t.Errorf("%d requests were sent", f.Server.Requests())
		}
	})
}

func exerciseSetStatus(t *testing.T, setup func(t *testing.T) Fixture) {
	t.Parallel()
	exerciseRefusals(t, setup)
	t.Run("every state arrives as it is", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		var want []forge.Status
		withServer(t, f)
		for _, state := range []forge.State{forge.StatePending, forge.StateError, forge.StateFailure, forge.StateSuccess} {
			status := sampleStatus
			status.State = state
			want = append(want, status)
			if err := f.Forge.SetStatus(t.Context(), f.Event.Repository, commitA, status); err != nil {
				t.Errorf("SetStatus %s = %v", state, err)
			}
		}
		if diff := cmp.Diff(f.arrives(want), f.Server.Posted(f.Event.Repository.FullName, commitA)); diff != "" {
			t.Errorf("statuses at the forge (-want +got):\n%s", diff)
		}
	})
	t.Run("a description is one line of at most 140 characters", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		status := sampleStatus
		status.Description = "\x1b[31mfailed:\x1b[0m\n" + strings.Repeat("é✓😀", 60)
		server, repo := withServer(t, f)
		if err := f.Forge.SetStatus(t.Context(), repo, commitA, status); err != nil {
			t.Fatalf("SetStatus = %v", err)
		}
		got := server.Posted(repo.FullName, commitA)[0].Description
		if utf8.RuneCountInString(got) != forge.MaxDescription || !strings.HasPrefix(got, "failed: é✓😀é") || !strings.HasSuffix(got, "…") {
			t.Errorf("description is %d characters: %q", utf8.RuneCountInString(got), got)
		}
	})
	t.Run("a status without a link and description is a status", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		withServer(t, f)
		bare := forge.Status{Context: "distbot/f37", State: forge.StateSuccess}
		if err := f.Forge.SetStatus(t.Context(), f.Event.Repository, commitA, bare); err != nil {
			t.Errorf("SetStatus = %v", err)
		}
	})
	t.Run("many may send at once", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		withServer(t, f)
		const senders = 8
		done := make(chan error, senders)
		for i := range senders {
			go func() {
				status := sampleStatus
				status.Context = fmt.Sprintf("distbot/f37/arch%d", i)
				done <- f.Forge.SetStatus(t.Context(), f.Event.Repository, commitA, status)
			}()
		}
		for range senders {
			if err := <-done; err != nil {
				t.Errorf("SetStatus = %v", err)
			}
		}
		if len(f.Server.Posted(f.Event.Repository.FullName, commitA)) != senders {
			t.Errorf("statuses at the forge: %+v", f.Server.Posted(f.Event.Repository.FullName, commitA))
		}
	})
}

func exerciseStatuses(t *testing.T, setup func(t *testing.T) Fixture) {
	t.Parallel()
	t.Run("a commit without statuses has none", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		withServer(t, f)
		got, err := f.Forge.Statuses(t.Context(), f.Event.Repository, commitA)
		if err != nil || len(got) != 0 {
			t.Errorf("Statuses = %v, %v, want none", got, err)
		}
	})
	t.Run("the newest of each context is returned, from all pages", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		server, repo := withServer(t, f)
		const contexts = 120
		var want []forge.Status
		for i := range contexts {
			status := sampleStatus
			status.Context = fmt.Sprintf("distbot/f37/arch%03d", i)
			for _, state := range []forge.State{forge.StatePending, forge.StateSuccess} {
				status.State = state
				server.post(repo.FullName, commitA, status)
			}
			want = append(want, status)
		}
		got, err := f.Forge.Statuses(t.Context(), repo, commitA)
		slices.SortFunc(got, func(a, b forge.Status) int { return strings.Compare(a.Context, b.Context) })
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("Statuses (-want +got), error %v:\n%s", err, diff)
		}
	})
	t.Run("more contexts than any build has are an error, not a part", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		server, repo := withServer(t, f)
		for i := range 1100 {
			status := sampleStatus
			status.Context = fmt.Sprintf("other/%d", i)
			server.post(repo.FullName, commitA, status)
		}
		if got, err := f.Forge.Statuses(t.Context(), repo, commitA); err == nil {
			t.Errorf("Statuses = %d statuses, want an error", len(got))
		}
	})
}

// post stores a status without a request.
func (s *Server) post(fullName, commit string, status forge.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.repos[fullName][commit] = append(s.repos[fullName][commit], status)
	if !s.dialect.apps {
		return
	}
	run := &CheckRun{
		ID: int64(len(s.runs) + 1), AppID: AppID, Name: status.Context, HeadSHA: commit, DetailsURL: status.TargetURL,
		Status: "in_progress", Title: status.Description, Summary: "-", repository: fullName,
	}
	if status.State == forge.StateSuccess {
		run.Status, run.Conclusion = "completed", "success"
	}
	s.runs = append(s.runs, run)
}
