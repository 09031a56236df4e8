package rootfs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/builders/drivertest"
)

// playRole does what a test needs another process for. The first argument is
// the driver's directory.
func playRole(role string, args []string) error {
	if role == "nobody" {
		return becomeNobody()
	}
	b, err := newBundle(args[0], nil)
	if err != nil {
		return err
	}
	switch role {
	case "user": // of a base root, until the end of its input
		root, err := b.driver.bases.get(context.Background(), b.recipe(smallGroup), diagnosis.NewLog("root.log", io.Discard, nil))
		if err != nil {
			return err
		}
		defer root.release()
		return sayReady(root.key())
	case "installer": // of a base root that takes some time
		_, err := b.driver.bases.get(context.Background(), b.recipe(srpmGroup), diagnosis.NewLog("root.log", io.Discard, nil))
		return err
	case "builder": // of a build that goes on until the end of its input
		dir, err := os.MkdirTemp(args[0], "logs-")
		if err != nil {
			return err
		}
		order := builders.Order{TaskID: 1, Attempt: 1, Root: b.recipe(smallGroup), LogDir: dir, Phase: func(builders.Phase) {}}
		_, err = b.driver.work(context.Background(), order, func(_ context.Context, build *build) error {
			return sayReady(filepath.Base(build.dir))
		})
		return err
	}
	return fmt.Errorf("unknown role %q", role)
}

// sayReady tells the test that a state is reached, and waits for it to go on.
func sayReady(what string) error {
	fmt.Println(what)
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

func (b *bundle) recipe(install []string) builders.Recipe {
	return builders.Recipe{Tag: "f37-build", Arch: hostArch(), Repos: []builders.Repo{b.base}, Install: install}
}

// actor is another process that plays a role.
type actor struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(t *testing.T, role, dir string) *actor {
	t.Helper()
	base := must(baseRepo())(t)
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", dir)
	cmd.Env = append(os.Environ(), testRole+"="+role, baseRepoVariable+"="+base)
	cmd.Stderr = t.Output()
	a := &actor{cmd: cmd, in: must(cmd.StdinPipe())(t), out: bufio.NewReader(must(cmd.StdoutPipe())(t))}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return a
}

// ready waits until the actor says that its state is reached.
func (a *actor) ready(t *testing.T) string {
	t.Helper()
	line, err := a.out.ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %v", err, a.cmd.Wait())
	}
	return strings.TrimSpace(line)
}

// end lets the actor go on to its end.
func (a *actor) end(t *testing.T) {
	t.Helper()
	if err := errors.Join(a.in.Close(), a.cmd.Wait()); err != nil {
		t.Fatal(err)
	}
}

// kill ends the actor at once.
func (a *actor) kill(t *testing.T) {
	t.Helper()
	if err := a.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = a.cmd.Wait() // "signal: killed"
}

// nobody is who the unprivileged test runs as.
const nobody = 65534

// becomeNobody gives nobody a range of subordinate ids in this mount
// namespace, becomes nobody, and goes on as a test binary.
func becomeNobody() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	file := filepath.Join(os.Getenv("TMPDIR"), "subid")
	if err := os.WriteFile(file, fmt.Appendf(nil, "%d:400000:65536\n", nobody), 0o644); err != nil {
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

// TestUnprivileged builds as nobody, who has a range of
// subordinate ids.
func TestUnprivileged(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("not root: the other tests already ran unprivileged")
		return
	}
	base := must(baseRepo())(t)
	//nolint:usetesting // nobody may not pass the parent of t.TempDir
	tmp := must(os.MkdirTemp("", "rootfs-unprivileged-"))(t)
	t.Cleanup(func() { os.RemoveAll(tmp) })
	if err := os.Chown(tmp, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	// Nobody may not be able to read the checkout that is tested.
	packages := filepath.Join(tmp, "distgit")
	if err := drivertest.LinkTree(distGit(), packages); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Args = []string{"rootfs.test", "-test.run", "^TestBuild$/^A_noarch", "-test.v", "-test.timeout", "5m"}
	cmd.Dir = "/"
	cmd.Env = []string{"TMPDIR=" + tmp, "PATH=" + os.Getenv("PATH"), testRole + "=nobody", baseRepoVariable + "=" + base, distGitVariable + "=" + packages}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if n := strings.Count(string(out), "--- PASS"); err != nil || n != 2 {
		t.Fatalf("%v, %d passed, want 2\n%s", err, n, out)
	}
	if left := drivertest.Names(t, tmp); len(left) != 2 { // distgit and the file subid
		t.Errorf("left %q", left)
	}
}
