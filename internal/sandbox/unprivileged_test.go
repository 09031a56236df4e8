package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// nobody is who the unprivileged variants run as.
const nobody = 65534

// conformance are the tests that hold for every id map.
const conformance = "^(TestPayload.*|TestRun.*|TestDevices|TestMounts.*|TestOverlay.*|TestCollect.*|TestRemoveAll.*|TestKill.*|TestLimits.*|TestFiles.*)$"

// TestUnprivileged runs the tests above again as nobody, with and without a
// range in /etc/subuid.
func TestUnprivileged(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("not root: the other tests already ran unprivileged, with the map", newRunner(t).Mapping().Kind)
		return
	}
	for _, kind := range []MappingKind{MapSubID, MapSingle} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			tmp, err := os.MkdirTemp("", "sandbox-unprivileged-") //nolint:usetesting // the other account must be able to pass it
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(tmp) })
			if err := os.Chown(tmp, nobody, nobody); err != nil {
				t.Fatal(err)
			}
			args := []string{"sandbox.test", "-test.run", conformance, "-test.v", "-test.timeout", "10m"}
			cmd := exec.Command("/proc/self/exe")
			cmd.Args = args
			cmd.Dir = "/"
			cmd.Env = []string{"TMPDIR=" + tmp, "PATH=" + os.Getenv("PATH"), testRole + "=nobody", mappingUnderTest + "=" + string(kind)}
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, regexp.MustCompile(`(?m)^( *--- PASS|===).*\n`).ReplaceAllString(string(out), ""))
			}
			if n := strings.Count(string(out), "--- PASS"); n < 50 || strings.Contains(string(out), "--- SKIP") {
				t.Fatalf("%d passed, want at least 50 and none skipped:\n%s", n, out)
			}
		})
	}
}

func TestSubordinateIDsAreNotUsedWithoutALine(t *testing.T) {
	t.Parallel()
	_, _, err := parseSubIDs(strings.NewReader("alice:100000:65536\n# nobody\n"), "nobody", "65534")
	if !errors.Is(err, errNoSubIDs) {
		t.Errorf("got %v", err)
	}
}

func playRole(role string, args []string) error {
	switch role {
	case "nobody":
		return becomeNobody()
	case "victim":
		return runVictim(args)
	}
	return fmt.Errorf("unknown role %q", role)
}

// becomeNobody gives nobody a range of subordinate ids in this mount
// namespace, becomes nobody, and goes on as a test binary.
func becomeNobody() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	line := ""
	if os.Getenv(mappingUnderTest) == string(MapSubID) {
		line = fmt.Sprintf("%d:300000:65536\n", nobody)
	}
	file := filepath.Join(os.Getenv("TMPDIR"), "subid")
	if err := os.WriteFile(file, []byte(line), 0o644); err != nil {
		return err
	}
	for _, target := range []string{"/etc/subuid", "/etc/subgid"} {
		if err := unix.Mount(file, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s (run scripts/setup for package uidmap): %w", target, err)
		}
	}
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
		return err
	}
	return syscall.Exec("/proc/self/exe", os.Args, os.Environ())
}
