package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/distbot/distbot/queue/queuetest"
)

// get reads a page.
func (f *flow) get(tb testing.TB, path string) string {
	tb.Helper()
	request, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, "http://"+f.server.Addr()+path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		tb.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		tb.Fatalf("GET %s: %s, %v", path, response.Status, err)
	}
	return string(text)
}

const demoModule = `---
document: modulemd
version: 2
data: {name: demo, stream: "1.10", version: 20200101000000, context: c0ffee, arch: x86_64, summary: s, description: d, license: {module: [MIT]}}
...
`

// TestGates goes the whole way, from the command line to pages and to who waits.
func TestGates(t *testing.T) {
	t.Parallel()
	f := newFlow(t, 1)
	const current = "select bool_and(built_rev = want_rev) from tags"
	file := filepath.Join(t.TempDir(), "modules.yaml")
	if err := os.WriteFile(file, []byte(demoModule), 0o644); err != nil {
		t.Fatal(err)
	}
	f.call(t, "tag", "module", "add", "f37", file).want(t, exitDone)
	f.wait(t, "the modules are published", current)
	for _, tag := range []string{"f37", "f37-build"} {
		number := queuetest.Value[int64](t, f.pool, "select max(g.number) from repo_generations g join tags t on t.id = g.tag_id where t.name = $1", tag)
		page := f.get(t, "/repos/"+tag+"/"+strconv.FormatInt(number, 10))
		if !strings.Contains(page, `<span class="mono">demo:1.10</span> <span class="quiet mono">20200101000000:c0ffee</span> <span class="chip">x86_64</span>`) ||
			strings.Contains(page, `c0ffee</span> <span class="chip">x86_64</span> <span class="chip">aarch64</span>`) {
			t.Errorf("the page of %s, generation %d, does not tell its module:\n%s", tag, number, page)
		}
	}

	// A setting that nobody understands: nothing is published, and who waits
	// learns why, and goes on when it is mended.
	f.call(t, "tag", "edit", "f37", "--extra", "repo.closure=sometimes").want(t, exitDone)
	const reason = `settings: repo.closure: want "off", "warn" or "block"`
	var stdout, stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(t.Context(), terminal{
			args: []string{
				"--config", filepath.Join(f.server.Config.dir, "distbot.yaml"), "build", "submit", "pkg000", "--target", "f37", "--wait-repo",
			},
			stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" },
		})
	}()
	f.wait(t, "the chain says what it waits for", "select exists (select from chains where reason like '%: that of f37 can''t be made: ' || $1)", reason)
	f.wait(t, "the build says what it waits for", `select exists (select from reports where context = 'distbot/f37' and state = 'pending'
		and description = 'pkg000-1-1 is tagged into f37, whose repository can''t be made: ' || $1)`, reason)
	if page := f.get(t, "/repos/f37"); !strings.Contains(page, "The repository of f37 can’t be made") || !strings.Contains(page, "settings: repo.closure") {
		t.Errorf("the page of the repository does not say why it can't be made:\n%s", page)
	}
	if out := f.call(t, "repo", "list", "f37").want(t, exitDone).stdout; !strings.Contains(out, "refused") || !strings.Contains(out, reason) {
		t.Errorf("repo list:\n%s", out)
	}
	if n := queuetest.Value[int](t, f.pool, "select count(*) from river_job where kind = 'repopublish.publish' and state in ('retryable', 'scheduled')"); n != 0 {
		t.Errorf("%d jobs try again what is refused", n)
	}
	select {
	case code := <-ended:
		t.Fatalf("who waits for the repository ended with %d\n%s%s", code, &stdout, &stderr)
	default:
	}
	f.call(t, "tag", "edit", "f37", "--extra", "repo.closure=block").want(t, exitDone)
	if code := <-ended; code != exitDone {
		t.Errorf("who waits for the repository ended with %d\n%s%s", code, &stdout, &stderr)
	}
	f.wait(t, "what was refused is published", current)
	if out := f.call(t, "repo", "list", "f37").want(t, exitDone).stdout; strings.Contains(out, "refused") {
		t.Errorf("repo list:\n%s", out)
	}
	if state := queuetest.Value[string](t, f.pool, "select state from reports where context = 'distbot/f37'"); state != "success" {
		t.Errorf("the status is %s", state)
	}
	if text := stdout.String() + stderr.String(); !strings.Contains(text, "can't be made") {
		t.Errorf("--wait-repo does not say why it waits:\n%s", text)
	}
}
