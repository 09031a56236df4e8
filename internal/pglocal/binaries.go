package pglocal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// minMajor is the oldest PostgreSQL that distbot's schema and River run on.
const minMajor = 14

// ErrNoPostgres says that no usable PostgreSQL server is installed. The error
// that wraps it tells what was found and what to install.
var ErrNoPostgres = errors.New("no usable PostgreSQL server")

// serverDirs are where distributions put the server's programs when they are
// not on PATH: Debian and Ubuntu, and the packages of the PostgreSQL project
// for Fedora and EL.
var serverDirs = []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) ([0-9]+)`)

// binaries is one installed version of the server's programs.
type binaries struct {
	dir   string
	major int
}

func (b binaries) path(program string) string { return filepath.Join(b.dir, program) }

// findBinaries returns the programs in dir if it is not empty, and else those of
// the newest installed version, or of exactly the major version if that is not
// 0: the files of a cluster can be read only by the version that made them.
func findBinaries(ctx context.Context, dir string, major int) (binaries, error) {
	dirs := []string{dir}
	if dir == "" {
		dirs = candidateDirs(ctx)
	}
	var best binaries
	var seen []string
	for _, d := range dirs {
		b, err := inspectDir(ctx, d)
		if err != nil {
			if dir != "" {
				return binaries{}, err
			}
			continue
		}
		seen = append(seen, fmt.Sprintf("%d in %s", b.major, d))
		if b.major > best.major && (major == 0 || b.major == major) {
			best = b
		}
	}
	found := "none"
	if len(seen) > 0 {
		found = strings.Join(seen, ", ")
	}
	switch {
	case best.major >= minMajor:
		return best, nil
	case major != 0:
		return binaries{}, fmt.Errorf("pglocal: find PostgreSQL %d, which made the existing cluster (found: %s; "+
			"install that version, or move the data with pg_upgrade): %w", major, found, ErrNoPostgres)
	default:
		return binaries{}, fmt.Errorf("pglocal: find PostgreSQL %d or newer (found: %s; run scripts/setup): %w",
			minMajor, found, ErrNoPostgres)
	}
}

// Version returns the major version of the server that Start would use for a
// new cluster, or an error that wraps ErrNoPostgres.
func Version(ctx context.Context) (int, error) {
	b, err := findBinaries(ctx, "", 0)
	return b.major, err
}

func candidateDirs(ctx context.Context) []string {
	var dirs []string
	if p, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(p))
	}
	// pg_config comes with the client's headers and need not have a server
	// beside it; inspectDir finds out.
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range serverDirs {
		if found, err := filepath.Glob(pattern); err == nil {
			dirs = append(dirs, found...)
		}
	}
	return dirs
}

// inspectDir reads the version of the server in dir and checks that the
// programs Start needs lie beside it.
func inspectDir(ctx context.Context, dir string) (binaries, error) {
	b := binaries{dir: dir}
	for _, program := range []string{"postgres", "initdb", "pg_ctl"} {
		if _, err := os.Stat(b.path(program)); err != nil {
			return b, fmt.Errorf("pglocal: inspect PostgreSQL (run scripts/setup): %w: %w", ErrNoPostgres, err)
		}
	}
	out, err := exec.CommandContext(ctx, b.path("postgres"), "--version").Output()
	if err != nil {
		return b, fmt.Errorf("pglocal: ask %s for its version: %w", b.path("postgres"), err)
	}
	m := versionLine.FindSubmatch(out)
	if m == nil {
		return b, fmt.Errorf("pglocal: ask %s for its version: it answered %.80q", b.path("postgres"), out)
	}
	b.major, err = strconv.Atoi(string(m[1]))
	return b, err
}
