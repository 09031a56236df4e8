package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/distbot/distbot/internal/bootstrap"
	"github.com/distbot/distbot/internal/sandbox"
)

// testRole makes the test binary something else than a test.
const testRole = "DISTBOT_ROOTFS_TEST_ROLE"

func TestMain(m *testing.M) {
	sandbox.Main()
	if role := os.Getenv(testRole); role != "" {
		os.Unsetenv(testRole)
		if err := playRole(role, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, role+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	if err := removeScratch(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// scratch is what the tests share: a base distribution, and the directory of a
// driver whose base roots they use in turn.
var scratch struct {
	mu  sync.Mutex
	dir string
}

func scratchDir() (string, error) {
	scratch.mu.Lock()
	defer scratch.mu.Unlock()
	if scratch.dir != "" {
		return scratch.dir, nil
	}
	dir, err := os.MkdirTemp("", "distbot-rootfs-test-")
	if err != nil {
		return "", err
	}
	scratch.dir = dir
	// The unprivileged tests read the base distribution, too.
	return dir, os.Chmod(dir, 0o755)
}

func removeScratch() error {
	if scratch.dir == "" {
		return nil
	}
	runner, err := sandbox.New(context.Background(), sandbox.Config{})
	if err != nil {
		return err
	}
	return errors.Join(runner.RemoveAll(context.Background(), filepath.Join(scratch.dir, "buildroots")), os.RemoveAll(scratch.dir))
}

// baseRepoVariable names a base distribution that is there already.
const baseRepoVariable = "DISTBOT_ROOTFS_TEST_BASE"

// baseRepo is the base distribution that the tests' buildroots come from. It is
// kept in the user's cache; the tests have links of their own, which stay as
// they are when it is replaced, and which the user nobody may read.
var baseRepo = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv(baseRepoVariable); dir != "" {
		return dir, nil
	}
	dir, err := scratchDir()
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "distbot", "rootfs-test")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	result, err := bootstrap.Debian(context.Background(), bootstrap.Options{
		Arch: hostArch(), Out: filepath.Join(cache, "base-"+hostArch()), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return "", err
	}
	own := filepath.Join(dir, "base")
	return own, linkTree(result.Path, own)
})

// linkTree makes a copy of links, or of files where links can't be.
func linkTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if entry.IsDir() {
			return os.Mkdir(target, 0o755)
		}
		err = os.Link(path, target)
		if errors.Is(err, syscall.EXDEV) {
			var text []byte
			if text, err = os.ReadFile(path); err == nil {
				err = os.WriteFile(target, text, 0o644)
			}
		}
		return err
	})
}
