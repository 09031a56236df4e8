package mock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/builders/diagnosis"
)

// launch is one run of mock.
type launch struct {
	args []string
	// output is the file for what mock prints.
	output string
	// repositories, if not nil, is served on the loopback interface that mock
	// sees. configure is told the server's URL before mock starts.
	repositories http.Handler
	configure    func(url string) error
	// limits bound all of mock's processes.
	confine confiner
}

// confiner bounds a process and what it starts.
type confiner interface{ Add(pid int) error }

// script is the first process of the namespaces. It stays while mock runs: when
// it ends or is killed, the kernel ends all others. It begins when it is
// confined. Its arguments are the directory of macros and where it goes, both
// may be empty, and mock's command line.
const script = `read -r begin || exit 125
mount -t proc proc /proc || exit 125
[ -z "$1" ] || mount --bind "$1" "$2" || exit 125
shift 2
cd /
umask 022
"$@" </dev/null
exit $?`

// notSetUp is the script's exit code when it could not begin. mock has none so
// high that is not a signal's.
const notSetUp = 125

// launch runs mock in network, process, IPC, UTS and mount namespaces of its
// own, and returns when nothing of it is left. A done context kills it at once.
func (d *Driver) launch(ctx context.Context, l launch) (diagnosis.Exit, error) {
	if err := context.Cause(ctx); err != nil {
		return diagnosis.Exit{}, err
	}
	type result struct {
		end diagnosis.Exit
		err error
	}
	done := make(chan result, 1)
	go func() {
		// Never unlocked, so that the thread, whose network is another one now,
		// ends with this goroutine; and not before mock does, as the kernel
		// takes the thread for mock's parent.
		runtime.LockOSThread()
		end, err := d.launchHere(ctx, l)
		done <- result{end, err}
	}()
	r := <-done
	return r.end, r.err
}

// launchHere moves the calling thread into another network.
func (d *Driver) launchHere(ctx context.Context, l launch) (end diagnosis.Exit, err error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return end, fmt.Errorf("mock: make a network namespace: %w", err)
	}
	if err := loopbackUp(); err != nil {
		return end, err
	}
	if l.repositories != nil {
		stop, err := l.serve(ctx)
		if err != nil {
			return end, err
		}
		defer stop()
	}
	output, err := os.OpenFile(l.output, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return end, fmt.Errorf("mock: keep mock's messages: %w", err)
	}
	defer output.Close()
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", script, "mock", d.macros.dir, d.macros.over, d.config.Program}, l.args...)...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = d.environ(), "/", output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Unshareflags: syscall.CLONE_NEWNS,
		Setsid:       true,
		Pdeathsig:    syscall.SIGKILL,
	}
	begin, err := cmd.StdinPipe()
	if err != nil {
		return end, fmt.Errorf("mock: start mock: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return end, fmt.Errorf("mock: start mock: %w", err)
	}
	if l.confine != nil {
		err = l.confine.Add(cmd.Process.Pid)
	}
	if err == nil {
		_, err = io.WriteString(begin, "\n")
	}
	if err != nil {
		_ = cmd.Process.Kill()
	}
	return finish(ctx, cmd, err)
}

// finish waits for mock; err is why it could not begin.
func finish(ctx context.Context, cmd *exec.Cmd, err error) (end diagnosis.Exit, _ error) {
	werr := cmd.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return end, cause
	}
	var exit *exec.ExitError
	switch {
	case err != nil:
		return end, fmt.Errorf("mock: start mock: %w", err)
	case errors.As(werr, &exit):
		status, _ := exit.Sys().(syscall.WaitStatus)
		end.Code = exit.ExitCode()
		if status.Signaled() {
			end.Code, end.Signal = 128+int(status.Signal()), int(status.Signal())
		}
	case werr != nil:
		return end, fmt.Errorf("mock: wait for mock: %w", werr)
	}
	if end.Code == notSetUp {
		return end, errors.New("mock: set up mock's namespaces: mounting failed, see mock's messages")
	}
	return end, nil
}

// serve serves the repositories in the calling thread's network. A socket
// stays in the network that it was made in, whoever uses it.
func (l *launch) serve(ctx context.Context) (stop func(), err error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("mock: listen for mock: %w", err)
	}
	server := &http.Server{Handler: l.repositories, BaseContext: func(net.Listener) context.Context { return ctx }, ReadHeaderTimeout: readHeaderTime}
	go func() { _ = server.Serve(listener) }() // until it is closed
	if err := l.configure("http://" + listener.Addr().String()); err != nil {
		server.Close()
		return nil, err
	}
	return func() { server.Close() }, nil
}

// loopbackUp brings up the loopback interface of the calling thread's network
// (netdevice(7)).
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("mock: bring loopback up: %w", err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("mock: bring loopback up: %w", err)
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("mock: bring loopback up: %w", err)
	}
	return nil
}
