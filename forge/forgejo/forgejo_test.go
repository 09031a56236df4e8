package forgejo_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/forge/forgejo"
	"github.com/distbot/distbot/forge/forgetest"
)

func newForge(tb testing.TB, url, token string) *forgejo.Forge {
	tb.Helper()
	f, err := forgejo.New(forgejo.Config{URL: url, Token: func() (string, error) { return token, nil }})
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// moveTo makes a recording come from another address.
func moveTo(r forgetest.Recording, url string) forgetest.Recording {
	r.Body = []byte(strings.ReplaceAll(string(r.Body), forgetest.GiteaOrigin, url))
	return r
}

// fixture is the driver for a fake server. Its deliveries are Gitea's
// recordings, or what a Forgejo hook sends in their place.
func fixture(tb testing.TB, dialect func(tb testing.TB, r forgetest.Recording) forgetest.Recording, own string) forgetest.Fixture {
	tb.Helper()
	server := forgetest.NewForgejo(tb)
	push := moveTo(dialect(tb, forgetest.GiteaRecording(tb, "003-push-commit-push.json")), server.URL)
	for _, header := range []string{"X-Forgejo-Signature", "X-Gitea-Signature", "X-Gogs-Signature", "X-Hub-Signature", "X-Hub-Signature-256"} {
		push = push.With(header)
	}
	others := map[string]string{"X-Hub-Signature-256": "sha256=", "X-Gogs-Signature": ""}
	if own == "X-Forgejo-" {
		others["X-Gitea-Signature"] = ""
	}
	repository := func(body map[string]any) map[string]any { return body["repository"].(map[string]any) }
	cloneURL := server.URL + "/rpms/hello.git"
	host := strings.TrimPrefix(server.URL, "http://")
	return forgetest.Fixture{
		Forge: newForge(tb, server.URL, forgetest.WriteToken),
		Push:  push,
		Event: forge.Event{
			Kind: forge.EventPush,
			Repository: forge.Repository{
				ID: "1", FullName: "rpms/hello", CloneURL: cloneURL, DefaultBranch: "rawhide",
			},
			Ref:    "refs/heads/rawhide",
			Before: "b632b0c49888c15abb07d8e755750c32f2061d87",
			After:  "c93e9e0789a16bea6b57f313dbc2863b6a9f2d05",
			Sender: "pat",
		},
		SignatureHeader: own + "Signature",
		OtherSignatures: others,
		DeliveryHeader:  own + "Delivery",
		EventHeader:     own + "Event",
		WithRefs: func(tb testing.TB, ref, before, after string) forgetest.Recording {
			return push.Edit(tb, func(body map[string]any) {
				body["ref"], body["before"], body["after"] = ref, before, after
			})
		},
		WithRepository: func(tb testing.TB, fullName, cloneURL string) forgetest.Recording {
			return push.Edit(tb, func(body map[string]any) {
				repository(body)["full_name"], repository(body)["clone_url"] = fullName, cloneURL
			})
		},
		CloneURL: cloneURL,
		SpoofedCloneURLs: []string{
			"", "https://evil.example/rpms/hello.git", "https://" + host + "/rpms/hello.git",
			"http://127.0.0.1/rpms/hello.git", "http://" + host + "1/rpms/hello.git",
			"http://" + host + "@evil.example/rpms/hello.git", "http://user:pw@" + host + "/rpms/hello.git",
			"http://" + host + ".evil.example/rpms/hello.git", "http://" + host + "/rpms/other.git",
			"http://" + host + "/rpms/hello.git?x=1", "http://" + host + "/rpms/hello.git#x",
			"http://" + host + "/../rpms/hello.git", "http://" + host + "/rpms%2fhello.git", "http://" + host + "/mallory/../rpms/hello.git",
			"file:///rpms/hello.git", "ext::sh -c id", "--upload-pack=id", "ssh://" + host + "/rpms/hello.git",
			"//" + host + "/rpms/hello.git", "/rpms/hello.git", "http://%zz/", "http://127.0.0.1:port/rpms/hello.git",
			"http://" + host + "/rpms/hello.git" + strings.Repeat("/", 4000),
		},
		Deliveries: func(tb testing.TB) []forgetest.Recording {
			var all []forgetest.Recording
			for _, r := range forgetest.GiteaRecordings(tb) {
				all = append(all, moveTo(dialect(tb, r), server.URL))
			}
			return all
		},
		Server: server,
		WithToken: func(tb testing.TB, token string) forge.Forge {
			return newForge(tb, server.URL, token)
		},
	}
}

func giteaFixture(tb testing.TB) forgetest.Fixture {
	return fixture(tb, func(_ testing.TB, r forgetest.Recording) forgetest.Recording { return r }, "X-Gitea-")
}

func forgejoFixture(tb testing.TB) forgetest.Fixture {
	return fixture(tb, func(tb testing.TB, r forgetest.Recording) forgetest.Recording { return r.AsForgejo(tb) }, "X-Forgejo-")
}

func TestGiteaKeepsTheContract(t *testing.T) {
	t.Parallel()
	forgetest.Exercise(t, func(t *testing.T) forgetest.Fixture { return giteaFixture(t) })
}

func TestForgejoKeepsTheContract(t *testing.T) {
	t.Parallel()
	forgetest.Exercise(t, func(t *testing.T) forgetest.Fixture { return forgejoFixture(t) })
}

func FuzzParse(f *testing.F) {
	forgetest.FuzzParse(f, giteaFixture(f))
}

func TestEveryRecordingMeansWhatTheTableSays(t *testing.T) {
	t.Parallel()
	table := forgetest.Expectations(t, "gitea")
	driver := newForge(t, forgetest.GiteaOrigin, "")
	for _, r := range forgetest.GiteaRecordings(t) {
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			if _, ok := table[r.Name]; !ok {
				t.Fatal("the table has no line for it")
			}
			for kind, delivery := range map[string]forgetest.Recording{"gitea": r, "forgejo": r.AsForgejo(t)} {
				event, err := driver.Parse(delivery.Header, delivery.Body)
				if diff := cmp.Diff(table[r.Name], forgetest.Describe(event, err, table[r.Name])); diff != "" {
					t.Errorf("a %s hook's delivery (-want +got):\n%s", kind, diff)
				}
			}
		})
	}
	if len(table) != 139 {
		t.Errorf("the table has %d lines, want one for each of the 139 recordings", len(table))
	}
}

// TestRecordedSignature checks the one delivery whose secret is known; the
// others are checked for what they show without it.
func TestRecordedSignature(t *testing.T) {
	t.Parallel()
	driver := newForge(t, "http://127.0.0.1:14710", "")
	var signed struct {
		Secret  string            `json:"secret"`
		Headers map[string]string `json:"headers_as_on_wire"`
		Body    string            `json:"body_raw"`
	}
	data, err := os.ReadFile("testdata/signed-push.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &signed); err != nil {
		t.Fatal(err)
	}
	header := http.Header{}
	for name, value := range signed.Headers {
		header.Set(name, value)
	}
	t.Run("a Gitea's own signature is accepted", func(t *testing.T) {
		t.Parallel()
		if err := driver.Verify(header, []byte(signed.Body), []forge.Secret{forge.Secret(signed.Secret)}); err != nil {
			t.Errorf("Verify = %v", err)
		}
		if event, err := driver.Parse(header, []byte(signed.Body)); err != nil || event.Ref != "refs/heads/rawhide" {
			t.Errorf("Parse = %+v, %v", event, err)
		}
	})
	t.Run("one changed byte is refused", func(t *testing.T) {
		t.Parallel()
		changed := strings.Replace(signed.Body, "rpms", "rpmz", 1)
		if err := driver.Verify(header, []byte(changed), []forge.Secret{forge.Secret(signed.Secret)}); !errors.Is(err, forge.ErrUnauthenticated) {
			t.Errorf("Verify = %v, want ErrUnauthenticated", err)
		}
	})
	t.Run("a hook without secret is refused whatever the secret", func(t *testing.T) {
		t.Parallel()
		r := forgetest.GiteaRecording(t, "128-hook-no-secret-push.json")
		for _, secrets := range [][]forge.Secret{nil, {nil}, {forge.Secret("")}, {forge.Secret("x")}} {
			if err := driver.Verify(r.Header, r.Body, secrets); !errors.Is(err, forge.ErrUnauthenticated) {
				t.Errorf("Verify with %d secrets = %v, want ErrUnauthenticated", len(secrets), err)
			}
		}
	})
}

func TestTwoDeliveriesOfOneNewBranchAreOneEvent(t *testing.T) {
	t.Parallel()
	driver := newForge(t, forgetest.GiteaOrigin, "")
	for _, name := range []string{"005-create-branch", "007-create-branch-slash", "009-create-branch-new-commit", "024-pr-branch-push"} {
		var n int
		if _, err := fmt.Sscanf(name, "%d-", &n); err != nil {
			t.Fatal(err)
		}
		create := forgetest.GiteaRecording(t, name+"-create.json")
		push := forgetest.GiteaRecording(t, fmt.Sprintf("%03d%s-push.json", n+1, name[3:]))
		first, err := driver.Parse(create.Header, create.Body)
		if err != nil {
			t.Fatal(err)
		}
		second, err := driver.Parse(push.Header, push.Body)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("%s: create and push differ (-create +push):\n%s", name, diff)
		}
	}
}

func TestMissingPartsAreMalformed(t *testing.T) {
	t.Parallel()
	driver := newForge(t, forgetest.GiteaOrigin, "")
	for name, parts := range map[string][]string{
		"003-push-commit-push.json":     {"repository", "repository.id", "repository.full_name", "repository.clone_url", "after", "before"},
		"005-create-branch-create.json": {"repository", "sha", "ref"},
		"018-delete-branch-delete.json": {"repository", "ref"},
		"048-fork-pr-opened-pull_request.json": {
			"repository", "pull_request", "pull_request.number", "pull_request.base", "pull_request.base.repo", "pull_request.base.repo.id",
			"pull_request.base.ref", "pull_request.head", "pull_request.head.sha", "pull_request.head.repo.id",
		},
		"031-pr-comment-created-issue_comment.pull_request_comment.json": {"repository", "pull_request", "comment", "comment.id", "comment.user"},
	} {
		for _, part := range parts {
			r := forgetest.GiteaRecording(t, name).Edit(t, func(body map[string]any) {
				path := strings.Split(part, ".")
				for _, element := range path[:len(path)-1] {
					body = body[element].(map[string]any)
				}
				delete(body, path[len(path)-1])
			})
			event, err := driver.Parse(r.Header, r.Body)
			if forgetest.Outcome(err) != "malformed" {
				t.Errorf("Parse %s without %s = %+v, %v, want *forge.MalformedError", name, part, event, err)
			}
		}
	}
	t.Run("a pull request of another repository is malformed", func(t *testing.T) {
		t.Parallel()
		r := forgetest.GiteaRecording(t, "048-fork-pr-opened-pull_request.json").Edit(t, func(body map[string]any) {
			body["pull_request"].(map[string]any)["base"].(map[string]any)["repo"].(map[string]any)["id"] = 7
		})
		event, err := driver.Parse(r.Header, r.Body)
		if forgetest.Outcome(err) != "malformed" {
			t.Errorf("Parse = %+v, %v, want *forge.MalformedError", event, err)
		}
	})
	t.Run("a fork that is gone is not", func(t *testing.T) {
		t.Parallel()
		r := forgetest.GiteaRecording(t, "048-fork-pr-opened-pull_request.json").Edit(t, func(body map[string]any) {
			body["pull_request"].(map[string]any)["head"].(map[string]any)["repo"] = nil
		})
		event, err := driver.Parse(r.Header, r.Body)
		if err != nil || event.PullRequest.HeadRepository.ID != "" || event.PullRequest.Head == "" {
			t.Errorf("Parse = %+v, %v", event, err)
		}
	})
}

func TestNew(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "git.example.org", "ftp://git.example.org", "https://", "https://u:secret@git.example.org", "https://git.example.org/?x", "http://%zz"} {
		if _, err := forgejo.New(forgejo.Config{URL: url}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("New(%q) = %v, want an error that hides the password", url, err)
		}
	}
	f := newForge(t, "https://Git.Example.org/code/", "t")
	if got, want := f.CloneURL(forge.Repository{FullName: "rpms/hello"}), "https://git.example.org/code/rpms/hello.git"; got != want {
		t.Errorf("CloneURL = %q, want %q", got, want)
	}
}
