//go:build e2e

package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// plain is an installation for bare repositories on its own disk, with the
// target f37.
type plain struct {
	*distbot
	lookaside *lookaside
}

// installPlain writes an installation's configuration and directories.
func installPlain(t testing.TB, s setup) *plain {
	t.Helper()
	d := &plain{lookaside: newLookaside(t)}
	s.lookaside, s.targets = d.lookaside.url(), []target{{name: "f37"}}
	s.forges = "  - {name: git, kind: git, url: git, webhook_secret_files: [webhook.secret]}\n"
	d.distbot = install(t, s)
	for _, dir := range []string{"git", "state"} {
		if err := os.Mkdir(d.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// pushedBuild is the build of a push.
type pushedBuild struct {
	d  *plain
	id string
}

// pushed makes a bare repository with distbot's hook and pushes a package to
// it.
func (d *plain) pushed(t testing.TB, p small) *pushedBuild {
	t.Helper()
	return d.pushedFiles(t, p.name, p.files())
}

// pushedFiles is pushed for any package.
func (d *plain) pushedFiles(t testing.TB, pkg string, content files) *pushedBuild {
	t.Helper()
	bare, clone := d.path("git/rpms/"+pkg+".git"), d.path("clones/"+pkg)
	for name, text := range content {
		writeFile(t, filepath.Join(clone, name), text, 0o644)
	}
	git(t, d.dir, "init", "-q", "--bare", bare)
	d.run(t, "hook", "install", bare)
	git(t, clone, "init", "-q", "--initial-branch=f37")
	git(t, clone, "add", "--all")
	git(t, clone, "commit", "-q", "-m", "Import")
	git(t, clone, "push", "-q", bare, "f37")
	commit := git(t, clone, "rev-parse", "HEAD")
	b := &pushedBuild{d: d}
	eventually(t, "build of "+pkg, func() (string, bool) {
		ids := d.column(t, "select id::text from builds where commit_id = $1", commit)
		b.id = strings.Join(ids, " ")
		return b.id, len(ids) == 1
	})
	return b
}

func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.test", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.test")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", args[0], err, out)
	}
	return strings.TrimSpace(string(out))
}

// ends waits for the build's end, all its statuses included.
func (b *pushedBuild) ends(t testing.TB, state string) {
	t.Helper()
	eventually(t, state+" of build "+b.id, func() (string, bool) {
		var got, reason string
		var pending int
		b.d.scan(t, `select b.state, b.reason, (select count(*) from reports r where r.build_id = b.id and r.state = 'pending')
			from builds b where b.id = $1::bigint`, []any{b.id}, &got, &reason, &pending)
		if got != "BUILDING" && got != state {
			t.Fatalf("build %s is %s (%s), want %s", b.id, got, reason, state)
		}
		return fmt.Sprintf("%s, %d statuses are pending", got, pending), got == state && pending == 0
	})
	if view := b.d.show(t, b.id); view.State != state || len(view.Statuses) == 0 {
		t.Errorf("build show tells %+v, want %s and statuses", view, state)
	}
}

// waitsFor waits until a status is pending for a reason.
func (b *pushedBuild) waitsFor(t testing.TB, context, reason string) {
	t.Helper()
	eventually(t, "reason of build "+b.id, func() (string, bool) {
		statuses := b.d.column(t, "select context || ' ' || state || ' ' || left(description, 140) from reports where build_id = $1::bigint", b.id)
		for _, status := range statuses {
			// The source package may be made, and architectures be skipped.
			if strings.HasPrefix(status, context+" success ") || !strings.Contains(status, " pending ") && !strings.Contains(status, " success ") {
				t.Fatalf("a status of build %s is %s, want one that is pending", b.id, status)
			}
			if strings.HasPrefix(status, context+" pending ") && strings.Contains(status, reason) {
				return "", true
			}
		}
		return strings.Join(statuses, "; "), false
	})
}
