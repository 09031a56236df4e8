package github_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/forge/forgetest"
	"github.com/distbot/distbot/forge/github"
)

const commit = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// newApp is a driver that is an App with this key.
func newApp(tb testing.TB, apiURL string, id int64, key []byte) *github.Forge {
	tb.Helper()
	f, err := github.New(github.Config{APIURL: apiURL, App: &github.App{ID: id, Key: func() (forge.Secret, error) { return key, nil }}})
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// appFixture is fixture for an App.
func appFixture(tb testing.TB) forgetest.Fixture {
	tb.Helper()
	f := fixture(tb)
	url := f.Server.APIURL
	f.Forge, f.Token = newApp(tb, url, forgetest.AppID, forgetest.AppKey(tb, forgetest.AppID)), forgetest.InstallationToken
	f.WithToken = func(tb testing.TB, token string) forge.Forge {
		tb.Helper()
		if token == forgetest.ReadToken {
			return newApp(tb, url, forgetest.ReaderAppID, forgetest.AppKey(tb, forgetest.ReaderAppID))
		}
		return newApp(tb, url, forgetest.AppID, forgetest.AppKey(tb, 0))
	}
	// A check run has no conclusion for an error, has a link and a title in any
	// case, and is not changed to what it is.
	f.Arrives = func(sent []forge.Status) (arrive []forge.Status) {
		for _, s := range sent {
			if s.State == forge.StateError && s.Finer != forge.FinerCanceled {
				s.State = forge.StateFailure
			}
			s.Finer, s.Run, s.Detail = "", "", nil
			if len(arrive) == 0 || arrive[len(arrive)-1] != s {
				arrive = append(arrive, s)
			}
		}
		return arrive
	}
	return f
}

func TestAGitHubAppKeepsTheContract(t *testing.T) {
	t.Parallel()
	forgetest.Exercise(t, func(t *testing.T) forgetest.Fixture { return appFixture(t) })
}

// appStage is an App and a fake GitHub with one repository.
type appStage struct {
	*github.Forge
	server *forgetest.Server
	repo   forge.Repository
}

func newAppStage(t *testing.T) appStage {
	t.Helper()
	server := forgetest.NewGitHub(t)
	server.AddCommit("rpms/hello", commit)
	return appStage{
		Forge:  newApp(t, server.APIURL, forgetest.AppID, forgetest.AppKey(t, forgetest.AppID)),
		server: server, repo: forge.Repository{FullName: "rpms/hello"},
	}
}

// set sends a status.
func (s appStage) set(t *testing.T, status forge.Status) {
	t.Helper()
	if err := s.SetStatus(t.Context(), s.repo, commit, status); err != nil {
		t.Fatalf("SetStatus = %v", err)
	}
}

// runs are the check runs as lines "ID NAME EXTERNAL-ID STATUS CONCLUSION ANNOTATIONS".
func (s appStage) runs() (lines []string) {
	for _, run := range s.server.CheckRuns("rpms/hello", commit) {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%d %s %s %s %s %d", run.ID, run.Name, run.ExternalID, run.Status, run.Conclusion, len(run.Annotations))))
	}
	return lines
}

// of is a status of a run.
func of(run string, state forge.State, finer forge.FinerState) forge.Status {
	return forge.Status{
		Context: "f37", Run: run, State: state, Finer: finer, Description: string(state) + string(finer),
		TargetURL: "https://distbot.example.org/builds/1",
	}
}

// annotated is a status with an annotation.
func annotated(status forge.Status) forge.Status {
	status.Detail = &forge.Detail{Summary: "why", Annotations: []forge.Annotation{{Path: "hello.spec", Line: 3, Level: forge.LevelFailure, Message: "this"}}}
	return status
}

func TestOneCheckRunGoesThroughABuild(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		sent []forge.Status
		want []string
	}{
		{
			"From queued to completed",
			[]forge.Status{
				of("1", forge.StatePending, forge.FinerQueued), of("1", forge.StatePending, ""), annotated(of("1", forge.StateFailure, "")),
			},
			[]string{"1 f37 1 completed failure 1"},
		},
		{"An error", []forge.Status{of("1", forge.StatePending, ""), of("1", forge.StateError, "")}, []string{"1 f37 1 completed failure 0"}},
		{"Skipped", []forge.Status{of("1", forge.StateSuccess, forge.FinerSkipped)}, []string{"1 f37 1 completed skipped 0"}},
		{"Neutral", []forge.Status{of("1", forge.StateSuccess, forge.FinerNeutral)}, []string{"1 f37 1 completed neutral 0"}},
		{"Canceled", []forge.Status{of("1", forge.StateError, forge.FinerCanceled)}, []string{"1 f37 1 completed cancelled 0"}},
		{
			"A build that another one overtook",
			[]forge.Status{of("1", forge.StatePending, ""), of("2", forge.StatePending, forge.FinerQueued)},
			[]string{"1 f37 2 queued  0"},
		},
		{
			"A build after one that failed",
			[]forge.Status{annotated(of("1", forge.StateFailure, "")), of("2", forge.StatePending, ""), of("2", forge.StateSuccess, "")},
			[]string{"1 f37 1 completed failure 1", "2 f37 2 completed success 0"},
		},
		{
			"A push that became no build, read again",
			[]forge.Status{of("", forge.StateError, ""), of("", forge.StateFailure, "")},
			[]string{"1 f37  completed failure 0"},
		},
		{
			"Annotations that change",
			[]forge.Status{annotated(of("1", forge.StateFailure, "")), annotated(of("1", forge.StateFailure, forge.FinerNeutral))},
			[]string{"1 f37 1 completed failure 1", "2 f37 1 completed neutral 1"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newAppStage(t)
			for _, status := range test.sent {
				// Whatever is sent again is the same afterwards.
				s.set(t, status)
				s.set(t, status)
			}
			if diff := cmp.Diff(test.want, s.runs()); diff != "" {
				t.Errorf("check runs (-want +got):\n%s", diff)
			}
			if posted := s.server.Posted("rpms/hello", commit); len(posted) != len(test.sent) {
				t.Errorf("%d statuses became %d changes", len(test.sent), len(posted))
			}
		})
	}
	t.Run("Of each name, beside other Apps'", func(t *testing.T) {
		t.Parallel()
		s := newAppStage(t)
		s.server.AddCheckRun("rpms/hello", forgetest.CheckRun{AppID: forgetest.ReaderAppID, HeadSHA: commit, Name: "f37", Status: "in_progress"})
		for _, name := range []string{"f37", "f37/x86_64", "f37"} {
			status := of("1", forge.StatePending, "")
			status.Context = name
			s.set(t, status)
		}
		want := []string{"1 f37  in_progress  0", "2 f37 1 in_progress  0", "3 f37/x86_64 1 in_progress  0"}
		if diff := cmp.Diff(want, s.runs()); diff != "" {
			t.Errorf("check runs (-want +got):\n%s", diff)
		}
	})
}

// lost answers nothing once the request was taken.
type lost struct {
	base http.RoundTripper
	left atomic.Int64
}

func (l *lost) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.base.RoundTrip(req)
	if err == nil && req.Method != http.MethodGet && strings.Contains(req.URL.Path, "/check-runs") && l.left.Add(-1) >= 0 {
		resp.Body.Close()
		return nil, errors.New("connection reset")
	}
	return resp, err
}

func TestACheckRunWhoseAnswerIsLostIsNotMadeTwice(t *testing.T) {
	t.Parallel()
	s := newAppStage(t)
	key := forgetest.AppKey(t, forgetest.AppID)
	transport := &lost{base: http.DefaultTransport}
	driver, err := github.New(github.Config{
		APIURL: s.server.APIURL, App: &github.App{ID: forgetest.AppID, Key: func() (forge.Secret, error) { return key, nil }},
		HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []forge.Status{of("1", forge.StatePending, ""), annotated(of("1", forge.StateFailure, ""))} {
		transport.left.Store(1)
		err := driver.SetStatus(t.Context(), s.repo, commit, status)
		if _, retry := errors.AsType[*forge.RetryError](err); !retry {
			t.Fatalf("SetStatus = %v, want *forge.RetryError", err)
		}
		if err := driver.SetStatus(t.Context(), s.repo, commit, status); err != nil {
			t.Fatalf("SetStatus again = %v", err)
		}
	}
	if diff := cmp.Diff([]string{"1 f37 1 completed failure 1"}, s.runs()); diff != "" {
		t.Errorf("check runs (-want +got):\n%s", diff)
	}
}

// TestEachRequestOfAnAppMayFail makes each of the requests fail that bring a
// first status: where the App is installed, its token, what is there, the run.
func TestEachRequestOfAnAppMayFail(t *testing.T) {
	t.Parallel()
	for n, request := range []string{"installation", "token", "list", "run"} {
		for name, test := range map[string]struct {
			fault forgetest.Fault
			want  string
			after time.Duration
		}{
			"is broken":             {forgetest.Fault{Status: 502, Body: "<html>"}, "retry", 0},
			"is dropped":            {forgetest.Fault{Drop: true}, "retry", 0},
			"is too much":           {forgetest.Fault{Status: 429, Header: http.Header{"Retry-After": {"30"}}}, "retry", 30 * time.Second},
			"is of another hour":    {forgetest.Fault{Status: 403, Header: http.Header{"X-Ratelimit-Remaining": {"0"}}}, "retry", 0},
			"is a secondary burden": {forgetest.Fault{Status: 403, Body: `{"message":"You have exceeded a secondary rate limit"}`}, "retry", 0},
			"is forbidden":          {forgetest.Fault{Status: 403, Body: `{"message":"This installation has been suspended"}`}, "final", 0},
			"is gone":               {forgetest.Fault{Status: 404}, "gone", 0},
			"is nonsense":           {forgetest.Fault{Status: 422, Body: `{"message":"Invalid request."}`}, "final", 0},
		} {
			t.Run(request+" that "+name, func(t *testing.T) {
				t.Parallel()
				s := newAppStage(t)
				// Twice, since net/http asks again by itself when a connection breaks
				// that was used before.
				s.server.FailAfter(n, test.fault, test.fault)
				err := s.SetStatus(t.Context(), s.repo, commit, of("1", forge.StatePending, ""))
				retry, again := errors.AsType[*forge.RetryError](err)
				got := "final"
				if again {
					got = "retry"
				} else if errors.Is(err, forge.ErrNotFound) {
					got = "gone"
				}
				if err == nil || got != test.want || again && retry.After != test.after {
					t.Errorf("SetStatus = %v, want %s after %s", err, test.want, test.after)
				}
				s.server.Heal()
				s.set(t, of("1", forge.StatePending, ""))
				if diff := cmp.Diff([]string{"1 f37 1 in_progress  0"}, s.runs()); diff != "" {
					t.Errorf("check runs (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestTokensOfInstallations(t *testing.T) {
	t.Parallel()
	pending := of("1", forge.StatePending, "")

	t.Run("are made once for all of an account", func(t *testing.T) {
		t.Parallel()
		s := newAppStage(t)
		s.server.AddCommit("RPMS/world", commit)
		for _, name := range []string{"rpms/hello", "RPMS/world", "rpms/hello"} {
			if err := s.SetStatus(t.Context(), forge.Repository{FullName: name}, commit, pending); err != nil {
				t.Fatal(err)
			}
		}
		if n := s.server.TokensMade(); n != 1 {
			t.Errorf("%d tokens were made, want 1", n)
		}
		s.server.AddCommit("other/hello", commit)
		if err := s.SetStatus(t.Context(), forge.Repository{FullName: "other/hello"}, commit, pending); err != nil {
			t.Fatal(err)
		}
		if n := s.server.TokensMade(); n != 2 {
			t.Errorf("%d tokens were made for two accounts, want 2", n)
		}
	})
	t.Run("are made anew before they end", func(t *testing.T) {
		t.Parallel()
		s := newAppStage(t)
		s.server.LetTokensLive(5 * time.Minute)
		s.set(t, pending)
		_, first, err := s.CloneAuth(t.Context(), s.repo)
		if err != nil {
			t.Fatal(err)
		}
		s.server.LetTokensLive(time.Hour)
		_, second, err := s.CloneAuth(t.Context(), s.repo)
		if err != nil || first == second {
			t.Errorf("CloneAuth = %v with a token that is about to end", err)
		}
		_, third, err := s.CloneAuth(t.Context(), s.repo)
		if err != nil || second != third || s.server.TokensMade() != 3 {
			t.Errorf("CloneAuth = %v, %d tokens were made, want 3", err, s.server.TokensMade())
		}
	})
	t.Run("are made anew when GitHub takes them back", func(t *testing.T) {
		t.Parallel()
		s := newAppStage(t)
		s.set(t, pending)
		s.server.RevokeTokens()
		s.set(t, of("1", forge.StateSuccess, ""))
		if got, err := s.Statuses(t.Context(), s.repo, commit); err != nil || len(got) != 1 {
			t.Errorf("Statuses = %v, %v", got, err)
		}
	})
	t.Run("are asked for twice at most", func(t *testing.T) {
		t.Parallel()
		s := newAppStage(t)
		s.set(t, pending)
		for range 10 {
			s.server.Fail(forgetest.Fault{Status: 401})
		}
		before := s.server.Requests()
		err := s.SetStatus(t.Context(), s.repo, commit, of("1", forge.StateSuccess, ""))
		if _, retry := errors.AsType[*forge.RetryError](err); err == nil || retry || s.server.Requests() != before+2 {
			t.Errorf("SetStatus = %v after %d requests, want an error", err, s.server.Requests()-before)
		}
	})
	t.Run("are refused where the App is not installed", func(t *testing.T) {
		t.Parallel()
		s := newAppStage(t)
		s.set(t, pending)
		s.server.Uninstall("rpms")
		if err := s.SetStatus(t.Context(), s.repo, commit, of("1", forge.StateSuccess, "")); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("SetStatus = %v, want ErrNotFound", err)
		}
		if user, password, err := s.CloneAuth(t.Context(), s.repo); !errors.Is(err, forge.ErrNotFound) || user+password != "" {
			t.Errorf("CloneAuth = %q, %q, %v, want ErrNotFound", user, password, err)
		}
	})
	t.Run("are not waited for when the caller gives up", func(t *testing.T) {
		t.Parallel()
		s := newAppStage(t)
		s.server.Fail(forgetest.Fault{Hold: true})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, _, err := s.CloneAuth(ctx, s.repo); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("CloneAuth = %v, want context.DeadlineExceeded", err)
		}
	})
}

func TestAnAppIsConfiguredWithAKey(t *testing.T) {
	t.Parallel()
	good := forgetest.AppKey(t, forgetest.AppID)
	block, _ := pem.Decode(good)
	odd := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: block.Bytes[:100]}))
	key := func(text string) func() (forge.Secret, error) {
		return func() (forge.Secret, error) { return forge.Secret(text), nil }
	}
	for name, config := range map[string]github.Config{
		"no ID":           {App: &github.App{Key: key(string(good))}},
		"no key":          {App: &github.App{ID: 1}},
		"no PEM":          {App: &github.App{ID: 1, Key: key("secret")}},
		"half a key":      {App: &github.App{ID: 1, Key: key(odd)}},
		"a missing file":  {App: &github.App{ID: 1, Key: func() (forge.Secret, error) { return nil, errors.New("no such file") }}},
		"a token as well": {App: &github.App{ID: 1, Key: key(string(good))}, Token: func() (string, error) { return "t", nil }},
	} {
		_, err := github.New(config)
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "MII") {
			t.Errorf("New with %s = %v, want an error without the key", name, err)
		}
	}
}

// TestAKeyMayBeReplaced hands out the key of another App at first.
func TestAKeyMayBeReplaced(t *testing.T) {
	t.Parallel()
	server := forgetest.NewGitHub(t)
	server.AddCommit("rpms/hello", commit)
	keys := [][]byte{forgetest.AppKey(t, 0), forgetest.AppKey(t, forgetest.AppID)}
	var now atomic.Int64
	f, err := github.New(github.Config{APIURL: server.APIURL, App: &github.App{
		ID: forgetest.AppID, Key: func() (forge.Secret, error) { return keys[now.Load()], nil },
	}})
	if err != nil {
		t.Fatal(err)
	}
	repo, status := forge.Repository{FullName: "rpms/hello"}, of("1", forge.StatePending, "")
	if err := f.SetStatus(t.Context(), repo, commit, status); err == nil || !strings.Contains(err.Error(), "app_id and key_file") {
		t.Errorf("SetStatus = %v, want that the key is another App's", err)
	}
	now.Store(1)
	if err := f.SetStatus(t.Context(), repo, commit, status); err != nil {
		t.Errorf("SetStatus with the key = %v", err)
	}
}

func TestAnAppIsForgivenAClockThatGoesWrong(t *testing.T) {
	t.Parallel()
	server := forgetest.NewGitHub(t)
	server.AddCommit("rpms/hello", commit)
	key := forgetest.AppKey(t, forgetest.AppID)
	for skew, fine := range map[time.Duration]bool{30 * time.Second: true, -30 * time.Second: true, -time.Hour: false, time.Hour: false} {
		f, err := github.New(github.Config{
			APIURL: server.APIURL, App: &github.App{ID: forgetest.AppID, Key: func() (forge.Secret, error) { return key, nil }},
			Now: func() time.Time { return time.Now().Add(skew) },
		})
		if err != nil {
			t.Fatal(err)
		}
		err = f.SetStatus(t.Context(), forge.Repository{FullName: "rpms/hello"}, commit, of("1", forge.StatePending, ""))
		if (err == nil) != fine {
			t.Errorf("SetStatus with a clock that is off by %s = %v", skew, err)
		}
	}
}
