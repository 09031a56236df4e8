package sandbox

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Main must be the first statement of main, and of TestMain in packages whose
// tests run sandboxes: a sandbox is the same program started again, and Main is
// where it becomes pid 1 of the new namespaces. There it never returns;
// otherwise it returns at once and does nothing.
//
// It cannot be reached by arguments, environment or standard input: the process
// must be pid 1, carry a name no shell gives, and hold a socket as descriptor 3.
func Main() {
	if os.Getpid() != 1 || len(os.Args) != 1 || os.Args[0] != initName {
		return
	}
	if _, err := unix.GetsockoptInt(controlFD, unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
		return
	}
	// Capabilities, no_new_privs and the system call filter belong to a
	// thread; the payload is forked from this one.
	runtime.LockOSThread()
	code := 0
	if err := pid1(); err != nil {
		code = 1
		if sendReply(&reply{Error: newRemoteError(err)}) != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	// Not os.Exit: what it does first, such as the race detector's wait of a
	// second, would keep orphans of the payload alive.
	syscall.Exit(code)
}

// pid1 answers the one request.
func pid1() error {
	req, fds, err := receiveRequest()
	if err != nil {
		return fmt.Errorf("receive request: %w", err)
	}
	if err := becomeRoot(req.SetGroups); err != nil {
		return err
	}
	go dieWithCaller()
	if req.Files != nil {
		rep, err := req.Files.do()
		if err != nil {
			return err
		}
		return sendReply(rep)
	}
	// Ignored signals stay ignored over exec. Catching them here lets the
	// payload start with the defaults even if the caller runs under nohup.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGPIPE, syscall.SIGTERM)
	if err := unix.CloseRange(controlFD, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("mark descriptors: %w", err)
	}
	return runPayload(req.Run, fds)
}

// becomeRoot takes id 0 of the namespace, now that the maps are written.
func becomeRoot(setGroups bool) error {
	if setGroups {
		if err := syscall.Setgroups(nil); err != nil {
			return fmt.Errorf("drop groups: %w", err)
		}
	}
	if err := syscall.Setresgid(0, 0, 0); err != nil {
		return fmt.Errorf("become gid 0: %w", err)
	}
	if err := syscall.Setresuid(0, 0, 0); err != nil {
		return fmt.Errorf("become uid 0: %w", err)
	}
	// The change of ids reset both of these.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("set parent death signal: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set dumpable: %w", err)
	}
	return nil
}

// dieWithCaller ends the namespace when the caller's end of the control socket
// closes, which the kernel does even when the caller is killed by SIGKILL. It
// uses raw system calls so that the Go scheduler needs no further thread, which
// a payload at its pids limit could deny.
func dieWithCaller() {
	runtime.LockOSThread()
	var b [1]byte
	for {
		_, _, errno := rawRead(controlFD, b[:])
		if errno != unix.EINTR {
			_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
		}
	}
}
