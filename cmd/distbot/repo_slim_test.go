package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distbot/distbot/repopublish/moduletest"
)

// repoCommand runs a command that needs no installation.
func repoCommand(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	home := t.TempDir()
	var out, errs bytes.Buffer
	code = run(context.Background(), terminal{
		args: args, stdin: strings.NewReader(stdin), stdout: &out, stderr: &errs,
		getenv: func(name string) string { return map[string]string{"HOME": home}[name] },
	})
	return code, out.String(), errs.String()
}

const newDemo, newLibs = "demo-1.0-1.module+el8+1+aaaa", "demo-libs-1.0-1.module+el8+1+aaaa"

func TestRepoSlim(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	full := v.Write(t, "full")
	out := filepath.Join(t.TempDir(), "slim")
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, []byte("# what is needed\n"+newDemo+"\n\n "+newLibs+" # too\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := repoCommand(t, "", "repo", "slim", "--from", full, "--packages", "@"+list, "--out", out, "--closure")
	want := out + `: 2 packages, 0.0 MB, 1 stream document
demo:1:8000020200101000000:aaaa1111:x86_64: 2 packages, 5 artifacts listed
  profile devel without demo-devel
  profiles dropped: doc
`
	if code != exitDone || stdout != want {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if code, stdout, stderr := repoCommand(t, "", "repo", "verify", "--rpms", full, "slim,"+out); code != exitDone {
		t.Errorf("verify: exit code %d\n%s%s", code, stdout, stderr)
	}
	if code, stdout, stderr := repoCommand(t, "", "repo", "closure", "--repo", "slim,"+out); code != exitDone || stdout != "" || !strings.Contains(stderr, "checked 2 packages for x86_64") {
		t.Errorf("closure: exit code %d\n%s%s", code, stdout, stderr)
	}
	for what, test := range map[string]struct {
		stdin string
		args  []string
		code  int
		text  string
	}{
		"what is there is not overwritten":   {"", []string{"--packages", newDemo + "," + newLibs, "--out", out}, exitFailed, "not empty"},
		"all that is missing is told":        {"dmeo\nnothing\n", []string{"--packages", "@-", "--out", out + "2"}, exitFailed, "2 of the packages asked for are in no source:\n  dmeo (demo is there)\n  nothing"},
		"what is not closed is not made":     {"", []string{"--packages", newDemo, "--out", out + "3", "--closure"}, exitFailed, "not closed"},
		"a stream may be named":              {"", []string{"--packages", "@demo:2", "--out", out + "4"}, exitDone, ""},
		"a list is needed":                   {"", []string{"--out", out + "5"}, exitUsage, "expected --from, --packages and --out"},
		"an empty list is none":              {"# nothing\n", []string{"--packages", "@-", "--out", out + "6"}, exitUsage, "expected --from"},
		"an external repository is declared": {"", []string{"--packages", "tool", "--external", "updates," + full, "--out", out + "7"}, exitDone, ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := repoCommand(t, test.stdin, append([]string{"repo", "slim", "--from", full}, test.args...)...)
			if code != test.code || !strings.Contains(stderr, test.text) {
				t.Errorf("exit code %d, want %d with %q\n%s%s", code, test.code, test.text, stdout, stderr)
			}
		})
	}
}

func TestRepoClosure(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	clo, base := v.Write(t, "clo"), v.Write(t, "base")
	code, stdout, _ := repoCommand(t, "", "repo", "closure", "--repo", "clo,"+clo, "--platform", "el8", "--json")
	var report struct {
		Combinations int
		Problems     []struct {
			Requirement  string
			Combinations []string
		}
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	if code != exitFailed || report.Combinations != 2 || len(report.Problems) != 2 || report.Problems[0].Requirement != "nosuchthing" {
		t.Errorf("exit code %d: %+v", code, report)
	}
	for what, test := range map[string]struct {
		args []string
		code int
		text string
	}{
		"only one repository is checked":  {[]string{"--repo", "clo," + clo, "--repo", "base," + base, "--check", "base"}, exitDone, "checked 1 package"},
		"it may be named with --check":    {[]string{"--repo", "clo," + clo, "--check", base}, exitDone, "checked 1 package"},
		"modules need not hide":           {[]string{"--repo", "clo," + clo, "--module-hotfixes", "clo"}, exitFailed, ""},
		"an architecture that is nowhere": {[]string{"--repo", "clo," + clo, "--arch", "aarch64"}, exitDone, "checked 0 packages"},
		"a package that is nowhere":       {[]string{"--repo", "clo," + clo, "--pkg", "nothing"}, exitFailed, "no package matched: nothing"},
		"a repository that is none":       {[]string{"--repo", t.TempDir()}, exitFailed, "no repository"},
		"a repository is needed":          {nil, exitUsage, "expected --repo"},
		"two of one name":                 {[]string{"--repo", "a," + clo, "--repo", "a," + base}, exitUsage, "called \"a\""},
		"no scheme":                       {[]string{"--repo", "gopher://x"}, exitUsage, "expected http, https or file"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := repoCommand(t, "", append([]string{"repo", "closure"}, test.args...)...)
			if code != test.code || !strings.Contains(stderr, test.text) {
				t.Errorf("exit code %d, want %d with %q\n%s%s", code, test.code, test.text, stdout, stderr)
			}
		})
	}
}

// Lists that are empty are lists for programs, too.
func TestRepoJSONHasNoNulls(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	base, full, broken := v.Write(t, "base"), v.Write(t, "full"), v.Write(t, "clo")
	for _, args := range [][]string{
		{"create", base},
		{"create", "--update", base},
		{"closure", "--repo", base},
		{"closure", "--repo", base, "--arch", "riscv64"},
		{"closure", "--repo", broken},
		{"slim", "--from", base, "--packages", "other", "--out", filepath.Join(t.TempDir(), "a")},
		{"slim", "--from", full, "--packages", "@demo:1,@tool:1", "--out", filepath.Join(t.TempDir(), "b")},
		{"slim", "--from", full, "--packages", "@demo:1,qqqq", "--out", filepath.Join(t.TempDir(), "c")},
		{"verify", base},
		{"verify", broken},
	} {
		_, stdout, stderr := repoCommand(t, "", append(append([]string{"repo"}, args...), "--json")...)
		if !json.Valid([]byte(stdout)) || strings.Contains(stdout, "null") {
			t.Errorf("%q prints\n%s%s", args, stdout, stderr)
		}
	}
}

func TestRepoVerify(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	code, stdout, _ := repoCommand(t, "", "repo", "verify", "a,"+v.Write(t, "full"), "b,"+v.Write(t, "w-defprofile"))
	if code != exitFailed || !strings.Contains(stdout, "b: fatal: ") || !strings.Contains(stdout, "[defaults-clash]") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	code, stdout, _ = repoCommand(t, "", "repo", "verify", "--json", v.Write(t, "w-baddate"))
	if code != exitFailed || !strings.Contains(stdout, `"severity": "fatal"`) {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	if code, _, stderr := repoCommand(t, "", "repo", "verify"); code != exitUsage || !strings.Contains(stderr, "expected REPO") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

func TestRepoCreateRefusesModulesThatBreakClients(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	dir := v.Write(t, "base")
	modules := filepath.Join(t.TempDir(), "modules.yaml")
	for repo, want := range map[string]int{"full": exitDone, "w-baddate": exitFailed, "w-noepoch": exitFailed, "w-broken": exitFailed, "w-samensvca": exitFailed} {
		if err := os.WriteFile(modules, []byte(*v.Repos[repo].Modules), 0o644); err != nil {
			t.Fatal(err)
		}
		if code, stdout, stderr := repoCommand(t, "", "repo", "create", dir, "--modules", modules); code != want {
			t.Errorf("%s: exit code %d, want %d\n%s%s", repo, code, want, stdout, stderr)
		}
	}
	// What was refused left the repository as it was.
	if code, _, stderr := repoCommand(t, "", "repo", "verify", dir); code != exitDone || !strings.Contains(stderr, "3 module streams") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}
