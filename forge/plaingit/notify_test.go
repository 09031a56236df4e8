package plaingit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/forge/forgetest"
	"github.com/distbot/distbot/forge/plaingit"
)

const secret = "between hook and hub"

// hub is a front door that verifies and parses with the real driver, and
// answers with the codes it was given before it takes a delivery.
type hub struct {
	*httptest.Server
	forge *plaingit.Forge

	mu      sync.Mutex
	answers []int
	ids     []string
	taken   []forge.Event
}

func newHub(t *testing.T, root string, answers ...int) *hub {
	t.Helper()
	h := &hub{forge: newForge(t, plaingit.Config{Root: root}), answers: answers}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ids = append(h.ids, r.Header.Get(plaingit.DeliveryHeader))
	if len(h.answers) > 0 {
		code := h.answers[0]
		h.answers = h.answers[1:]
		if code >= 300 && code < 400 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(code)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, plaingit.MaxBody+1))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if h.forge.Verify(r.Header, body, []forge.Secret{forge.Secret(secret)}) != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	event, err := h.forge.Parse(r.Header, body)
	switch forgetest.Outcome(err) {
	case "event":
		h.taken = append(h.taken, event)
	case "ignored":
	default:
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// delivered returns the ids of all requests and the events that were taken.
func (h *hub) delivered() (ids []string, taken []forge.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.ids), slices.Clone(h.taken)
}

// bench is one repository with its notifier and hub.
type bench struct {
	notifier *plaingit.Notifier
	hub      *hub
	terminal *bytes.Buffer
	repo     string
}

func newBench(t *testing.T, answers ...int) *bench {
	t.Helper()
	root := newRoot(t)
	b := &bench{hub: newHub(t, root, answers...), terminal: &bytes.Buffer{}, repo: filepath.Join(root, "rpms", "hello.git")}
	b.notifier = &plaingit.Notifier{
		RepoDir: b.repo,
		Config:  plaingit.HookConfig{URL: b.hub.URL, Repository: "rpms/hello", SecretFile: writeSecret(t, secret)},
		Pusher:  "pat", Terminal: b.terminal, Pause: time.Millisecond,
	}
	return b
}

func writeSecret(t *testing.T, value string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(value+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (b *bench) notify(t *testing.T, lines ...string) error {
	t.Helper()
	return b.notifier.Notify(t.Context(), strings.NewReader(strings.Join(lines, "")))
}

// waiting is how many pushes the repository's spool holds.
func (b *bench) waiting(t *testing.T) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(b.repo, plaingit.SpoolDir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func (b *bench) ids() []string {
	ids, _ := b.hub.delivered()
	return ids
}

func (b *bench) taken() []forge.Event {
	_, taken := b.hub.delivered()
	return taken
}

func (b *bench) refs() []string {
	var refs []string
	for _, event := range b.taken() {
		refs = append(refs, event.Ref)
	}
	return refs
}

func line(before, after, ref string) string { return before + " " + after + " " + ref + "\n" }

func TestNotify(t *testing.T) {
	t.Parallel()
	t.Run("each ref of a push is one delivery with its own id", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		err := b.notify(t, line(commitA, commitB, "refs/heads/f37"), line(zeros, commitB, "refs/heads/f38"), line(zeros, commitB, "refs/tags/v1"))
		if err != nil {
			t.Fatalf("Notify = %v", err)
		}
		if diff := cmp.Diff([]string{"refs/heads/f37", "refs/heads/f38"}, b.refs()); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if ids := b.ids(); len(ids) != 3 || ids[0] == ids[1] || ids[1] == ids[2] {
			t.Errorf("ids = %q, want three", ids)
		}
		if b.taken()[0].Sender != "pat" || b.waiting(t) != 0 {
			t.Errorf("event %+v, %d waiting", b.taken()[0], b.waiting(t))
		}
		if got := b.terminal.String(); !strings.Contains(got, "took 3 of 3 ref update(s) of rpms/hello") {
			t.Errorf("terminal: %q", got)
		}
	})
	t.Run("a hub that stumbles is asked again with the same id", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, 503, 429, 500)
		if err := b.notify(t, line(commitA, commitB, "refs/heads/f37")); err != nil {
			t.Fatalf("Notify = %v", err)
		}
		if ids := b.ids(); len(ids) != 4 || ids[0] != ids[3] {
			t.Errorf("ids = %q, want the same one four times", ids)
		}
	})
	t.Run("while the hub is down pushes wait and go out in order", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		address := b.hub.Listener.Addr().String()
		b.hub.Close()
		b.notifier.Patience = 20 * time.Millisecond
		now := time.Unix(1_800_000_000, 0)
		b.notifier.Now = func() time.Time { now = now.Add(time.Second); return now }
		for _, branch := range []string{"f37", "f38"} {
			if err := b.notify(t, line(commitA, commitB, "refs/heads/"+branch)); err == nil {
				t.Error("Notify = nil while the hub is down")
			}
		}
		if b.waiting(t) != 2 || !strings.Contains(b.terminal.String(), "2 push(es) wait in distbot-spool") {
			t.Errorf("%d waiting, terminal: %q", b.waiting(t), b.terminal)
		}
		b.notifier.Patience = time.Minute
		up := newHub(t, filepath.Dir(filepath.Dir(b.repo)))
		b.hub, b.notifier.Config.URL = up, up.URL
		if err := b.notify(t, line(commitA, commitB, "refs/heads/rawhide")); err != nil {
			t.Fatalf("Notify = %v (the hub was at %s)", err, address)
		}
		if diff := cmp.Diff([]string{"refs/heads/f37", "refs/heads/f38", "refs/heads/rawhide"}, b.refs()); diff != "" || b.waiting(t) != 0 {
			t.Errorf("events (-want +got), %d waiting:\n%s", b.waiting(t), diff)
		}
	})
	t.Run("a push is not held up where nobody listens", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		b.hub.Close()
		// With a second attempt it would never come back.
		b.notifier.Patience, b.notifier.Pause = 24*time.Hour, 24*time.Hour
		ended := make(chan error, 1)
		go func() {
			ended <- b.notifier.Notify(t.Context(), strings.NewReader(line(commitA, commitB, "refs/heads/f37")))
		}()
		select {
		case err := <-ended:
			if err == nil {
				t.Error("Notify = nil while nobody listens")
			}
		case <-time.After(30 * time.Second):
			t.Fatal("Notify still waits after 30 s")
		}
		want := "distbot: distbot does not run at " + b.hub.URL + " (connection refused)\n" +
			"distbot: git has taken your push; 1 push(es) wait in distbot-spool and are sent with the next one\n" +
			"distbot: when it starts, and from time to time, distbot also looks for new commits on the branches it has seen before\n"
		if diff := cmp.Diff(want, b.terminal.String()); diff != "" || b.waiting(t) != 1 {
			t.Errorf("%d pushes wait; terminal (-want +got):\n%s", b.waiting(t), diff)
		}
	})
	t.Run("Flush sends what waits", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, 401)
		if err := b.notify(t, line(commitA, commitB, "refs/heads/f37")); err == nil || b.waiting(t) != 1 {
			t.Fatalf("Notify = %v, %d waiting", err, b.waiting(t))
		}
		if err := b.notifier.Flush(t.Context()); err != nil || b.waiting(t) != 0 {
			t.Errorf("Flush = %v, %d waiting", err, b.waiting(t))
		}
		if ids := b.ids(); len(ids) != 2 || ids[0] != ids[1] {
			t.Errorf("ids = %q, want the same one twice", ids)
		}
	})
	for _, code := range []int{401, 403, 404, 301, 307} {
		t.Run("a fault in the set-up is not tried again at once, and kept: "+http.StatusText(code), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, code)
			if err := b.notify(t, line(commitA, commitB, "refs/heads/f37")); err == nil {
				t.Error("Notify = nil")
			}
			if len(b.ids()) != 1 || b.waiting(t) != 1 {
				t.Errorf("%d requests, %d waiting, want one each", len(b.ids()), b.waiting(t))
			}
		})
	}
	t.Run("what the hub will never take does not hold up the rest", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		if err := b.notify(t, line(commitA, commitB, "refs/heads/-x"), line(commitA, commitB, "refs/heads/f37")); err != nil {
			t.Fatalf("Notify = %v", err)
		}
		if diff := cmp.Diff([]string{"refs/heads/f37"}, b.refs()); diff != "" || b.waiting(t) != 0 {
			t.Errorf("events (-want +got), %d waiting:\n%s", b.waiting(t), diff)
		}
		if got := b.terminal.String(); !strings.Contains(got, "refs/heads/-x is not built") || !strings.Contains(got, "took 1 of 2") {
			t.Errorf("terminal: %q", got)
		}
	})
}

func TestNotifyKeepsTheSecret(t *testing.T) {
	t.Parallel()
	b := newBench(t, 401)
	err := b.notify(t, line(commitA, commitB, "refs/heads/f37"))
	if err == nil {
		t.Fatal("Notify = nil")
	}
	files, globErr := filepath.Glob(filepath.Join(b.repo, plaingit.SpoolDir, "*"))
	if globErr != nil || len(files) != 1 {
		t.Fatalf("spool: %v, %v", files, globErr)
	}
	spooled, readErr := os.ReadFile(files[0])
	if readErr != nil {
		t.Fatal(readErr)
	}
	for where, text := range map[string]string{"error": err.Error(), "terminal": b.terminal.String(), "spool": string(spooled)} {
		if strings.Contains(text, secret) {
			t.Errorf("the %s shows the secret: %s", where, text)
		}
	}
}

func TestNotifyWhenNothingCanBeKept(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	// A file where the spool's folder should be: as good as a full disk.
	if err := os.WriteFile(filepath.Join(b.repo, plaingit.SpoolDir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.notify(t, line(commitA, commitB, "refs/heads/f37")); err != nil || len(b.taken()) != 1 {
		t.Errorf("Notify = %v, %d taken, want the push to be sent all the same", err, len(b.taken()))
	}
	b.hub.Close()
	b.notifier.Patience = 20 * time.Millisecond
	if err := b.notify(t, line(commitA, commitB, "refs/heads/f37")); err == nil || !strings.Contains(b.terminal.String(), "push again later") {
		t.Errorf("Notify = %v, terminal: %q", err, b.terminal)
	}
}

func TestSpoolIsHostileInput(t *testing.T) {
	t.Parallel()
	spool := func(t *testing.T, content string) *bench {
		b := newBench(t)
		dir := filepath.Join(b.repo, plaingit.SpoolDir)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "00000000000000000001-x.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return b
	}
	t.Run("a damaged file is set aside and the rest goes on", func(t *testing.T) {
		t.Parallel()
		b := spool(t, "{")
		if err := b.notify(t, line(commitA, commitB, "refs/heads/f37")); err != nil || len(b.taken()) != 1 {
			t.Errorf("Notify = %v, %d taken", err, len(b.taken()))
		}
		if files, _ := filepath.Glob(filepath.Join(b.repo, plaingit.SpoolDir, "*.damaged")); len(files) != 1 {
			t.Errorf("set aside: %v, want one file", files)
		}
	})
	t.Run("a file can't speak for another repository", func(t *testing.T) {
		t.Parallel()
		forged, err := json.Marshal(map[string]any{
			"id": "x", "repository": "hello", "pusher": "root",
			"updates": []map[string]string{{"repository": "hello", "ref": "refs/heads/f37", "before": commitA, "after": commitB}},
		})
		if err != nil {
			t.Fatal(err)
		}
		b := spool(t, string(forged))
		if err := b.notifier.Flush(t.Context()); err != nil || len(b.taken()) != 1 {
			t.Fatalf("Flush = %v, %d taken", err, len(b.taken()))
		}
		if got := b.taken()[0].Repository.FullName; got != "rpms/hello" {
			t.Errorf("repository = %q, want the hook's own", got)
		}
	})
	t.Run("a spool that leads out of the repository is not read", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		if err := os.Symlink(t.TempDir(), filepath.Join(b.repo, plaingit.SpoolDir)); err != nil {
			t.Fatal(err)
		}
		if err := b.notifier.Flush(t.Context()); err == nil {
			t.Error("Flush = nil, want an error")
		}
	})
}

func TestNotifyRefusesOtherInput(t *testing.T) {
	t.Parallel()
	for _, input := range []string{"x\n", "a b c\n", commitA + " " + commitB + "\n", line(commitA, strings.ToUpper(commitB), "refs/heads/x"), line(commitA, commitB, "refs/heads/\xff"), line(commitA, commitB, strings.Repeat("x", 2000)), strings.Repeat("x", 1<<20)} {
		b := newBench(t)
		if err := b.notify(t, input); err == nil || len(b.ids()) != 0 || b.waiting(t) != 0 {
			t.Errorf("Notify of %.50q = %v, %d requests", input, err, len(b.ids()))
		}
	}
	b := newBench(t)
	if err := b.notify(t, ""); err != nil || len(b.ids()) != 0 {
		t.Errorf("Notify of nothing = %v, %d requests", err, len(b.ids()))
	}
}

func TestNotifyEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.notifier.Notify(ctx, strings.NewReader(line(commitA, commitB, "refs/heads/f37"))); err == nil || b.waiting(t) != 1 {
		t.Errorf("Notify = %v, %d waiting, want an error and the push kept", err, b.waiting(t))
	}
}

func TestPusher(t *testing.T) {
	t.Parallel()
	for want, env := range map[string]map[string]string{
		"":      {},
		"pat":   {"USER": "git", "GL_USER": "pat"},
		"robin": {"USER": "git", "REMOTE_USER": "robin"},
		"git":   {"USER": "git"},
		"a b":   {"USER": "a\nb"},
	} {
		if got := plaingit.Pusher(func(name string) string { return env[name] }); got != want {
			t.Errorf("Pusher with %v = %q, want %q", env, got, want)
		}
	}
}
