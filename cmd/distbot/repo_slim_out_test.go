package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distbot/distbot/repopublish/moduletest"
)

// TestRepoSlimReplacesRepositoriesOnly gives places that hold what is not slim's.
func TestRepoSlimReplacesRepositoriesOnly(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	below := filepath.Join(out, "sub")
	for to, name := range map[string]string{out: "base", below: "full"} {
		if err := os.CopyFS(to, os.DirFS(v.Write(t, name))); err != nil {
			t.Fatal(err)
		}
	}
	slim := func(args ...string) (int, string) {
		code, _, stderr := repoCommand(t, "", append([]string{"repo", "slim", "--packages", newDemo + "," + newLibs, "--out", out}, args...)...)
		return code, stderr
	}
	if code, stderr := slim("--from", below, "--replace"); code != exitFailed || !strings.Contains(stderr, "one within the other") {
		t.Errorf("a source below: exit code %d\n%s", code, stderr)
	}
	elsewhere := v.Write(t, "full")
	if code, stderr := slim("--from", elsewhere, "--replace"); code != exitFailed || !strings.Contains(stderr, `"sub/`) || !strings.Contains(stderr, "does not belong to it") {
		t.Errorf("files beside a repository: exit code %d\n%s", code, stderr)
	}
	if _, err := os.Stat(filepath.Join(below, "repodata", "repomd.xml")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(below); err != nil {
		t.Fatal(err)
	}
	if code, stderr := slim("--from", elsewhere, "--replace", "--link"); code != exitDone {
		t.Errorf("a repository alone: exit code %d\n%s", code, stderr)
	}
	here, err := os.Stat(filepath.Join(out, "Packages", "d", newDemo+".x86_64.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	there, err := os.Stat(filepath.Join(elsewhere, newDemo+".x86_64.rpm"))
	if err != nil || !os.SameFile(here, there) {
		t.Errorf("--link made a copy: %v", err)
	}
}
