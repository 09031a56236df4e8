package sandbox

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// escape leaves two daemons behind, in sessions of their own and with all
// signals ignored, one of which keeps the output open.
func escape(marker string) string {
	return strings.ReplaceAll(`
import os, signal, time
def daemon(close):
    if os.fork():
        os.wait()
        return
    os.setsid()
    if os.fork(): os._exit(0)
    os.setsid()
    for s in range(1, 32):
        try: signal.signal(s, signal.SIG_IGN)
        except (OSError, ValueError): pass
    if close:
        for fd in range(3): os.close(fd)
    os.execv("/usr/bin/python3", ["python3", "-c", "import time; time.sleep(10000)", "MARKER"])
daemon(True); daemon(False)
`, "MARKER", marker)
}

func TestKillTakesEverything(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	errStop := errors.New("stop it")

	t.Run("an escaped daemon ends with its payload and does not hold up the output", func(t *testing.T) {
		t.Parallel()
		marker := "escapee-" + rand.Text()
		got, _ := output(t, r, python(escape(marker)+"print('done')"))
		if left := processesWith(t, marker); got != "done" || left != nil {
			t.Errorf("output %q, left processes %v", got, left)
		}
	})
	// Both ways to end a run early, after the daemons are there.
	early := func(t *testing.T, limits Limits, stop func(context.CancelCauseFunc)) (Result, error) {
		marker := "escapee-" + rand.Text()
		ctx, cancel := context.WithCancelCause(testContext(t))
		defer cancel(nil)
		spec := python(escape(marker) + "print('ready', flush=True); time.sleep(10000)")
		spec.Limits = limits
		out, in := io.Pipe()
		spec.Stdout = in
		go func() {
			defer func() { _, _ = io.Copy(io.Discard, out) }()
			line, err := bufio.NewReader(out).ReadString('\n')
			if limits.Wall == 0 && (err != nil || line != "ready\n") {
				t.Errorf("read %q, %v", line, err)
			}
			stop(cancel)
		}()
		res, err := r.Run(ctx, spec)
		in.Close()
		if left := processesWith(t, marker); left != nil {
			t.Errorf("left processes %v", left)
		}
		return res, err
	}
	t.Run("a cancelled context", func(t *testing.T) {
		t.Parallel()
		res, err := early(t, Limits{}, func(cancel context.CancelCauseFunc) { cancel(errStop) })
		if !errors.Is(err, errStop) || res.TimedOut {
			t.Errorf("got %+v, %v", res, err)
		}
	})
	t.Run("the wall time limit", func(t *testing.T) {
		t.Parallel()
		res, err := early(t, Limits{Wall: 2 * time.Second}, func(context.CancelCauseFunc) {})
		if !errors.Is(err, ErrTimeout) || !res.TimedOut {
			t.Errorf("got %+v, %v", res, err)
		}
	})
	t.Run("a context that is cancelled already starts nothing", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancelCause(testContext(t))
		cancel(errStop)
		if _, err := r.Run(ctx, shell("true")); !errors.Is(err, errStop) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a writer that fails", func(t *testing.T) {
		t.Parallel()
		spec := shell("while :; do echo x; done")
		spec.Stdout = failingWriter{errStop}
		if _, err := r.Run(testContext(t), spec); !errors.Is(err, errStop) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("SIGKILL of the calling process", func(t *testing.T) {
		t.Parallel()
		marker := "orphan-" + rand.Text()
		cmd := exec.CommandContext(testContext(t), "/proc/self/exe", marker)
		cmd.Env = append(os.Environ(), testRole+"=victim")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
			t.Fatalf("read %q, %v", line, err)
		}
		eventually(t, "the payload, two daemons and the victim itself run", func() bool { return len(processesWith(t, marker)) == 4 })
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // "signal: killed"
		eventually(t, "no process of the sandbox is left", func() bool { return processesWith(t, marker) == nil })
		// The next caller clears up the control groups.
		for _, tree := range newRunner(t).cgroups.trees {
			left, err := filepath.Glob(filepath.Join(tree.parent, fmt.Sprintf("run-%d-*", cmd.Process.Pid)))
			if err != nil || left != nil {
				t.Errorf("left control groups %v, %v", left, err)
			}
		}
	})
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// runVictim runs a sandbox until it is killed.
func runVictim(args []string) error {
	r, err := New(context.Background(), Config{Mapping: MappingKind(os.Getenv(mappingUnderTest))})
	if err != nil {
		return err
	}
	spec := python(escape(args[0]) + "print('ready', flush=True); time.sleep(10000)")
	spec.Args = append(spec.Args, args[0])
	spec.Stdout, spec.Stderr = os.Stdout, os.Stderr
	_, err = r.Run(context.Background(), spec)
	return fmt.Errorf("sandbox ended: %w", err)
}
