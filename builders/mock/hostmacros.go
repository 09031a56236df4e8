package mock

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// hostMacros is a directory that is mounted over one of rpm's own on this host
// while mock runs, so that rpm keeps the database of a buildroot in the
// buildroot: Debian's default follows HOME, and mock's rpm would look for it
// where its dnf did not write it. Both are empty where rpm needs no telling.
type hostMacros struct{ dir, over string }

// macroDirs are where rpm on any host looks for macros, the later one wins.
var macroDirs = []string{"/etc/rpm", "/usr/lib/rpm/macros.d"}

// newHostMacros asks rpm where it keeps databases, and makes dir if that
// depends on who asks.
func newHostMacros(ctx context.Context, dir string) (hostMacros, error) {
	const home = "/nonexistent/home"
	cmd := exec.CommandContext(ctx, "rpm", "--eval", "%{_dbpath}")
	cmd.Env = []string{"HOME=" + home, "PATH=/usr/bin:/bin", "LC_ALL=C"}
	out, err := cmd.Output()
	if err != nil {
		return hostMacros{}, fmt.Errorf("mock: ask rpm for its database: %w", err)
	}
	if !strings.HasPrefix(strings.TrimSpace(string(out)), home) {
		return hostMacros{}, nil
	}
	for _, over := range macroDirs {
		entries, err := os.ReadDir(over)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return hostMacros{}, fmt.Errorf("mock: read rpm's macros: %w", err)
		}
		return hostMacros{dir, over}, copyMacros(dir, over, entries)
	}
	return hostMacros{}, fmt.Errorf("mock: rpm on this host keeps databases below HOME, and neither of %q is there to tell it otherwise", macroDirs)
}

// copyMacros copies the files of a directory and adds one.
func copyMacros(dir, from string, entries []fs.DirEntry) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("mock: make %s: %w", dir, err)
	}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(from, entry.Name()))
		if err != nil {
			continue // a directory, or a link to nowhere
		}
		if err := writeFixed(filepath.Join(dir, entry.Name()), text); err != nil {
			return err
		}
	}
	return writeFixed(filepath.Join(dir, "macros.zz-distbot"), []byte("%_dbpath /var/lib/rpm\n"))
}
