package sandbox

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// confined runs a shell script, which begins when it is confined, and returns
// how it ended.
func confined(t *testing.T, c *Confinement, script string) syscall.WaitStatus {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "read -r begin; "+script)
	cmd.Dir = t.TempDir()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := c.Add(cmd.Process.Pid); err != nil {
		t.Error(err)
	}
	if _, err := io.WriteString(in, "\n"); err != nil {
		t.Error(err)
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.Sys().(syscall.WaitStatus)
}

func TestConfinement(t *testing.T) {
	t.Parallel()
	r, err := New(t.Context(), Config{CgroupParent: "distbot-test-confine"})
	if err != nil {
		t.Fatal(err)
	}
	confine := func(t *testing.T, limits Limits) *Confinement {
		t.Helper()
		c, err := r.Confine(limits)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			c.Remove()
			for _, part := range c.group.parts {
				if _, err := os.Stat(filepath.Join(part.dir, "cgroup.procs")); err == nil {
					t.Errorf("control group %s is left", part.dir)
				}
			}
		})
		return c
	}
	t.Run("What a process starts is bounded as well", func(t *testing.T) {
		t.Parallel()
		c := confine(t, Limits{FileSize: 1 << 20})
		if got := confined(t, c, "head -c 2097152 /dev/zero > big; code=$?; [ $(wc -c < big) = 1048576 ] && exit $code"); got.ExitStatus() != 128+int(syscall.SIGXFSZ) {
			t.Errorf("exit code %d, want that of SIGXFSZ", got.ExitStatus())
		}
		if c.OOMKilled() {
			t.Error("memory ran out without a limit")
		}
	})
	t.Run("Memory that runs out is told", func(t *testing.T) {
		t.Parallel()
		c := confine(t, Limits{Memory: 64 << 20})
		got := confined(t, c, "head -c 1073741824 /dev/zero | tail")
		if r.Capabilities().MemoryLimit && !c.OOMKilled() {
			t.Errorf("status %v, want that the kernel killed for memory", got)
		}
		if !r.Capabilities().MemoryLimit && got.ExitStatus() == 0 {
			t.Error("more memory than the limit, which holds for each process")
		}
	})
}
