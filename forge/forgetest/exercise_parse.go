package forgetest

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/forge"
)

const (
	commitA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	commitB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	zeros   = "0000000000000000000000000000000000000000"
)

func exerciseParse(t *testing.T, setup func(t *testing.T) Fixture) {
	t.Parallel()
	f := setup(t)
	t.Run("a genuine push says what it says", func(t *testing.T) {
		t.Parallel()
		got, err := f.Forge.Parse(f.Push.Header, f.Push.Body)
		if diff := cmp.Diff(f.Event, got); diff != "" || err != nil {
			t.Errorf("Parse (-want +got), error %v:\n%s", err, diff)
		}
		CheckEvent(t, got)
	})
	t.Run("an unknown event is ignored", func(t *testing.T) {
		t.Parallel()
		delivery := f.Push.With(f.EventHeader, "no_such_event")
		if _, err := f.Forge.Parse(delivery.Header, delivery.Body); !isIgnored(err) {
			t.Errorf("Parse = %v, want *forge.IgnoredError", err)
		}
	})
	t.Run("refs", func(t *testing.T) { exerciseRefs(t, f) })
	t.Run("bodies", func(t *testing.T) { exerciseBodies(t, f) })
	t.Run("every recording is an event, ignored or malformed", func(t *testing.T) {
		t.Parallel()
		for _, r := range f.Deliveries(t) {
			event, err := f.Forge.Parse(r.Header, r.Body)
			checkOutcome(t, r.Name, event, err)
		}
	})
	t.Run("every recording cut short is malformed", func(t *testing.T) {
		t.Parallel()
		for _, r := range f.Deliveries(t) {
			for i := range 8 {
				cut := r.Body[:len(r.Body)*i/8]
				if _, err := f.Forge.Parse(r.Header, cut); !isMalformed(err) {
					t.Errorf("Parse %s cut to %d bytes = %v, want *forge.MalformedError", r.Name, len(cut), err)
				}
			}
		}
	})
}

func exerciseRefs(t *testing.T, f Fixture) {
	t.Parallel()
	const event, ignored, malformed = "event", "ignored", "malformed"
	tests := []struct {
		name, ref, before, after string
		want                     string
	}{
		{"an update", "refs/heads/f37", commitA, commitB, event},
		{"a slash in a branch", "refs/heads/stream/1.0", commitA, commitB, event},
		{"a branch that is not ASCII", "refs/heads/müsli", commitA, commitB, event},
		{"a new branch", "refs/heads/f37", zeros, commitB, event},
		{"SHA-256 object ids", "refs/heads/f37", strings.Repeat("a", 64), strings.Repeat("b", 64), event},
		{"a test delivery", "refs/heads/f37", commitA, commitA, ignored},
		{"a tag", "refs/tags/v1", zeros, commitB, ignored},
		{"a tag with a hostile name", "refs/tags/../x", zeros, commitB, ignored},
		{"a note", "refs/notes/commits", commitA, commitB, ignored},
		{"no ref", "", commitA, commitB, ignored},
		{"a short ref", "f37", commitA, commitB, ignored},
		{"an empty branch", "refs/heads/", commitA, commitB, malformed},
		{"a branch like an option", "refs/heads/--upload-pack=x", commitA, commitB, malformed},
		{"a path that climbs", "refs/heads/../../config", commitA, commitB, malformed},
		{"a NUL in a branch", "refs/heads/f37\x00x", commitA, commitB, malformed},
		{"a line feed in a branch", "refs/heads/f37\nx", commitA, commitB, malformed},
		{"a blank in a branch", "refs/heads/f 37", commitA, commitB, malformed},
		{"a revision expression", "refs/heads/f37~1", commitA, commitB, malformed},
		{"a reflog expression", "refs/heads/@{-1}", commitA, commitB, malformed},
		{"a lock file", "refs/heads/f37.lock", commitA, commitB, malformed},
		{"a hidden element", "refs/heads/a/.b", commitA, commitB, malformed},
		{"a double slash", "refs/heads/a//b", commitA, commitB, malformed},
		{"a wildcard", "refs/heads/*", commitA, commitB, malformed},
		{"a very long branch", "refs/heads/" + strings.Repeat("x", 300), commitA, commitB, malformed},
		{"a short commit", "refs/heads/f37", commitA, commitB[:39], malformed},
		{"an uppercase commit", "refs/heads/f37", commitA, strings.ToUpper(commitB), malformed},
		{"a commit like an option", "refs/heads/f37", commitA, "--" + commitB[2:], malformed},
		{"a commit that is a branch", "refs/heads/f37", commitA, "HEAD", malformed},
		{"no after", "refs/heads/f37", commitA, "", malformed},
		{"a hostile before", "refs/heads/f37", "$(id)", commitB, malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name+" is "+tt.want, func(t *testing.T) {
			t.Parallel()
			r := f.WithRefs(t, tt.ref, tt.before, tt.after)
			got, err := f.Forge.Parse(r.Header, r.Body)
			checkOutcome(t, tt.name, got, err)
			if Outcome(err) != tt.want {
				t.Fatalf("Parse = %+v, %v, want %s", got, err, tt.want)
			}
			if tt.want == event && (got.Ref != tt.ref || got.After != tt.after || got.Before != strings.Trim(tt.before, "0")) {
				t.Errorf("Parse = ref %q before %q after %q", got.Ref, got.Before, got.After)
			}
		})
	}
}

// Outcome says in a word what Parse did: "event", "ignored", "malformed", or
// which error it must not return.
func Outcome(err error) string {
	switch {
	case err == nil:
		return "event"
	case isIgnored(err):
		return "ignored"
	case isMalformed(err):
		return "malformed"
	default:
		return "another error: " + err.Error()
	}
}

func exerciseBodies(t *testing.T, f Fixture) {
	t.Parallel()
	const canary = "canary-of-the-body"
	bodies := map[string]string{
		"nothing":                 "",
		"blanks":                  " \n",
		"null":                    "null",
		"a list":                  "[]",
		"a string":                `"` + canary + `"`,
		"a form":                  "payload=%7B%7D",
		"an empty object":         "{}",
		"two objects":             string(f.Push.Body) + string(f.Push.Body),
		"a trailing bracket":      string(f.Push.Body) + "}",
		"a ref that is an object": `{"ref":{"` + canary + `":1},"repository":{"id":1}}`,
		"a name that is a number": `{"repository":{"id":"` + canary + `","full_name":7}}`,
		"a deep nest":             strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000),
		"a deep list":             `{"ref":` + strings.Repeat("[", 1<<20),
		"bytes that are not text": "{\"ref\":\"\xff\xfe" + canary + "\"}",
	}
	for name, body := range bodies {
		t.Run(name+" is malformed", func(t *testing.T) {
			t.Parallel()
			_, err := f.Forge.Parse(f.Push.Header, []byte(body))
			if !isMalformed(err) {
				t.Fatalf("Parse = %v, want *forge.MalformedError", err)
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("Parse = %v: the error quotes the body", err)
			}
		})
	}
}

// checkOutcome fails unless Parse did one of the three things it may.
func checkOutcome(tb testing.TB, name string, event forge.Event, err error) {
	tb.Helper()
	switch {
	case err == nil:
		CheckEvent(tb, event)
	case isIgnored(err), isMalformed(err):
		if diff := cmp.Diff(forge.Event{}, event); diff != "" {
			tb.Errorf("%s: Parse returned an error and an event (-want +got):\n%s", name, diff)
		}
	default:
		tb.Errorf("%s: Parse = %v, want *forge.IgnoredError or *forge.MalformedError", name, err)
	}
}

// FuzzParse is the body of each driver's fuzz test: whatever comes in, Parse
// does not panic and returns an event that keeps its promises, or one of the
// two errors. The corpus is all deliveries of the fixture.
func FuzzParse(f *testing.F, fixture Fixture) {
	for _, r := range append(fixture.Deliveries(f), fixture.Push) {
		f.Add(r.Header.Get(fixture.EventHeader), r.Body)
	}
	f.Fuzz(func(t *testing.T, event string, body []byte) {
		delivery := fixture.Push.With(fixture.EventHeader, event)
		got, err := fixture.Forge.Parse(delivery.Header, body)
		checkOutcome(t, "fuzzed", got, err)
	})
}

var (
	hexID      = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	branchRef  = regexp.MustCompile(`^refs/heads/[^-/. ~^:?*\[\\\x00-\x1f\x7f][^ ~^:?*\[\\\x00-\x1f\x7f]*$`)
	nameShape  = regexp.MustCompile(`^[A-Za-z0-9_.][A-Za-z0-9_.-]*(/[A-Za-z0-9_.][A-Za-z0-9_.-]*)*$`)
	nullCommit = regexp.MustCompile(`^0+$`)
)

// CheckEvent fails unless the event keeps the promises that its readers rely
// on. It states them anew, without the driver's own checks.
func CheckEvent(tb testing.TB, e forge.Event) {
	tb.Helper()
	bad := func(format string, args ...any) {
		tb.Helper()
		tb.Errorf("event %+v: "+format, append([]any{e}, args...)...)
	}
	checkRepository(bad, e.Repository)
	if e.Before != "" {
		checkCommit(bad, "before", e.Before)
	}
	if len(e.Sender) > 4*255 || strings.ContainsAny(e.Sender, "\x00\n\r\x1b") {
		bad("sender is not a short line")
	}
	switch e.Kind {
	case forge.EventPush:
		checkCommit(bad, "after", e.After)
		checkRef(bad, e.Ref)
	case forge.EventBranchDelete:
		checkRef(bad, e.Ref)
		if e.After != "" {
			bad("a deleted branch points to %s", e.After)
		}
	case forge.EventPullRequest, forge.EventPullRequestClosed, forge.EventComment:
		checkPullRequest(bad, e)
	default:
		bad("unknown kind")
	}
}

type complain func(format string, args ...any)

func checkRepository(bad complain, r forge.Repository) {
	if r.ID == "" || !nameShape.MatchString(r.FullName) || strings.Contains(r.FullName, "..") && strings.Contains("/"+r.FullName+"/", "/../") {
		bad("repository %q with id %q", r.FullName, r.ID)
	}
	if r.CloneURL == "" {
		bad("repository has no clone URL")
	}
}

func checkCommit(bad complain, field, id string) {
	if !hexID.MatchString(id) || nullCommit.MatchString(id) {
		bad("%s is %q", field, id)
	}
}

func checkRef(bad complain, ref string) {
	if !branchRef.MatchString(ref) || strings.Contains(ref, "..") || strings.Contains(ref, "@{") ||
		strings.Contains(ref, "//") || strings.HasSuffix(ref, "/") || strings.HasSuffix(ref, ".lock") || !utf8.ValidString(ref) {
		bad("ref is %q", ref)
	}
}

func checkPullRequest(bad complain, e forge.Event) {
	pr := e.PullRequest
	if pr == nil || pr.Number <= 0 {
		bad("there is no pull request")
		return
	}
	if e.Ref != fmt.Sprintf("refs/pull/%d/head", pr.Number) {
		bad("ref is %q", e.Ref)
	}
	if e.Kind == forge.EventPullRequest {
		checkRef(bad, "refs/heads/"+pr.BaseBranch)
		checkCommit(bad, "head", pr.Head)
	}
	if pr.HeadRepository.ID != "" {
		checkRepository(bad, pr.HeadRepository)
	}
	if strings.ContainsAny(pr.Title+pr.Author, "\x00\n\r\x1b") || utf8.RuneCountInString(pr.Title) > 255 {
		bad("title or author is not a short line")
	}
	if e.Kind != forge.EventComment {
		return
	}
	if c := e.Comment; c == nil || c.ID <= 0 || c.Author == "" || strings.Contains(c.Body, "\x00") || len(c.Body) > 4*65536 {
		bad("comment %+v", c)
	}
}
