package plaingit_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/forge/forgetest"
	"github.com/distbot/distbot/forge/plaingit"
)

const (
	commitA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	commitB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	zeros   = "0000000000000000000000000000000000000000"
)

// newRoot makes a directory with the repositories rpms/hello and hello, and a
// link out of it.
func newRoot(tb testing.TB) string {
	tb.Helper()
	root := filepath.Join(tb.TempDir(), "git")
	for _, dir := range []string{"rpms/hello.git", "hello.git", "../outside.git"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	if err := os.Symlink("../../outside.git", filepath.Join(root, "rpms", "link.git")); err != nil {
		tb.Fatal(err)
	}
	return root
}

func newForge(tb testing.TB, config plaingit.Config) *plaingit.Forge {
	tb.Helper()
	f, err := plaingit.New(config)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func pushOf(tb testing.TB, repository, ref, before, after string) forgetest.Recording {
	tb.Helper()
	body, err := json.Marshal(map[string]string{
		"repository": repository, "ref": ref, "before": before, "after": after, "pusher": "pat",
	})
	if err != nil {
		tb.Fatal(err)
	}
	return forgetest.Recording{
		Name:   repository + " " + ref,
		Header: http.Header{"X-Distbot-Event": {"push"}, "X-Distbot-Delivery": {"4KPT6R3OSXSCJ6YNQ2GBLBKTOX-0"}},
		Body:   body,
	}
}

func fixture(tb testing.TB) forgetest.Fixture {
	tb.Helper()
	root := newRoot(tb)
	cloneURL := filepath.Join(root, "rpms", "hello.git")
	return forgetest.Fixture{
		Forge: newForge(tb, plaingit.Config{Root: root}),
		Push:  pushOf(tb, "rpms/hello", "refs/heads/f37", commitA, commitB),
		Event: forge.Event{
			Kind:       forge.EventPush,
			Repository: forge.Repository{ID: "rpms/hello", FullName: "rpms/hello", CloneURL: cloneURL},
			Ref:        "refs/heads/f37", Before: commitA, After: commitB, Sender: "pat",
		},
		SignatureHeader: plaingit.SignatureHeader,
		SignaturePrefix: "sha256=",
		OtherSignatures: map[string]string{"X-Hub-Signature-256": "sha256=", "X-Gitea-Signature": "", "X-Forgejo-Signature": ""},
		DeliveryHeader:  plaingit.DeliveryHeader,
		EventHeader:     plaingit.EventHeader,
		WithRefs: func(tb testing.TB, ref, before, after string) forgetest.Recording {
			return pushOf(tb, "rpms/hello", ref, before, after)
		},
		WithRepository: func(tb testing.TB, fullName, _ string) forgetest.Recording {
			return pushOf(tb, fullName, "refs/heads/f37", commitA, commitB)
		},
		CloneURL: cloneURL,
		Deliveries: func(tb testing.TB) []forgetest.Recording {
			return []forgetest.Recording{
				pushOf(tb, "rpms/hello", "refs/heads/f37", zeros, commitB),
				pushOf(tb, "rpms/hello", "refs/heads/f37", commitA, zeros),
				pushOf(tb, "hello", "refs/heads/f37", commitA, commitB),
				pushOf(tb, "rpms/hello", "refs/tags/v1", zeros, commitB),
				pushOf(tb, "rpms/link", "refs/heads/f37", commitA, commitB),
				pushOf(tb, "../outside", "refs/heads/f37", commitA, commitB),
			}
		},
	}
}

func TestPlainGitKeepsTheContract(t *testing.T) {
	t.Parallel()
	forgetest.Exercise(t, func(t *testing.T) forgetest.Fixture { return fixture(t) })
}

func FuzzParse(f *testing.F) { forgetest.FuzzParse(f, fixture(f)) }

func TestParse(t *testing.T) {
	t.Parallel()
	root := newRoot(t)
	driver := newForge(t, plaingit.Config{Root: root})
	tests := []struct {
		name string
		body string
		want forge.EventKind // empty: malformed
	}{
		{"a repository below the root", `{"repository":"hello","ref":"refs/heads/f37","before":"` + zeros + `","after":"` + commitB + `"}`, forge.EventPush},
		{"a deleted branch", `{"repository":"hello","ref":"refs/heads/f37","before":"` + commitA + `","after":"` + zeros + `"}`, forge.EventBranchDelete},
		{"a link out of the root", `{"repository":"rpms/link","ref":"refs/heads/f37","before":"` + commitA + `","after":"` + commitB + `"}`, ""},
		{"a repository that is not there", `{"repository":"rpms/none","ref":"refs/heads/f37","before":"` + commitA + `","after":"` + commitB + `"}`, ""},
		{"a directory that is no repository", `{"repository":"rpms","ref":"refs/heads/f37","before":"` + commitA + `","after":"` + commitB + `"}`, ""},
		{"an unknown field", `{"repository":"hello","ref":"refs/heads/f37","before":"` + commitA + `","after":"` + commitB + `","clone_url":"x"}`, ""},
		{"a body that is too large", `{"repository":"hello","ref":"refs/heads/f37","before":"` + commitA + `","after":"` + commitB + `","pusher":"` + strings.Repeat("x", plaingit.MaxBody) + `"}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := pushOf(t, "hello", "", "", "")
			got, err := driver.Parse(r.Header, []byte(tt.body))
			if tt.want == "" {
				if forgetest.Outcome(err) != "malformed" {
					t.Errorf("Parse = %+v, %v, want *forge.MalformedError", got, err)
				}
				return
			}
			if err != nil || got.Kind != tt.want {
				t.Fatalf("Parse = %+v, %v, want %s", got, err, tt.want)
			}
			forgetest.CheckEvent(t, got)
			if want := filepath.Join(root, "hello.git"); got.Repository.CloneURL != want {
				t.Errorf("clone URL = %q, want %q", got.Repository.CloneURL, want)
			}
		})
	}
}

func TestCloneURL(t *testing.T) {
	t.Parallel()
	t.Run("a link out of the root has none", func(t *testing.T) {
		t.Parallel()
		driver := newForge(t, plaingit.Config{Root: newRoot(t)})
		for _, name := range []string{"rpms/link", "../outside", "", "rpms/none"} {
			if got := driver.CloneURL(forge.Repository{FullName: name}); got != "" {
				t.Errorf("CloneURL(%q) = %q, want none", name, got)
			}
		}
	})
	t.Run("a tree that is served over HTTP is cloned from there", func(t *testing.T) {
		t.Parallel()
		driver := newForge(t, plaingit.Config{URL: "https://git.example.org/"})
		if got, want := driver.CloneURL(forge.Repository{FullName: "rpms/hello"}), "https://git.example.org/rpms/hello.git"; got != want {
			t.Errorf("CloneURL = %q, want %q", got, want)
		}
		r := pushOf(t, "rpms/hello", "refs/heads/f37", commitA, commitB)
		if got, err := driver.Parse(r.Header, r.Body); err != nil || got.Repository.CloneURL != "https://git.example.org/rpms/hello.git" {
			t.Errorf("Parse = %+v, %v", got, err)
		}
	})
}

func TestNew(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, config := range []plaingit.Config{{}, {Root: file}, {Root: file + "/none"}, {URL: "git.example.org"}} {
		if _, err := plaingit.New(config); err == nil {
			t.Errorf("New(%+v) = nil, want an error", config)
		}
	}
}
