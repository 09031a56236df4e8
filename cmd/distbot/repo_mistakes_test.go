package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distbot/distbot/repopublish/moduletest"
)

// TestMistakesInRepoCommands: what is typed wrongly does not pass for done.
func TestMistakesInRepoCommands(t *testing.T) {
	t.Parallel()
	dir := moduletest.Load(t).Write(t, "full")
	file, foreign := filepath.Join(t.TempDir(), "comps.xml"), t.TempDir()
	if err := os.WriteFile(file, []byte("<comps></comps>"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(foreign, "letter"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	for what, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"an architecture that nobody knows": {[]string{"repo", "closure", "--repo", dir, "--arch", "x86-64"}, exitUsage, `--arch "x86-64"`},
		"a flag taken for an architecture":  {[]string{"repo", "closure", "--repo", dir, "--arch", "--json"}, exitUsage, `--arch "--json"`},
		"a machine that nobody knows":       {[]string{"repo", "closure", "--repo", dir, "--forcearch", "zzz"}, exitUsage, `--forcearch "zzz"`},
		"a machine without an architecture": {[]string{"repo", "closure", "--repo", dir, "--forcearch", "noarch"}, exitUsage, `--forcearch "noarch"`},
		"groups given and dropped":          {[]string{"repo", "create", dir, "--groups", file, "--drop", "group"}, exitUsage, "--groups gives a document that --drop group drops"},
		"modules given and dropped":         {[]string{"repo", "create", dir, "--modules", file, "--drop", "modules"}, exitUsage, "--modules gives a document that --drop modules drops"},
		"an empty name of a cache":          {[]string{"repo", "verify", dir, "--cachedir", ""}, exitUsage, "it is empty"},
		"an empty name of a cache, too":     {[]string{"repo", "create", dir, "--cachedir="}, exitUsage, "it is empty"},
		"a cache of somebody else":          {[]string{"repo", "create", dir, "--cachedir", foreign}, exitFailed, "give a --cachedir that is empty"},
		"an empty name of a directory":      {[]string{"repo", "create", ""}, exitUsage, "expected one DIR"},
		"a file for a directory":            {[]string{"repo", "create", file}, exitFailed, "comps.xml is no directory"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := repoCommand(t, "", test.args...)
			if code != test.code || !strings.Contains(stderr, test.want) {
				t.Errorf("exit code %d, want %d with %q\n%s%s", code, test.code, test.want, stdout, stderr)
			}
		})
	}
	t.Cleanup(func() {
		if len(before) != len(tree(t, dir)) {
			t.Error("the repository was changed")
		}
	})
}

func TestPackagesFromStandardInput(t *testing.T) {
	t.Parallel()
	dir := moduletest.Load(t).Write(t, "full")
	for _, list := range []string{"-", "@-"} {
		code, stdout, stderr := repoCommand(t, newDemo+"\n"+newLibs+"\n", "repo", "slim", "--from", dir, "--packages", list, "--out", filepath.Join(t.TempDir(), "out"))
		if code != exitDone || !strings.Contains(stdout, "2 packages") {
			t.Errorf("%s: exit code %d\n%s%s", list, code, stdout, stderr)
		}
	}
}
