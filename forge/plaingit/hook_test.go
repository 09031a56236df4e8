package plaingit_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/forge/plaingit"
)

// git runs git without the user's own settings and fails the test with what it
// said.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatal("git is missing: run scripts/setup")
	}
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Pat", "GIT_AUTHOR_EMAIL=pat@example.test",
		"GIT_COMMITTER_NAME=Pat", "GIT_COMMITTER_EMAIL=pat@example.test")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func newRepo(t *testing.T) string {
	t.Helper()
	repo := filepath.Join(t.TempDir(), "hello.git")
	git(t, t.TempDir(), "init", "--quiet", "--bare", repo)
	return repo
}

func hookConfig() plaingit.HookConfig {
	return plaingit.HookConfig{
		URL: "https://distbot.example.org/webhooks/plain", Repository: "rpms/hello",
		SecretFile: "/etc/distbot/hook.secret", Command: "/opt/it's here/distbot",
	}
}

func install(t *testing.T, repo string, config plaingit.HookConfig) {
	t.Helper()
	if err := plaingit.InstallHook(repo, config); err != nil {
		t.Fatal(err)
	}
}

func TestInstallHook(t *testing.T) {
	t.Parallel()
	t.Run("the settings are read back as they were", func(t *testing.T) {
		t.Parallel()
		repo := newRepo(t)
		install(t, repo, hookConfig())
		got, err := plaingit.ReadHookConfig(filepath.Join(repo, plaingit.HookConfigFile))
		want := hookConfig()
		want.Command = ""
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("settings (-want +got), error %v:\n%s", err, diff)
		}
	})
	t.Run("doing it again changes nothing", func(t *testing.T) {
		t.Parallel()
		repo := newRepo(t)
		install(t, repo, hookConfig())
		before := snapshot(t, repo)
		install(t, repo, hookConfig())
		if diff := cmp.Diff(before, snapshot(t, repo)); diff != "" {
			t.Errorf("files (-before +after):\n%s", diff)
		}
	})
	t.Run("our own older hook is renewed and made executable", func(t *testing.T) {
		t.Parallel()
		repo := newRepo(t)
		install(t, repo, hookConfig())
		if err := os.Chmod(filepath.Join(repo, "hooks/post-receive"), 0o644); err != nil {
			t.Fatal(err)
		}
		config := hookConfig()
		config.Command = "/usr/bin/distbot"
		install(t, repo, config)
		info, err := os.Stat(filepath.Join(repo, "hooks/post-receive"))
		if err != nil || info.Mode() != 0o755 {
			t.Errorf("mode = %v, %v, want 0755", info.Mode(), err)
		}
		if got := readFile(t, repo, "hooks/post-receive"); !strings.Contains(got, "exec '/usr/bin/distbot' hook post-receive") {
			t.Errorf("hook:\n%s", got)
		}
	})
	t.Run("a foreign hook stays unless it is forced, and is kept then", func(t *testing.T) {
		t.Parallel()
		repo := newRepo(t)
		foreign := "#!/bin/sh\nexec mail\n"
		if err := os.WriteFile(filepath.Join(repo, "hooks/post-receive"), []byte(foreign), 0o755); err != nil {
			t.Fatal(err)
		}
		config := hookConfig()
		if err := plaingit.InstallHook(repo, config); !errors.Is(err, plaingit.ErrForeignHook) {
			t.Errorf("InstallHook = %v, want ErrForeignHook", err)
		}
		if got := readFile(t, repo, "hooks/post-receive"); got != foreign {
			t.Errorf("the foreign hook became:\n%s", got)
		}
		config.Force = true
		install(t, repo, config)
		if got := readFile(t, repo, "hooks/post-receive.before-distbot"); got != foreign {
			t.Errorf("the foreign hook was kept as:\n%s", got)
		}
	})
	t.Run("a hooks folder that leads out of the repository is refused", func(t *testing.T) {
		t.Parallel()
		repo, shared := newRepo(t), t.TempDir()
		if err := os.RemoveAll(filepath.Join(repo, "hooks")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(shared, filepath.Join(repo, "hooks")); err != nil {
			t.Fatal(err)
		}
		if err := plaingit.InstallHook(repo, hookConfig()); err == nil {
			t.Error("InstallHook = nil, want an error")
		}
		if files, err := os.ReadDir(shared); err != nil || len(files) > 0 {
			t.Errorf("the shared folder holds %v (%v)", files, err)
		}
	})
	t.Run("a directory that is no repository is refused", func(t *testing.T) {
		t.Parallel()
		if err := plaingit.InstallHook(t.TempDir(), hookConfig()); err == nil {
			t.Error("InstallHook = nil, want an error")
		}
	})
	for name, change := range map[string]func(*plaingit.HookConfig){
		"no url":             func(c *plaingit.HookConfig) { c.URL = "" },
		"a password in url":  func(c *plaingit.HookConfig) { c.URL = "https://u:p@distbot.example.org/" },
		"a file as url":      func(c *plaingit.HookConfig) { c.URL = "file:///etc/passwd" },
		"a climbing name":    func(c *plaingit.HookConfig) { c.Repository = "../hello" },
		"a relative secret":  func(c *plaingit.HookConfig) { c.SecretFile = "secret" },
		"a relative command": func(c *plaingit.HookConfig) { c.Command = "distbot" },
		"a second line":      func(c *plaingit.HookConfig) { c.Command = "/x\nrm -rf /" },
	} {
		t.Run("a hook with "+name+" is refused", func(t *testing.T) {
			t.Parallel()
			config := hookConfig()
			change(&config)
			if err := plaingit.InstallHook(newRepo(t), config); err == nil {
				t.Error("InstallHook = nil, want an error")
			}
		})
	}
}

// The command stands in for the distbot binary: it shows what git and the
// script hand over.
func TestAPushRunsTheHook(t *testing.T) {
	t.Parallel()
	setup := func(t *testing.T, command string) (repo, work string) {
		t.Helper()
		repo = newRepo(t)
		config := hookConfig()
		config.Command = filepath.Join(t.TempDir(), "it's $here; distbot")
		if err := os.WriteFile(config.Command, []byte("#!/bin/sh\n"+command), 0o755); err != nil {
			t.Fatal(err)
		}
		install(t, repo, config)
		work = t.TempDir()
		git(t, work, "init", "--quiet", "--initial-branch=f37")
		git(t, work, "commit", "--quiet", "--allow-empty", "--message=one")
		return repo, work
	}
	t.Run("with the settings as argument and git's lines as input", func(t *testing.T) {
		t.Parallel()
		repo, work := setup(t, `printf '%s\n' "$@" >args; cat >input; echo "distbot: took it"`)
		said := git(t, work, "push", repo, "f37", "f37:refs/heads/stream/1.0")
		if !strings.Contains(said, "remote: distbot: took it") {
			t.Errorf("the pusher saw:\n%s", said)
		}
		want := "hook\npost-receive\n--config\n" + filepath.Join(repo, plaingit.HookConfigFile) + "\n"
		if got := readFile(t, repo, "args"); got != want {
			t.Errorf("arguments = %q, want %q", got, want)
		}
		commit := strings.TrimSpace(git(t, work, "rev-parse", "HEAD"))
		wantInput := line(zeros, commit, "refs/heads/f37") + line(zeros, commit, "refs/heads/stream/1.0")
		if diff := cmp.Diff(wantInput, readFile(t, repo, "input")); diff != "" {
			t.Errorf("input (-want +got):\n%s", diff)
		}
		b := newBench(t)
		if err := b.notify(t, readFile(t, repo, "input")); err != nil || len(b.refs()) != 2 {
			t.Errorf("Notify of what git wrote = %v, events %q", err, b.refs())
		}
	})
	t.Run("and succeeds when the hook fails", func(t *testing.T) {
		t.Parallel()
		repo, work := setup(t, "exit 3")
		git(t, work, "push", repo, "f37")
		git(t, repo, "rev-parse", "refs/heads/f37")
	})
}

func readFile(t *testing.T, repo, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(repo, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// snapshot is the content, mode, and time of change of the installed files.
func snapshot(t *testing.T, repo string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	for _, name := range []string{"hooks/post-receive", plaingit.HookConfigFile} {
		info, err := os.Stat(filepath.Join(repo, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = info.Mode().String() + info.ModTime().String() + readFile(t, repo, name)
	}
	return files
}

func TestReadHookConfigRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "{", `{"url":"https://d.example.org/","repository":"a","secret_file":"/x","secret":"y"}`, `{}`} {
		path := filepath.Join(t.TempDir(), "hook.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := plaingit.ReadHookConfig(path); err == nil {
			t.Errorf("ReadHookConfig of %q = nil, want an error", content)
		}
	}
}
