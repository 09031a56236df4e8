package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Caps on what is read of other programs' answers.
const (
	maxControlBytes = 1 << 20
	maxOutputBytes  = 16 << 20
	errorTailBytes  = 2048
)

// tools runs the programs of the host with a clean environment: the caller's
// locale, home directory and rpm macros must not reach the result.
type tools struct {
	paths map[string]string
	env   []string
}

// findTools looks for every program this package runs. It returns
// ErrToolMissing, naming the package that has it, for the first one absent.
func findTools(home string) (tools, error) {
	t := tools{
		paths: map[string]string{},
		env: []string{
			"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + home, "LC_ALL=C", "TZ=UTC",
			"DEBIAN_FRONTEND=noninteractive",
		},
	}
	// Proxies are how some hosts reach their mirror.
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "APT_CONFIG"} {
		if v, ok := os.LookupEnv(name); ok {
			t.env = append(t.env, name+"="+v)
		}
	}
	for _, need := range []struct{ program, from string }{
		{"apt-get", "apt"},
		{"apt-config", "apt"},
		{"dpkg", "dpkg"},
		{"dpkg-deb", "dpkg"},
		{"rpmbuild", "rpm"},
		{"/usr/lib/rpm/perl.prov", "rpm"},
	} {
		p, err := exec.LookPath(need.program)
		if err != nil {
			return tools{}, fmt.Errorf("bootstrap: find %s: %w (Debian package %s; scripts/setup installs it)", need.program, ErrToolMissing, need.from)
		}
		t.paths[filepath.Base(need.program)] = p
	}
	return t, nil
}

// command prepares a program that is killed with its children when ctx ends,
// and alone when this process dies: apt-get must not go on downloading beside
// the next run's, and what a program had started ends soon without it. The
// calling goroutine must be locked to its thread until the program was waited
// for: the kernel sends Pdeathsig when the thread ends, not the process.
func (t tools) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.paths[program], args...)
	cmd.Env = t.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// output runs a program and returns what it wrote to standard output. The end
// of its standard error is in the error.
func (t tools) output(ctx context.Context, program string, args ...string) ([]byte, error) {
	return t.filter(ctx, nil, program, args...)
}

// filter is output for a program that reads standard input.
func (t tools) filter(ctx context.Context, input io.Reader, program string, args ...string) ([]byte, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := t.command(ctx, program, args...)
	var stdout limitedBuffer
	var stderr tailBuffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, commandError(ctx, program, err, &stderr)
	}
	return stdout.Bytes(), nil
}

// stream runs a program and hands its standard output to read. If both fail
// the error tells of both, as either may have caused the other.
func (t tools) stream(ctx context.Context, read func(io.Reader) error, program string, args ...string) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := t.command(ctx, program, args...)
	var stderr tailBuffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	readErr := read(out)
	if readErr == nil {
		// The padding after a tar stream has to be taken, or the program
		// dies of a broken pipe.
		_, readErr = io.Copy(io.Discard, out)
	}
	closeErr := out.Close()
	if err := cmd.Wait(); err != nil {
		err = commandError(ctx, program, err, &stderr)
		if readErr != nil {
			return fmt.Errorf("%w (%w)", readErr, err)
		}
		return err
	}
	return errors.Join(readErr, closeErr)
}

func commandError(ctx context.Context, program string, err error, stderr *tailBuffer) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", program, context.Cause(ctx))
	}
	if text := strings.TrimSpace(stderr.String()); text != "" {
		return fmt.Errorf("%s: %w: %s", program, err, text)
	}
	return fmt.Errorf("%s: %w", program, err)
}

// limitedBuffer refuses to grow beyond maxOutputBytes.
type limitedBuffer struct{ bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxOutputBytes {
		return 0, errors.New("output is too long")
	}
	return b.Buffer.Write(p)
}

// tailBuffer keeps the last errorTailBytes written to it.
type tailBuffer struct{ tail []byte }

func (b *tailBuffer) Write(p []byte) (int, error) {
	b.tail = append(b.tail, p...)
	if extra := len(b.tail) - errorTailBytes; extra > 0 {
		b.tail = append(b.tail[:0], b.tail[extra:]...)
	}
	return len(p), nil
}

func (b *tailBuffer) String() string { return string(b.tail) }
