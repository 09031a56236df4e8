package giteatest

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// GitURL is where git fetches and pushes a repository as user. It holds the
// user's token.
func (g *Gitea) GitURL(user User, repo Repo) string {
	u, err := url.Parse(g.URL)
	if err != nil {
		panic(err) // Start made it.
	}
	u.User = url.UserPassword(user.Login, user.Token)
	u.Path = "/" + string(repo) + ".git"
	return u.String()
}

// Clone is a working copy of a repository.
type Clone struct {
	// Dir holds the files.
	Dir string
}

// Clone makes a working copy in which user works. The repository may be empty.
func (g *Gitea) Clone(t testing.TB, user User, repo Repo) *Clone {
	t.Helper()
	c := &Clone{Dir: t.TempDir()}
	c.Git(t, "clone", "-q", g.GitURL(user, repo), ".")
	c.Git(t, "config", "user.name", user.Login)
	c.Git(t, "config", "user.email", user.Login+"@example.test")
	return c
}

// Commit writes files, by name and content, commits everything, and returns the
// commit's id. It does not push.
func (c *Clone) Commit(t testing.TB, message string, files map[string]string) string {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(c.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatalf("giteatest: commit: %v", err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatalf("giteatest: commit: %v", err)
		}
	}
	c.Git(t, "add", "--all")
	c.Git(t, "commit", "-q", "--allow-empty", "-m", message)
	return c.Git(t, "rev-parse", "HEAD")
}

// Push pushes HEAD to a branch. Options, such as --force, come first.
func (c *Clone) Push(t testing.TB, branch string, options ...string) {
	t.Helper()
	args := append([]string{"push", "-q"}, options...)
	c.Git(t, append(args, "origin", "HEAD:refs/heads/"+branch)...)
}

// Git runs git in the working copy and returns its standard output without the
// final newline.
func (c *Clone) Git(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = c.Dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.Dir, "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0",
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("giteatest: git %s: %v\n%s", args[0], err, stderr.String())
	}
	return strings.TrimSuffix(string(out), "\n")
}
