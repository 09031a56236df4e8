package github_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/forge/forgetest"
	"github.com/distbot/distbot/forge/github"
)

const site = "https://github.com"

func newForge(tb testing.TB, config github.Config, token string) *github.Forge {
	tb.Helper()
	config.Token = func() (string, error) { return token, nil }
	f, err := github.New(config)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func fixture(tb testing.TB) forgetest.Fixture {
	tb.Helper()
	server := forgetest.NewGitHub(tb)
	push := forgetest.GitHubExample(tb, "github-derived/push/01-update.json")
	repository := func(body map[string]any) map[string]any { return body["repository"].(map[string]any) }
	config := github.Config{APIURL: server.APIURL}
	cloneURL := site + "/Codertocat/Hello-World.git"
	return forgetest.Fixture{
		Forge: newForge(tb, config, forgetest.WriteToken),
		Push:  push,
		Event: forge.Event{
			Kind: forge.EventPush,
			Repository: forge.Repository{
				ID: "186853002", FullName: "Codertocat/Hello-World", CloneURL: cloneURL, DefaultBranch: "master",
			},
			Ref:    "refs/heads/master",
			Before: "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
			After:  "e83c5163316f89bfbde7d9ab23ca2e25604af290",
			Sender: "Codertocat",
		},
		SignatureHeader: "X-Hub-Signature-256",
		SignaturePrefix: "sha256=",
		OtherSignatures: map[string]string{"X-Gitea-Signature": "", "X-Forgejo-Signature": "", "X-Hub-Signature": "sha256="},
		DeliveryHeader:  "X-GitHub-Delivery",
		EventHeader:     "X-GitHub-Event",
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
			"", "https://evil.example/Codertocat/Hello-World.git", "http://github.com/Codertocat/Hello-World.git",
			"https://github.com:8443/Codertocat/Hello-World.git", "https://github.com.evil.example/Codertocat/Hello-World.git",
			"https://github.com@evil.example/Codertocat/Hello-World.git", "https://x@github.com/Codertocat/Hello-World.git",
			"https://github.com./Codertocat/Hello-World.git", "https://github.com/Codertocat/Other.git",
			"https://api.github.com/Codertocat/Hello-World.git", "git@github.com:Codertocat/Hello-World.git",
			"https://github.com/x/../Codertocat/Hello-World.git", "https://github.com/Codertocat%2fHello-World.git",
			"file:///Codertocat/Hello-World.git", "--upload-pack=id",
		},
		Deliveries: forgetest.GitHubExamples,
		Server:     server,
		WithToken: func(tb testing.TB, token string) forge.Forge {
			return newForge(tb, config, token)
		},
	}
}

func TestGitHubKeepsTheContract(t *testing.T) {
	t.Parallel()
	forgetest.Exercise(t, func(t *testing.T) forgetest.Fixture { return fixture(t) })
}

func FuzzParse(f *testing.F) { forgetest.FuzzParse(f, fixture(f)) }

func TestEveryExampleMeansWhatTheTableSays(t *testing.T) {
	t.Parallel()
	table := forgetest.Expectations(t, "github")
	driver := newForge(t, github.Config{}, "")
	examples := forgetest.GitHubExamples(t)
	for _, r := range examples {
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			if _, ok := table[r.Name]; !ok {
				t.Fatal("the table has no line for it")
			}
			event, err := driver.Parse(r.Header, r.Body)
			if diff := cmp.Diff(table[r.Name], forgetest.Describe(event, err, table[r.Name])); diff != "" {
				t.Errorf("Parse (-want +got):\n%s", diff)
			}
		})
	}
	if len(table) != len(examples) {
		t.Errorf("the table has %d lines for %d examples", len(table), len(examples))
	}
}

func TestADeletionThatNamesACommitIsMalformed(t *testing.T) {
	t.Parallel()
	driver := newForge(t, github.Config{}, "")
	push := forgetest.GitHubExample(t, "github-derived/push/01-update.json")
	contradiction := push.Edit(t, func(body map[string]any) { body["deleted"] = true })
	event, err := driver.Parse(contradiction.Header, contradiction.Body)
	if forgetest.Outcome(err) != "malformed" {
		t.Errorf("Parse = %+v, %v, want *forge.MalformedError", event, err)
	}
}

// Each of these is what a getter of go-github returns nil for.
func TestMissingPartsAreMalformed(t *testing.T) {
	t.Parallel()
	driver := newForge(t, github.Config{}, "")
	for example, parts := range map[string][]string{
		"github-derived/push/01-update.json":                           {"repository", "after", "before"},
		"github-derived/pull_request/01-opened-from-fork.json":         {"repository", "pull_request"},
		"github-derived/issue_comment/01-created-on-pull-request.json": {"repository", "comment"},
		"github-derived/pull_request/03-synchronize-from-fork.json":    {"pull_request.base", "pull_request.head", "pull_request.number", "pull_request.base.repo"},
		"github-derived/issue_comment/02-edited-on-pull-request.json":  {"repository.id"},
		"github-derived/issue_comment/03-deleted-on-pull-request.json": {"repository.clone_url"},
		"github-derived/pull_request/02-reopened-fork-gone.json":       {"pull_request.base.ref", "pull_request.head.sha"},
		"github-derived/push/03-branch-deleted.json":                   {"repository.full_name"},
		"github-derived/push/02-forced.json":                           {"repository.id"},
		"github-derived/push/04-branch-with-slash.json":                {"repository.clone_url"},
	} {
		for _, part := range parts {
			for _, value := range []any{nil, map[string]any{}} {
				r := forgetest.GitHubExample(t, example).Edit(t, func(body map[string]any) { set(body, part, value) })
				event, err := driver.Parse(r.Header, r.Body)
				if forgetest.Outcome(err) != "malformed" {
					t.Errorf("Parse %s with %s = %v: %+v, %v, want *forge.MalformedError", example, part, value, event, err)
				}
			}
		}
	}
	r := forgetest.GitHubExample(t, "github-derived/issue_comment/01-created-on-pull-request.json").
		Edit(t, func(body map[string]any) { delete(body, "issue") })
	if _, err := driver.Parse(r.Header, r.Body); err == nil {
		t.Error("Parse without issue = nil, want an error")
	}
}

func set(body map[string]any, path string, value any) {
	parts := strings.Split(path, ".")
	for _, part := range parts[:len(parts)-1] {
		body = body[part].(map[string]any)
	}
	body[parts[len(parts)-1]] = value
}

func TestNew(t *testing.T) {
	t.Parallel()
	for _, config := range []github.Config{
		{URL: "github.com"}, {URL: "ssh://github.com"}, {APIURL: "https://t:secret@api.github.com"}, {APIURL: "x"},
	} {
		if _, err := github.New(config); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("New(%+v) = %v, want an error that hides the password", config, err)
		}
	}
	enterprise := newForge(t, github.Config{URL: "https://code.example.org/"}, "t")
	if got, want := enterprise.CloneURL(forge.Repository{FullName: "rpms/hello"}), "https://code.example.org/rpms/hello.git"; got != want {
		t.Errorf("CloneURL = %q, want %q", got, want)
	}
}
