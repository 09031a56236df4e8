package webhooks_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/forge/forgejo"
	"github.com/distbot/distbot/forge/forgetest"
	"github.com/distbot/distbot/forge/github"
	"github.com/distbot/distbot/forge/plaingit"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/webhooks"
)

// The secrets of the endpoints: the second one is being phased in.
var (
	secret    = forge.Secret("correct horse battery staple")
	newSecret = forge.Secret("staple battery horse correct")
)

// door is a front door with one endpoint of each kind.
type door struct {
	url  string
	pool *pgxpool.Pool
	log  *logBuffer
	// gitRoot holds the repositories of kind git.
	gitRoot string
}

// logBuffer keeps what is logged.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// open opens a front door on a new database.
func open(tb testing.TB, allow ...string) *door {
	tb.Helper()
	return openOn(tb, dbtest.New(tb), allow...)
}

func openOn(tb testing.TB, pool *pgxpool.Pool, allow ...string) *door {
	tb.Helper()
	d := &door{pool: pool, log: &logBuffer{}, gitRoot: tb.TempDir()}
	if err := os.MkdirAll(filepath.Join(d.gitRoot, "rpms", "hello.git"), 0o755); err != nil {
		tb.Fatal(err)
	}
	gitea, err := forgejo.New(forgejo.Config{URL: forgetest.GiteaOrigin})
	if err != nil {
		tb.Fatal(err)
	}
	hub, err := github.New(github.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	plain, err := plaingit.New(plaingit.Config{Root: d.gitRoot})
	if err != nil {
		tb.Fatal(err)
	}
	secrets := []forge.Secret{secret, newSecret}
	handler, err := webhooks.New(pool, queuetest.Inserter(tb, pool), []webhooks.Endpoint{
		{Name: "gitea", Forge: gitea, Secrets: secrets, Allow: allow},
		{Name: "github", Forge: hub, Secrets: secrets, Allow: allow},
		{Name: "git", Forge: plain, Secrets: secrets, Allow: allow},
	}, slog.New(slog.NewTextHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		tb.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/{forge}", handler)
	server := httptest.NewServer(mux)
	tb.Cleanup(server.Close)
	d.url = server.URL
	return d
}

// signatureHeader is where each kind of forge signs, and what precedes the hex.
var signatureHeader = map[string][2]string{
	"gitea":  {"X-Gitea-Signature", ""},
	"github": {"X-Hub-Signature-256", "sha256="},
	"git":    {plaingit.SignatureHeader, "sha256="},
}

// signed is a recording signed for an endpoint, without any other signature.
func signed(endpoint string, r forgetest.Recording, secret forge.Secret) forgetest.Recording {
	for _, header := range []string{"X-Gitea-Signature", "X-Gogs-Signature", "X-Hub-Signature", "X-Hub-Signature-256"} {
		r = r.With(header)
	}
	h := signatureHeader[endpoint]
	return r.Signed(h[0], h[1], secret)
}

// giteaPush is a push recorded from Gitea, signed anew.
func giteaPush(tb testing.TB) forgetest.Recording {
	tb.Helper()
	return signed("gitea", forgetest.GiteaRecording(tb, "003-push-commit-push.json"), secret)
}

// githubPush is GitHub's example of a push to a branch.
func githubPush(tb testing.TB) forgetest.Recording {
	tb.Helper()
	return signed("github", forgetest.GitHubExample(tb, "github-derived/push/01-update.json"), secret)
}

// gitPush is what our own hook posts.
func gitPush(n int) forgetest.Recording {
	r := forgetest.Recording{
		Header: http.Header{
			"Content-Type": {"application/json"}, plaingit.EventHeader: {plaingit.EventPush}, plaingit.DeliveryHeader: {fmt.Sprintf("push-%d", n)},
		},
		Body: fmt.Appendf(nil, `{"repository":"rpms/hello","ref":"refs/heads/f37","before":%q,"after":%q,"pusher":"pat"}`, queuetest.Commit(n), queuetest.Commit(n+1)),
	}
	return signed("git", r, secret)
}

// reply is the answer to a delivery.
type reply struct {
	Code     int
	Status   string
	Reason   string
	Delivery int64
}

// post sends a delivery.
func (d *door) post(tb testing.TB, endpoint string, r forgetest.Recording) reply {
	tb.Helper()
	code, _, body := d.send(tb, endpoint, r)
	answer := reply{Code: code}
	var fields struct {
		Status   string
		Reason   string
		Delivery int64
	}
	if err := json.Unmarshal(body, &fields); err != nil {
		tb.Fatalf("the answer %d is no JSON: %q", code, body)
	}
	answer.Status, answer.Reason, answer.Delivery = fields.Status, fields.Reason, fields.Delivery
	return answer
}

func (d *door) send(tb testing.TB, endpoint string, r forgetest.Recording) (code int, header http.Header, body []byte) {
	tb.Helper()
	request, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, d.url+"/webhooks/"+endpoint, bytes.NewReader(r.Body))
	if err != nil {
		tb.Fatal(err)
	}
	request.Header = r.Header.Clone()
	for _, name := range []string{"Host", "Content-Length"} {
		request.Header.Del(name)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		tb.Fatal(err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return response.StatusCode, response.Header, body
}

// stored counts the deliveries by state, and the jobs that plan them.
func (d *door) stored(tb testing.TB) string {
	tb.Helper()
	states := queuetest.Values[string](tb, d.pool, "select state || ' ' || count(*) from deliveries group by state order by 1")
	jobs := queuetest.Value[int](tb, d.pool, "select count(*) from river_job where kind = 'distgit.plan'")
	return fmt.Sprintf("%s, jobs %d", strings.Join(states, ", "), jobs)
}

// wantStored compares what is stored.
func (d *door) wantStored(tb testing.TB, want string) {
	tb.Helper()
	if diff := cmp.Diff(want, d.stored(tb)); diff != "" {
		tb.Errorf("stored (-want +got):\n%s", diff)
	}
}

const nothing = ", jobs 0"

func TestDelivery(t *testing.T) {
	t.Parallel()

	t.Run("is stored with its exact body and planned by a job", func(t *testing.T) {
		t.Parallel()
		for endpoint, push := range map[string]forgetest.Recording{"gitea": giteaPush(t), "github": githubPush(t), "git": gitPush(0)} {
			d := open(t)
			got := d.post(t, endpoint, push)
			if got.Code != http.StatusAccepted || got.Status != "received" {
				t.Errorf("%s: answer %+v, want 202 received", endpoint, got)
			}
			d.wantStored(t, "received 1, jobs 1")
			if body := queuetest.Value[[]byte](t, d.pool, "select body from deliveries where id = $1", got.Delivery); !bytes.Equal(body, push.Body) {
				t.Errorf("%s: the stored body is not the one that was sent", endpoint)
			}
			job := queuetest.Value[int64](t, d.pool, "select (args->>'delivery_id')::bigint from river_job where kind = 'distgit.plan'")
			if job != got.Delivery {
				t.Errorf("%s: the job plans delivery %d, want %d", endpoint, job, got.Delivery)
			}
		}
	})

	t.Run("is stored with what planning needs of its headers and no signature", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		push := giteaPush(t).With("Authorization", "Bearer sesame").With("Cookie", "session=sesame").With("X-Gitea-Event-Token", "sesame")
		d.post(t, "gitea", push)
		headers := queuetest.Value[string](t, d.pool, "select headers::text from deliveries")
		for _, secret := range []string{"sesame", "Signature", push.Header.Get("X-Gitea-Signature")} {
			if strings.Contains(headers, secret) {
				t.Errorf("the stored headers hold %q: %s", secret, headers)
			}
		}
		stored := http.Header{}
		var values map[string]string
		if err := json.Unmarshal([]byte(headers), &values); err != nil {
			t.Fatal(err)
		}
		for name, value := range values {
			stored.Set(name, value)
		}
		gitea, err := forgejo.New(forgejo.Config{URL: forgetest.GiteaOrigin})
		if err != nil {
			t.Fatal(err)
		}
		event, err := gitea.Parse(stored, push.Body)
		if err != nil || event.Ref != "refs/heads/rawhide" {
			t.Errorf("what is stored reads as %+v, %v; want the push", event, err)
		}
	})

	t.Run("of each recorded Gitea event is answered by what it asks for", func(t *testing.T) {
		t.Parallel()
		corpus(t, "gitea", "gitea", forgetest.GiteaRecordings(t))
	})

	t.Run("of each GitHub example is answered by what it asks for", func(t *testing.T) {
		t.Parallel()
		corpus(t, "github", "github", forgetest.GitHubExamples(t))
	})

	t.Run("of an event nobody knows is stored as ignored", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		push := giteaPush(t).With("X-Gitea-Event", "moon_phase")
		if got := d.post(t, "gitea", push); got.Code != http.StatusOK || got.Status != "ignored" {
			t.Errorf("answer %+v, want 200 ignored", got)
		}
		d.wantStored(t, "ignored 1, jobs 0")
	})

	t.Run("that tests a hook is stored as ignored", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		push := signed("gitea", giteaPush(t).Edit(t, func(body map[string]any) { body["before"] = body["after"] }), secret)
		if got := d.post(t, "gitea", push); got.Code != http.StatusOK || got.Status != "ignored" || !strings.Contains(got.Reason, "test delivery") {
			t.Errorf("answer %+v, want 200 ignored as a test delivery", got)
		}
		d.wantStored(t, "ignored 1, jobs 0")
	})

	t.Run("of a repository outside the allow list is stored as ignored", func(t *testing.T) {
		t.Parallel()
		for allow, want := range map[string]string{
			"rpms": "received", "rpms/hello": "received", "rpm": "ignored", "rpms/hell": "ignored", "rpms/hello-world": "ignored", "hello": "ignored",
		} {
			d := open(t, "modules", allow)
			if got := d.post(t, "gitea", giteaPush(t)); got.Status != want {
				t.Errorf("allowed are modules and %s: answer %+v, want %s", allow, got, want)
			}
		}
	})

	t.Run("that was ignored does not stand in the way of the same push later", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		if got := openOn(t, pool, "elsewhere").post(t, "gitea", giteaPush(t)); got.Status != "ignored" {
			t.Fatalf("answer %+v, want ignored", got)
		}
		d := openOn(t, pool)
		if got := d.post(t, "gitea", giteaPush(t).With("X-Gitea-Delivery", "second-hook")); got.Status != "received" {
			t.Errorf("answer %+v, want received", got)
		}
		d.wantStored(t, "ignored 1, received 1, jobs 1")
	})

	t.Run("speaks for whatever repository it names, as whoever has the secret may", func(t *testing.T) {
		t.Parallel()
		// Nothing at the door can tell: the id comes from the signed body, and
		// one secret serves a whole forge. What it can't do is name another
		// forge's repository.
		d := open(t)
		push := signed("gitea", giteaPush(t).Edit(t, func(body map[string]any) {
			body["repository"].(map[string]any)["id"] = 4711
		}), secret)
		if got := d.post(t, "gitea", push); got.Code != http.StatusAccepted {
			t.Errorf("answer %+v, want 202", got)
		}
		spoofed := signed("gitea", giteaPush(t).Edit(t, func(body map[string]any) {
			body["repository"].(map[string]any)["clone_url"] = "https://evil.example.org/rpms/hello.git"
		}), secret)
		if got := d.post(t, "gitea", spoofed); got.Code != http.StatusBadRequest {
			t.Errorf("a clone URL of another host: answer %+v, want 400", got)
		}
		d.wantStored(t, "received 1, jobs 1")
	})
}

// corpus posts every recording and compares the answer with the table of what
// each of them means.
func corpus(t *testing.T, endpoint, table string, recordings []forgetest.Recording) {
	t.Helper()
	d := open(t)
	expected := forgetest.Expectations(t, table)
	for i, r := range recordings {
		outcome := expected[r.Name]["outcome"]
		// Two forges must not agree on ids.
		r = r.With("Content-Type", "application/json")
		if endpoint == "gitea" {
			r = r.With("X-Gitea-Delivery", fmt.Sprintf("delivery-%d", i))
		}
		got := d.post(t, endpoint, signed(endpoint, r, secret))
		switch {
		case outcome == "":
			t.Errorf("%s is not in the table", r.Name)
		case strings.HasPrefix(outcome, "ignored"):
			if got.Code != http.StatusOK || got.Status != "ignored" {
				t.Errorf("%s: answer %+v, want 200 ignored", r.Name, got)
			}
		case strings.HasPrefix(outcome, "malformed"):
			if got.Code != http.StatusBadRequest {
				t.Errorf("%s: answer %+v, want 400", r.Name, got)
			}
		case got.Code == http.StatusAccepted && got.Status == "received":
		case got.Code == http.StatusOK && got.Status == "duplicate" && (outcome == "push" || outcome == "branch_delete"):
			// The same effect as an earlier one: create and push of a branch.
		default:
			t.Errorf("%s (%s): answer %+v, want 202 received", r.Name, outcome, got)
		}
	}
	received := queuetest.Value[int](t, d.pool, "select count(*) from deliveries where state = 'received'")
	jobs := queuetest.Value[int](t, d.pool, "select count(*) from river_job where kind = 'distgit.plan'")
	if received == 0 || received != jobs {
		t.Errorf("%d deliveries are received and %d jobs plan them, want as many", received, jobs)
	}
	t.Log(d.stored(t))
}
