package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// testRole makes the test binary something else than a test: see TestMain.
const testRole = "DISTBOT_SANDBOX_TEST_ROLE"

func TestMain(m *testing.M) {
	Main()
	if role := os.Getenv(testRole); role != "" {
		os.Unsetenv(testRole)
		if err := playRole(role, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, role+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// mappingUnderTest lets the conformance tests run once for each strategy.
const mappingUnderTest = "DISTBOT_SANDBOX_TEST_MAPPING"

func newRunner(t testing.TB) *Runner {
	t.Helper()
	return newRunnerWith(t, Config{Mapping: MappingKind(os.Getenv(mappingUnderTest))})
}

func newRunnerWith(t testing.TB, cfg Config) *Runner {
	t.Helper()
	r, err := New(testContext(t), cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return r
}

// testContext bounds what a test waits for.
func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// hostSpec runs a program of the host as the builder.
func hostSpec(args ...string) Spec {
	root, mounts := HostView()
	return Spec{
		Root: root, Mounts: mounts, UID: 1000, GID: 1000, TmpSize: 64 << 20,
		Env: []string{"PATH=/usr/bin:/usr/sbin", "LC_ALL=C"}, Args: args,
	}
}

func shell(script string) Spec { return hostSpec("/bin/sh", "-c", script) }

func python(script string) Spec {
	const prelude = `
import ctypes, errno, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *args):
    ctypes.set_errno(0)
    r = getattr(libc, name)(*args)
    return "ok" if r >= 0 else errno.errorcode[ctypes.get_errno()]
`
	return hostSpec("/usr/bin/python3", "-c", prelude+script)
}

// output runs spec and returns what it wrote. An error of Run is fatal.
func output(t *testing.T, r *Runner, spec Spec) (string, Result) {
	t.Helper()
	var out bytes.Buffer
	spec.Stdout, spec.Stderr = &out, &out
	res, err := r.Run(testContext(t), spec)
	if err != nil {
		t.Fatalf("Run: %v\noutput: %s", err, out.String())
	}
	return strings.TrimSpace(out.String()), res
}

// want runs spec and compares exit code and output.
func want(t *testing.T, r *Runner, spec Spec, code int, text string) {
	t.Helper()
	got, res := output(t, r, spec)
	if res.ExitCode != code || got != text {
		t.Errorf("exit code %d, output %q; want %d, %q", res.ExitCode, got, code, text)
	}
}

// mappedDir makes a directory of the sandbox below the test's own, whose
// parents have mode 0700.
func mappedDir(t *testing.T, r *Runner, name string, uid int) string {
	t.Helper()
	return mappedDirIn(t, r, t.TempDir(), name, uid)
}

func mappedDirIn(t *testing.T, r *Runner, parent, name string, uid int) string {
	t.Helper()
	if err := os.Chmod(parent, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(parent, name)
	if err := r.MkdirMapped(testContext(t), dir, uid, uid, 0o755); err != nil {
		t.Fatalf("MkdirMapped: %v", err)
	}
	t.Cleanup(func() {
		if err := r.RemoveAll(context.Background(), dir); err != nil {
			t.Errorf("RemoveAll: %v", err)
		}
	})
	return dir
}

// eventually waits for a state.
func eventually(t *testing.T, what string, state func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !state() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not reached in time: %s", what)
		}
	}
}

// processesWith are the processes of the host with marker in their command line.
func processesWith(t testing.TB, marker string) []int {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, dir := range dirs {
		cmdline, err := os.ReadFile(dir + "/cmdline")
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if err == nil && pid != os.Getpid() && bytes.Contains(cmdline, []byte(marker)) {
			found = append(found, pid)
		}
	}
	return found
}
