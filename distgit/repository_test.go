package distgit

import (
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// origin is a bare dist-git repository, made and changed with the git command,
// and a work tree to change it from.
type origin struct {
	t testing.TB
	// root is the folder of the forge, id the repository's path below it.
	root, id string
	work     string
}

// newOrigin makes an empty repository with the given configuration, each
// "KEY=VALUE".
func newOrigin(t testing.TB, config ...string) *origin {
	t.Helper()
	o := &origin{t: t, root: t.TempDir(), id: "rpms/hello", work: t.TempDir()}
	o.run(o.root, "init", "-q", "--bare", "-b", "main", o.bare())
	for _, setting := range config {
		key, value, _ := strings.Cut(setting, "=")
		o.run(o.bare(), "config", key, value)
	}
	o.git("init", "-q", "-b", "main")
	o.git("remote", "add", "origin", o.bare())
	return o
}

func (o *origin) bare() string { return filepath.Join(o.root, o.id+".git") }

// git runs git in the work tree and returns its output without the newline.
func (o *origin) git(arguments ...string) string {
	o.t.Helper()
	return o.run(o.work, arguments...)
}

func (o *origin) run(dir string, arguments ...string) string {
	o.t.Helper()
	command := exec.Command("git", arguments...)
	command.Dir = dir
	command.Env = append(os.Environ(),
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=Ann Author", "GIT_AUTHOR_EMAIL=ann@example.org", "GIT_AUTHOR_DATE=2023-01-01T00:00:00Z",
		"GIT_COMMITTER_NAME=Carl Committer", "GIT_COMMITTER_EMAIL=carl@example.org", "GIT_COMMITTER_DATE=2023-01-02T03:04:05Z")
	out, err := command.CombinedOutput()
	if err != nil {
		o.t.Fatalf("git %s: %v\n%s(no git? run scripts/setup)", strings.Join(arguments, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// write puts a file in the work tree.
func (o *origin) write(name, content string) {
	o.t.Helper()
	path := filepath.Join(o.work, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		o.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		o.t.Fatal(err)
	}
}

// commit commits everything and returns the commit.
func (o *origin) commit(message string) string {
	o.t.Helper()
	o.git("add", "-A")
	o.git("commit", "-q", "--allow-empty", "-m", message)
	return o.git("rev-parse", "HEAD")
}

// push pushes HEAD to a ref, by force.
func (o *origin) push(ref string) {
	o.t.Helper()
	o.git("push", "-q", "-f", "origin", "HEAD:"+ref)
}

// remote is the repository as kind git has it.
func (o *origin) remote() Remote {
	return Remote{Forge: "local", ID: o.id, Base: "file://" + o.root, URL: "file://" + o.bare()}
}

// serve gives the repository out over smart HTTP, through wrap when it is not
// nil, and returns it as a forge's.
func (o *origin) serve(wrap func(http.Handler) http.Handler) Remote {
	o.t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		o.t.Fatalf("%v: run scripts/setup", err)
	}
	var handler http.Handler = &cgi.Handler{
		Path:   git,
		Args:   []string{"http-backend"},
		Stderr: io.Discard,
		Env:    []string{"GIT_PROJECT_ROOT=" + o.root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_GLOBAL=/dev/null"},
	}
	if wrap != nil {
		handler = wrap(handler)
	}
	server := httptest.NewServer(handler)
	o.t.Cleanup(server.Close)
	return Remote{Forge: "forge", ID: "42", Base: server.URL, URL: server.URL + "/" + o.id + ".git"}
}
