package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// payloadOOMScore makes the kernel kill payloads before anything else of the
// host, and before pid 1 of the sandbox, which has to tell about it.
const payloadOOMScore = 900

// perLinux32 is PER_LINUX32 (linux/personality.h).
const perLinux32 = 0x8

// runPayload is the life of pid 1: it returns when the payload has ended and
// its status was told.
func runPayload(req *runRequest, fds []int) error {
	b := &builder{req: req, fds: fds}
	if err := b.build(); err != nil {
		return fmt.Errorf("set up %w", err)
	}
	if err := unix.Sethostname([]byte(req.Hostname)); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	if !req.Network {
		if err := loopbackUp(); err != nil {
			return fmt.Errorf("set up loopback: %w", err)
		}
	}
	if req.SetupOnly {
		return sendReply(&reply{Started: true, Exited: new(exitReply)})
	}
	// The start of a process says only "no such file"; tell which one.
	if fi, err := os.Stat(req.WorkDir); err != nil {
		return fmt.Errorf("working directory: %w", err)
	} else if !fi.IsDir() {
		return fmt.Errorf("working directory: %s: %w", req.WorkDir, syscall.ENOTDIR)
	}
	std, err := newStdio(req)
	if err != nil {
		return err
	}
	if err := b.setOOMScore(payloadOOMScore); err != nil {
		return fmt.Errorf("set oom score: %w", err)
	}
	pid, err := startPayload(req, std.child)
	if err != nil {
		return fmt.Errorf("start %s: %w", req.Args[0], err)
	}
	// Back to what it was; not possible where the host forbids it, and then
	// without harm.
	_ = b.setOOMScore(0)
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("set dumpable: %w", err)
	}
	std.closeChild()
	if err := sendReply(&reply{Started: true}, std.caller...); err != nil {
		return fmt.Errorf("send reply: %w", err)
	}
	std.closeCaller()
	status, maxRSS := reap(pid)
	return sendReply(&reply{Exited: &exitReply{Status: status, MaxRSS: maxRSS}})
}

// loopbackUp makes 127.0.0.1 work inside; test suites talk to themselves.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

// stdio are the payload's descriptors 0, 1 and 2, and the other ends for the
// caller: [stdin,] stdout[, stderr].
type stdio struct {
	child  [3]int
	caller []int
}

// newStdio makes pipes that belong to the payload's ids, so that it can also
// open /dev/stdout and /dev/stderr.
func newStdio(req *runRequest) (*stdio, error) {
	var s stdio
	pipe := func(name string) (r, w int, err error) {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			return -1, -1, fmt.Errorf("make %s: %w", name, err)
		}
		if !req.NestUser {
			if err := unix.Fchown(p[0], req.UID, req.GID); err != nil {
				return -1, -1, fmt.Errorf("give away %s: %w", name, err)
			}
		}
		return p[0], p[1], nil
	}
	var err error
	if req.Stdin {
		var w int
		if s.child[0], w, err = pipe("stdin"); err != nil {
			return nil, err
		}
		s.caller = append(s.caller, w)
	} else if s.child[0], err = unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("open /dev/null: %w", err)
	}
	r, w, err := pipe("stdout")
	if err != nil {
		return nil, err
	}
	s.child[1], s.child[2], s.caller = w, w, append(s.caller, r)
	if !req.OneOutput {
		if r, s.child[2], err = pipe("stderr"); err != nil {
			return nil, err
		}
		s.caller = append(s.caller, r)
	}
	return &s, nil
}

func (s *stdio) closeChild() {
	for i, fd := range s.child {
		if i < 2 || fd != s.child[1] {
			unix.Close(fd)
		}
	}
}

func (s *stdio) closeCaller() {
	for _, fd := range s.caller {
		unix.Close(fd)
	}
}

// startPayload forks and executes the payload from this thread, which has given
// up what the payload must not have.
//
// With a single id map only uid 0 exists here. A payload with another uid gets
// a user namespace of its own in which that uid is the caller's: the mounts
// belong to the outer namespace, so nothing is gained by it. Its bounding set
// is full, as of every new user namespace; no_new_privs makes that worthless.
func startPayload(req *runRequest, stdio [3]int) (pid int, err error) {
	syscall.Umask(0o022)
	attr := &syscall.ProcAttr{
		Dir:   req.WorkDir,
		Env:   req.Env,
		Files: []uintptr{uintptr(stdio[0]), uintptr(stdio[1]), uintptr(stdio[2])},
		Sys: &syscall.SysProcAttr{
			Setsid:     true,
			Credential: &syscall.Credential{Uid: uint32(req.UID), Gid: uint32(req.GID), NoSetGroups: req.KeepGroups},
		},
	}
	if req.NestUser {
		attr.Sys.Cloneflags = syscall.CLONE_NEWUSER
		attr.Sys.UidMappings = []syscall.SysProcIDMap{{ContainerID: req.UID, HostID: 0, Size: 1}}
		attr.Sys.GidMappings = []syscall.SysProcIDMap{{ContainerID: req.GID, HostID: 0, Size: 1}}
	}
	if req.Linux32 {
		if _, _, errno := syscall.RawSyscall(unix.SYS_PERSONALITY, perLinux32, 0, 0); errno != 0 {
			return 0, fmt.Errorf("set personality: %w", errno)
		}
	}
	for _, l := range req.Rlimits {
		if err := setRlimit(l); err != nil {
			return 0, err
		}
	}
	if err := giveUpPrivileges(req.UID == 0, req.NoSync); err != nil {
		return 0, err
	}
	return syscall.ForkExec(req.Args[0], req.Args, attr)
}

// setRlimit sets soft and hard limit, as far as the hard limit allows: a
// sandbox must never have more than its caller.
func setRlimit(l rlimit) error {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(l.Resource, &now); err != nil {
		return fmt.Errorf("get resource limit %d: %w", l.Resource, err)
	}
	value := min(l.Value, now.Max)
	// Not unix.Prlimit: package syscall must learn of it, or it would restore
	// the caller's number of open files in the child.
	if err := syscall.Setrlimit(l.Resource, &syscall.Rlimit{Cur: value, Max: value}); err != nil {
		return fmt.Errorf("set resource limit %d: %w", l.Resource, err)
	}
	return nil
}

// reap is what pid 1 does: it collects every orphan until the payload ends. It
// uses raw system calls for the same reason as dieWithCaller.
func reap(payload int) (status uint32, maxRSS int64) {
	var ru syscall.Rusage
	for {
		var ws uint32
		pid, _, errno := unix.RawSyscall6(unix.SYS_WAIT4, ^uintptr(0), uintptr(unsafe.Pointer(&ws)), 0,
			uintptr(unsafe.Pointer(&ru)), 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			// There is always the payload to wait for.
			panic("sandbox: wait for payload: " + errno.Error())
		}
		maxRSS = max(maxRSS, ru.Maxrss*1024)
		if int(pid) == payload {
			runtime.KeepAlive(&ru)
			return ws, maxRSS
		}
	}
}

func rawRead(fd int, b []byte) (int, uintptr, syscall.Errno) {
	n, r2, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return int(n), r2, errno
}
