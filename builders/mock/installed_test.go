package mock

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/builders"
)

func TestWhatMockListed(t *testing.T) {
	t.Parallel()
	held := []builders.Installed{{NEVRA: "bash-5-1.x86_64"}, {NEVRA: "make-4-1.x86_64"}}
	for _, test := range []struct{ name, list, want string }{
		{"The same", "make-4-1.x86_64 1 2 a\nbash-5-1.x86_64 1 2 b\ngpg-pubkey-1-1.(none) 1 2 c\n", ""},
		{"More", "make-4-1.x86_64 1\nbash-5-1.x86_64 1\nzip-1-1.x86_64 1\n", "mock: the buildroot holds 2 packages after the build, mock listed 3 before it"},
		{"A list without end", strings.Repeat("x", maxList+1), "mock: read installed_pkgs.log: it is larger than 16 MiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			j := &job{dir: t.TempDir()}
			if err := os.Mkdir(j.path("result"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(j.path("result"), "installed_pkgs.log"), []byte(test.list), 0o644); err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := j.compare(held); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestAListThatIsNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := readListed(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v of none, want that it does not exist", err)
	}
	path := filepath.Join(dir, "installed_pkgs.log")
	if err := unix.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if text, err := readListed(dir); err == nil && len(text) > 0 {
		t.Errorf("a pipe says %q", text)
	}
	if err := errors.Join(os.Remove(path), os.Symlink("/etc/passwd", path)); err != nil {
		t.Fatal(err)
	}
	if text, err := readListed(dir); err == nil {
		t.Errorf("a link out of the results says %.20q", text)
	}
}
