//go:build e2e

package giteatest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/e2e/giteatest"
)

const secret = "a secret for hooks"

// delivery is what a hook's receiver got.
type delivery struct {
	header http.Header
	body   []byte
}

// receiver is an address for hooks, and what is delivered there.
func receiver(t *testing.T) (string, <-chan delivery) {
	t.Helper()
	got := make(chan delivery, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read delivery: %v", err)
		}
		got <- delivery{r.Header, body}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, got
}

// await returns the next delivery of an event; others are passed over.
func await(t *testing.T, got <-chan delivery, event string) delivery {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		select {
		case d := <-got:
			if d.header.Get("X-Gitea-Event") == event {
				return d
			}
		case <-deadline:
			t.Fatalf("no delivery of %s in a minute", event)
		}
	}
}

// field reads one field of a delivery's body.
func (d delivery) field(t *testing.T, name string) any {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal(d.body, &body); err != nil {
		t.Fatal(err)
	}
	return body[name]
}

func TestGitea(t *testing.T) {
	t.Parallel()
	g := giteatest.Start(t)

	t.Run("APushIsDeliveredSignedAndItsCommitTakesStatuses", func(t *testing.T) {
		t.Parallel()
		address, got := receiver(t)
		g.CreateOrg(t, "rpms")
		repo := g.CreateRepo(t, "rpms", "hello")
		g.CreateHook(t, repo, address, secret, "push")
		clone := g.Clone(t, g.Admin, repo)
		commit := clone.Commit(t, "Import", map[string]string{"hello.spec": "Name: hello\n"})
		clone.Push(t, "rawhide")

		d := await(t, got, "push")
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(d.body)
		if diff := cmp.Diff("sha256="+hex.EncodeToString(mac.Sum(nil)), d.header.Get("X-Hub-Signature-256")); diff != "" {
			t.Errorf("signature (-want +got):\n%s", diff)
		}
		if got := d.field(t, "after"); got != commit {
			t.Errorf("the delivery says after = %v, want %s", got, commit)
		}
		if diff := cmp.Diff(map[string]string{"rawhide": commit}, g.Branches(t, repo)); diff != "" {
			t.Errorf("branches (-want +got):\n%s", diff)
		}

		bot := g.CreateUser(t, "bot")
		g.AddCollaborator(t, repo, bot, "write")
		if diff := cmp.Diff(map[string]giteatest.Status{}, g.Statuses(t, repo, commit)); diff != "" {
			t.Errorf("statuses at first (-want +got):\n%s", diff)
		}
		arch := giteatest.Status{Context: "distbot/rawhide/x86_64", State: "failure", Description: "boom", TargetURL: "http://127.0.0.1/builds/1"}
		whole := giteatest.Status{Context: "distbot/rawhide", State: "pending"}
		g.SetStatus(t, bot, repo, commit, arch)
		g.SetStatus(t, bot, repo, commit, whole)
		whole.State = "success"
		g.SetStatus(t, bot, repo, commit, whole) // The newest counts.
		want := map[string]giteatest.Status{arch.Context: arch, whole.Context: whole}
		wantHistory := []giteatest.Status{arch, {Context: whole.Context, State: "pending"}, whole}
		if diff := cmp.Diff(wantHistory, g.StatusHistory(t, repo, commit)); diff != "" {
			t.Errorf("history of statuses (-want +got):\n%s", diff)
		}
		for i := range 60 { // More than Gitea lists at once.
			s := giteatest.Status{Context: fmt.Sprintf("other/%d", i), State: "success"}
			g.SetStatus(t, bot, repo, commit, s)
			want[s.Context] = s
		}
		if diff := cmp.Diff(want, g.Statuses(t, repo, commit)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})

	t.Run("AForkPullRequestForcePushAndDeletedBranchAreDelivered", func(t *testing.T) {
		t.Parallel()
		address, got := receiver(t)
		g.CreateOrg(t, "modules")
		repo := g.CreateRepo(t, "modules", "ruby")
		clone := g.Clone(t, g.Admin, repo)
		base := clone.Commit(t, "Import", map[string]string{"ruby.yaml": "document: modulemd\n"})
		clone.Push(t, "rawhide")
		clone.Push(t, "stream/3.1")
		g.CreateOrgHook(t, "modules", address, secret, "push", "delete", "pull_request")

		mallory := g.CreateUser(t, "mallory")
		fork := g.Fork(t, mallory, repo)
		theirs := g.Clone(t, mallory, fork)
		head := theirs.Commit(t, "Improve", map[string]string{"ruby.yaml": "document: better\n"})
		theirs.Push(t, "better")
		pr := g.OpenPullRequest(t, mallory, repo, "Improve", "mallory:better", "rawhide")
		if diff := cmp.Diff(giteatest.PullRequest{Number: 1, Head: head}, pr); diff != "" {
			t.Errorf("pull request (-want +got):\n%s", diff)
		}
		if got := await(t, got, "pull_request").field(t, "action"); got != "opened" {
			t.Errorf("action = %v, want opened", got)
		}
		g.Comment(t, mallory, repo, pr.Number, "/build")
		if got := await(t, got, "issue_comment").field(t, "is_pull"); got != true {
			t.Errorf("is_pull = %v, want true", got)
		}
		g.ClosePullRequest(t, mallory, repo, pr.Number)
		if got := await(t, got, "pull_request").field(t, "action"); got != "closed" {
			t.Errorf("action = %v, want closed", got)
		}

		clone.Git(t, "commit", "-q", "--amend", "-m", "Import again")
		clone.Push(t, "rawhide", "--force")
		if got := await(t, got, "push").field(t, "before"); got != base {
			t.Errorf("before = %v, want %s", got, base)
		}
		g.DeleteBranch(t, repo, "stream/3.1")
		if got := await(t, got, "delete").field(t, "ref"); got != "stream/3.1" {
			t.Errorf("ref = %v, want stream/3.1", got)
		}
	})
}
