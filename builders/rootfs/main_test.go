package rootfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/distbot/distbot/builders/drivertest"
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
	own := filepath.Join(dir, "base")
	return own, drivertest.Base(context.Background(), own)
})
