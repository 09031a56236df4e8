package bootstrap

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestOpenCacheWhileToolsAreDying opens a cache in whose work/ the children of
// a killed process still make files and directories.
func TestOpenCacheWhileToolsAreDying(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	written := make(chan struct{})
	done := make(chan error, 1)
	go func() { done <- keepWriting(ctx, filepath.Join(dir, "work", "1234"), written) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	// Each round begins with a fresh file below work/. Which system call of the
	// writer falls between which of RemoveAll's differs from round to round.
	for round := range 200 {
		select {
		case <-written:
		case err := <-done:
			t.Fatalf("the writer ended: %v", err)
		}
		release, err := openCache(t.Context(), dir)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "work")); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		if err := release(); err != nil {
			t.Fatal(err)
		}
	}
}

// keepWriting makes files below dir, also where that is removed, until ctx
// ends, and offers a token on written after each.
func keepWriting(ctx context.Context, dir string, written chan<- struct{}) error {
	for n := 0; ctx.Err() == nil; n++ {
		if err := os.MkdirAll(dir, 0o755); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		err := os.WriteFile(filepath.Join(dir, strconv.Itoa(n)), nil, 0o644)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		select {
		case written <- struct{}{}:
		default:
		}
	}
	return nil
}

// toolEnv makes a copy of the test program one that runs a tool and is to be
// killed.
const toolEnv = "DISTBOT_TEST_KILLED_TOOL"

// TestProcessWithATool is the body of the process that
// TestToolsDieWithTheProcess kills; on its own it has nothing to do.
func TestProcessWithATool(t *testing.T) {
	t.Parallel()
	if os.Getenv(toolEnv) == "" {
		return
	}
	tools := tools{paths: map[string]string{"sh": "/bin/sh"}, env: os.Environ()}
	hand := func(out io.Reader) error {
		_, err := io.Copy(os.Stdout, out)
		return err
	}
	if err := tools.stream(context.Background(), hand, "sh", "-c", "echo $$; exec sleep 600"); err != nil {
		t.Error(err)
	}
}

func TestToolsDieWithTheProcess(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProcessWithATool$")
	cmd.Env = append(os.Environ(), toolEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var line strings.Builder
	for b := make([]byte, 1); !strings.HasSuffix(line.String(), "\n"); line.Write(b) {
		if _, err := io.ReadFull(out, b); err != nil {
			t.Fatal(err)
		}
	}
	tool, err := strconv.Atoi(strings.TrimSpace(line.String()))
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the process was not killed")
	}
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for alive(tool) {
		select {
		case <-deadline:
			process, err := os.FindProcess(tool)
			if err == nil {
				err = process.Kill()
			}
			t.Fatalf("the tool outlived its process by 30 s (%v)", err)
		case <-tick.C:
		}
	}
}

// alive reports whether a process runs; one that only waits to be reaped does
// not.
func alive(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}
