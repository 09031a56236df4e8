package forge_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/distbot/distbot/forge"
)

// TestCheckBranch compares our rules with git itself; where we are stricter on
// purpose the table says so.
func TestCheckBranch(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatal("git is missing: run scripts/setup")
	}
	stricter := map[string]bool{
		"a\xffb":                 true, // not UTF-8
		"a\u0085b":               true, // C1 control character
		strings.Repeat("x", 256): true,
	}
	branches := []string{
		"f37", "rawhide", "main", "stream/1.0", "epel9-next", "c9s", "a.b", "a-", "a/-b", "@a", "a@", "a{b", "müsli", "日本", "a'b", "a\"b", "a$b",
		"a;b", "a|b", "a&b", "a<b", "a%b", "a#b", "a!b", "a=b", "a,b", "a]b", "lock", ".lockx/../", "a.lockx", "HEADx", "refs/heads/x",
		"-", "-a", "--all", ".", "..", "a..b", ".a", "a/.b", "a.", "a/", "/a", "a//b", "a.lock", "a.lock/b", "a/b.lock",
		"a b", "a~b", "a^b", "a:b", "a?b", "a*b", "a[b", "a\\b", "a@{b", "a\tb", "a\nb", "a\x01b", "a\x7fb", "HEAD", "refs/heads/",
		"a\xffb", "a\u0085b", strings.Repeat("x", 255), strings.Repeat("x", 256),
	}
	for _, branch := range branches {
		cmd := exec.CommandContext(t.Context(), "git", "check-ref-format", "--branch", branch)
		cmd.Dir = t.TempDir()
		git := cmd.Run() == nil
		ours := forge.CheckBranch(branch) == nil
		if ours != (git && !stricter[branch]) {
			t.Errorf("CheckBranch(%q) accepts: %t, git accepts: %t", branch, ours, git)
		}
	}
	// git can't be asked: no argument holds a NUL or is a lone @, which it
	// takes for HEAD.
	for _, branch := range []string{"a\x00b", "@", ""} {
		if forge.CheckBranch(branch) == nil {
			t.Errorf("CheckBranch(%q) = nil, want an error", branch)
		}
	}
}

func TestCheckCommit(t *testing.T) {
	t.Parallel()
	for id, ok := range map[string]bool{
		strings.Repeat("a", 40): true, strings.Repeat("0f", 32): true,
		strings.Repeat("0", 40): false, strings.Repeat("0", 64): false, strings.Repeat("a", 39): false, strings.Repeat("a", 41): false,
		strings.Repeat("A", 40): false, strings.Repeat("g", 40): false, "": false, "HEAD": false, "-" + strings.Repeat("a", 39): false,
	} {
		if got := forge.CheckCommit(id) == nil; got != ok {
			t.Errorf("CheckCommit(%q) accepts: %t, want %t", id, got, ok)
		}
	}
}
