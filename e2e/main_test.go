//go:build e2e

// Package e2e_test drives the real program as a process: a real Gitea or git
// pushes to it over HTTP, it builds in real buildroots of RPMs, keeps its state
// in a real PostgreSQL, and dnf installs what it publishes.
//
// It knows what distbot promises to forges, to operators and to dnf. It refuses
// to know how the program is made inside, but for the tables that say how far a
// build has come: TestKill stops the process between any two of them.
//
// Run it by make e2e. Everything it needs is made here and kept in the user's
// cache between runs: Gitea, and the base distribution, which is repacked from
// Debian's packages unless DISTBOT_E2E_BASE names a repository.
package e2e_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/distbot/distbot/internal/sandbox"
)

// baseEnv names a repository to make buildroots from, such as a mirror of
// Fedora's. Without it the host must be a Debian.
const baseEnv = "DISTBOT_E2E_BASE"

// parallel is how many tests run at a time: they mostly wait.
const parallel = "6"

// The program under test and the base distribution, made by TestMain.
var (
	// binary is the path of the program.
	binary string
	// baseURL is the repository that buildroots are made from.
	baseURL string
	// scratchDir holds everything the tests write. Every account may enter it:
	// PostgreSQL runs as one of its own when the tests run as root.
	scratchDir string
)

func TestMain(m *testing.M) {
	// Buildroots are removed by this program running itself in their namespace.
	sandbox.Main()
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", parallel); err != nil {
			panic(err) // The testing package defines the flag.
		}
	}
	code, err := prepareAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func prepareAndRun(m *testing.M) (code int, err error) {
	if scratchDir, err = os.MkdirTemp("", "distbot-e2e-"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, removeScratch()) }()
	if err := os.Chmod(scratchDir, 0o755); err != nil {
		return 1, err
	}
	if err := buildProgram(); err != nil {
		return 1, err
	}
	if err := makeBase(); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// removeScratch removes everything, also what builds wrote under other ids.
func removeScratch() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	runner, err := sandbox.New(ctx, sandbox.Config{})
	if err != nil {
		return err
	}
	roots, err := filepath.Glob(filepath.Join(scratchDir, "*", "state", "buildroots"))
	if err != nil {
		return err
	}
	for _, dir := range roots {
		err = errors.Join(err, runner.RemoveAll(ctx, dir))
	}
	return errors.Join(err, os.RemoveAll(scratchDir))
}

// buildProgram builds the program, with the race detector if the tests are.
func buildProgram() error {
	binary = filepath.Join(scratchDir, "bin", "distbot")
	args := []string{"build", "-o", binary}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "github.com/distbot/distbot/cmd/distbot")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build distbot: %w\n%s", err, out)
	}
	return nil
}

func makeBase() error {
	if baseURL = os.Getenv(baseEnv); baseURL != "" {
		return nil
	}
	dir := filepath.Join(scratchDir, "base", hostArch())
	cmd := exec.Command(binary, "bootstrap", "debian", "--arch", hostArch(), "--out", dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make the base distribution (on another host than a Debian, set %s to the URL of a repository): %w\n%s", baseEnv, err, out)
	}
	baseURL = "file://" + dir
	return nil
}

// hostArch is this machine's architecture by RPM's name.
func hostArch() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return runtime.GOARCH
}

// patience is how long a test waits for a state: generous, because a loaded
// machine is slow, and only reached by tests that fail.
const patience = 5 * time.Minute

// pollEvery is how often a state is looked at: often enough to lose no time,
// rarely enough that looking is not what keeps the machine busy.
const pollEvery = 100 * time.Millisecond

// eventually waits until look is content. look returns what it saw, for the
// message when it never is.
func eventually(t testing.TB, what string, look func() (seen string, ok bool)) {
	t.Helper()
	deadline := time.After(patience)
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		seen, ok := look()
		if ok {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("waiting for %s: the test ended; last seen: %s", what, seen)
		case <-deadline:
			t.Fatalf("no %s within %s; last seen: %s", what, patience, seen)
		case <-ticker.C:
		}
	}
}

// makeDir makes a directory for one installation. It goes with scratchDir.
func makeDir(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp(scratchDir, name+"-") //nolint:usetesting // PostgreSQL's account must be able to pass it
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func writeFile(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), mode)
	}
	if err != nil {
		t.Fatal(err)
	}
}
