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

// ownMacros is the file that copyMacros adds: the last one of its directory.
const ownMacros = "macros.zz-distbot"

// copyMacros copies the files of a directory, adds one, and removes what an
// earlier copy has besides: macros that are not this host's any more.
func copyMacros(dir, from string, entries []fs.DirEntry) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("mock: make %s: %w", dir, err)
	}
	copied := map[string]bool{ownMacros: true}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(from, entry.Name()))
		if err != nil || entry.Name() == ownMacros {
			continue // a directory, or a link to nowhere
		}
		if err := writeFixed(filepath.Join(dir, entry.Name()), text); err != nil {
			return err
		}
		copied[entry.Name()] = true
	}
	if err := writeFixed(filepath.Join(dir, ownMacros), []byte("%_dbpath /var/lib/rpm\n")); err != nil {
		return err
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("mock: read %s: %w", dir, err)
	}
	for _, entry := range there {
		// Another process may be writing the same files.
		if copied[entry.Name()] || strings.HasPrefix(entry.Name(), unfinished) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("mock: remove macros that are gone: %w", err)
		}
	}
	return nil
}
