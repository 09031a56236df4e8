//go:build e2e

package e2e_test

import (
	"bytes"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/forge"
)

// recorded is a delivery as Gitea sent it.
type recorded struct {
	header http.Header
	body   []byte
}

// record makes a hook of a repository deliver here, and nowhere else.
func (s *system) record(t testing.TB, pkg string, events ...string) (deliveries <-chan recorded, push func(branch string, f files) (commit string)) {
	t.Helper()
	got := make(chan recorded, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read delivery: %v", err)
		}
		got <- recorded{r.Header, body}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(receiver.Close)
	repo := s.gitea.CreateRepo(t, "rpms", pkg)
	s.gitea.AddCollaborator(t, repo, s.bot, "write")
	s.gitea.CreateHook(t, repo, receiver.URL, s.secret, events...)
	clone := s.gitea.Clone(t, s.gitea.Admin, repo)
	return got, func(branch string, f files) string { return pushTo(t, clone, branch, f) }
}

// post delivers to distbot and returns the answer's code.
func (s *system) post(t testing.TB, r recorded) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.hookURL("gitea"), bytes.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = r.header.Clone()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Errorf("deliver: %v", err)
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// testRedelivery delivers one push three times at once, then again as Gitea's
// replay does: the same body under another id.
func (s *system) testRedelivery(t *testing.T) {
	deliveries, push := s.record(t, "again", "push")
	commit := push("f39", small{name: "again"}.files())
	delivery := <-deliveries
	codes := make(chan int, 3)
	var together sync.WaitGroup
	for range cap(codes) {
		together.Go(func() { codes <- s.post(t, delivery) })
	}
	together.Wait()
	close(codes)
	answers := map[int]int{}
	for code := range codes {
		answers[code]++
	}
	if diff := cmp.Diff(map[int]int{http.StatusAccepted: 1, http.StatusOK: 2}, answers); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	s.expect(t, "rpms/again", commit, built("f39", "noarch"))
	replayed := recorded{delivery.header.Clone(), delivery.body}
	replayed.header.Set("X-Gitea-Delivery", "11111111-2222-3333-4444-555555555555")
	if code := s.post(t, replayed); code != http.StatusOK {
		t.Errorf("a replay is answered %d, want 200", code)
	}
	s.settled(t, "rpms/again", 2)
	if n := s.count(t, "builds where commit_id = $1", commit); n != 1 {
		t.Errorf("%d builds of one push, want 1", n)
	}
	s.checkHistory(t, "rpms/again", commit, built("f39", "noarch"))
}

// testForgery delivers what nobody who knows the secret has signed.
func (s *system) testForgery(t *testing.T) {
	deliveries, push := s.record(t, "forged", "push")
	push("f39", small{name: "forged"}.files())
	genuine := <-deliveries
	for name, forged := range map[string]func(http.Header) []byte{
		"another secret": func(h http.Header) []byte {
			h.Set("X-Gitea-Signature", forge.Sign(genuine.body, []byte("not the secret")))
			return genuine.body
		},
		"another body": func(http.Header) []byte {
			return bytes.Replace(genuine.body, []byte("refs/heads/f39"), []byte("refs/heads/f38"), 1)
		},
		"no signature": func(h http.Header) []byte {
			h.Del("X-Gitea-Signature")
			return genuine.body
		},
	} {
		header := genuine.header.Clone()
		body := forged(header)
		if code := s.post(t, recorded{header, body}); code != http.StatusUnauthorized {
			t.Errorf("a delivery with %s is answered %d, want 401", name, code)
		}
	}
	if n := s.count(t, "deliveries where strpos(convert_from(body, 'UTF8'), 'rpms/forged') > 0"); n != 0 {
		t.Errorf("%d forged deliveries are stored", n)
	}
}

// testSecrets looks for the token and the webhook secret in everything that was
// written while the other tests ran.
func (s *system) testSecrets(t *testing.T) {
	secrets := map[string]string{"the token": s.bot.Token, "the webhook secret": s.secret}
	for what, secret := range secrets {
		if strings.Contains(s.log(t), secret) {
			t.Errorf("%s is in the log", what)
		}
		for table, text := range map[string]string{
			"river_job": "river_job", "deliveries": "(select headers, convert_from(body, 'UTF8') from deliveries) d", "repositories": "repositories",
			"reports": "reports", "task_attempts": "task_attempts", "tasks": "tasks", "builds": "builds",
		} {
			alias := text[strings.LastIndexByte(text, ' ')+1:]
			if n := s.count(t, text+" where "+alias+"::text like '%' || $1 || '%'", secret); n != 0 {
				t.Errorf("%s is in %d rows of %s", what, n, table)
			}
		}
	}
	err := filepath.WalkDir(s.path("state"), func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir() && (entry.Name() == "postgres" || entry.Name() == "buildroots"):
			return fs.SkipDir // Looked at above; of the base distribution only.
		case !entry.Type().IsRegular():
			return nil
		}
		content, err := os.ReadFile(name)
		for what, secret := range secrets {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s is in %s", what, name)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
