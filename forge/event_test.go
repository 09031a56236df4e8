package forge_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/forge"
)

const (
	commitA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	commitB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func comment() forge.Event {
	return forge.Event{
		Kind:       forge.EventComment,
		Repository: forge.Repository{ID: "1", FullName: "rpms/hello", CloneURL: "https://git.example.org/rpms/hello.git", DefaultBranch: "rawhide"},
		PullRequest: &forge.PullRequest{
			Number: 3, Head: commitA, HeadBranch: "fix", BaseBranch: "f37", Title: "Fix it", Author: "pat",
			HeadRepository: forge.Repository{ID: "2", FullName: "pat/hello"},
		},
		Comment: &forge.Comment{ID: 9, Body: "/build f37\n", Author: "robin"},
		Sender:  "robin",
	}
}

func TestVet(t *testing.T) {
	t.Parallel()
	t.Run("a good event stays as it is and gets its ref", func(t *testing.T) {
		t.Parallel()
		want := comment()
		want.Ref = "refs/pull/3/head"
		got, err := comment().Vet()
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("Vet (-want +got), error %v:\n%s", err, diff)
		}
	})
	t.Run("texts become harmless and the caller's stay", func(t *testing.T) {
		t.Parallel()
		e := comment()
		e.Sender = "rob\x00in"
		e.PullRequest.Title = "a\nb" + strings.Repeat("é", 300)
		e.Comment.Body = "/build\x00\n" + strings.Repeat("é", 70000)
		title := e.PullRequest.Title
		got, err := e.Vet()
		if err != nil {
			t.Fatal(err)
		}
		if got.Sender != "rob in" || !strings.HasPrefix(got.PullRequest.Title, "a bé") || utf8.RuneCountInString(got.PullRequest.Title) != 255 {
			t.Errorf("sender %q, title %q", got.Sender, got.PullRequest.Title)
		}
		if !strings.HasPrefix(got.Comment.Body, "/build\né") || utf8.RuneCountInString(got.Comment.Body) != 65536 {
			t.Errorf("body of %d characters", utf8.RuneCountInString(got.Comment.Body))
		}
		if e.PullRequest.Title != title {
			t.Error("Vet changed the caller's pull request")
		}
	})
	t.Run("a fork that is gone has no name either", func(t *testing.T) {
		t.Parallel()
		e := comment()
		e.PullRequest.HeadRepository = forge.Repository{FullName: "../x"}
		got, err := e.Vet()
		if err != nil || got.PullRequest.HeadRepository != (forge.Repository{}) {
			t.Errorf("Vet = %+v, %v", got.PullRequest, err)
		}
	})
	for field, spoil := range map[string]func(*forge.Event){
		"kind":                         func(e *forge.Event) { e.Kind = "merge" },
		"repository.id":                func(e *forge.Event) { e.Repository.ID = "" },
		"repository.full_name":         func(e *forge.Event) { e.Repository.FullName = "a/../b" },
		"repository.default_branch":    func(e *forge.Event) { e.Repository.DefaultBranch = "-x" },
		"pull_request is missing":      func(e *forge.Event) { e.PullRequest = nil },
		"number":                       func(e *forge.Event) { e.PullRequest.Number = -1 },
		"pull_request.head.sha":        func(e *forge.Event) { e.PullRequest.Head = "HEAD" },
		"pull_request.head.ref":        func(e *forge.Event) { e.PullRequest.HeadBranch = "a b" },
		"pull_request.base.ref":        func(e *forge.Event) { e.PullRequest.BaseBranch = "-x" },
		"pull_request.head.repo":       func(e *forge.Event) { e.PullRequest.HeadRepository.FullName = "a b/c" },
		"comment.id":                   func(e *forge.Event) { e.Comment.ID = 0 },
		"comment.user.login":           func(e *forge.Event) { e.Comment.Author = " \x00" },
		"pull_request.base.ref is emp": func(e *forge.Event) { e.Kind, e.PullRequest.BaseBranch = forge.EventPullRequest, "" },
		"pull_request.head.sha is not": func(e *forge.Event) { e.Kind, e.PullRequest.Head = forge.EventPullRequest, "" },
	} {
		t.Run("a bad field is named: "+field, func(t *testing.T) {
			t.Parallel()
			e := comment()
			spoil(&e)
			got, err := e.Vet()
			if malformed, ok := errors.AsType[*forge.MalformedError](err); !ok || !strings.Contains(malformed.Reason, field) {
				t.Errorf("Vet = %+v, %v, want *forge.MalformedError about %s", got, err, field)
			}
		})
	}
	t.Run("a closed pull request need not have a head", func(t *testing.T) {
		t.Parallel()
		e := comment()
		e.Kind, e.Comment, e.PullRequest.Head = forge.EventPullRequestClosed, nil, ""
		if _, err := e.Vet(); err != nil {
			t.Errorf("Vet = %v", err)
		}
	})
}

func TestPushEvent(t *testing.T) {
	t.Parallel()
	repo := comment().Repository
	zeros := strings.Repeat("0", 40)
	got, err := forge.PushEvent(repo, "refs/heads/f37", commitA, zeros, "pat")
	want := forge.Event{Kind: forge.EventBranchDelete, Repository: repo, Ref: "refs/heads/f37", Before: commitA, Sender: "pat"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("PushEvent (-want +got), error %v:\n%s", err, diff)
	}
	if _, err := forge.PushEvent(repo, "refs/heads/f37", zeros, zeros, "pat"); err == nil {
		t.Error("PushEvent from nothing to nothing = nil, want an error")
	}
}
