package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// initName is argv[0] of pid 1.
const initName = "distbot: sandbox init"

// process is a started pid 1 that waits for its request.
type process struct {
	cmd    *exec.Cmd
	conn   *net.UnixConn
	stderr *tail
}

// startProcess starts pid 1 in new namespaces. The child has no ids yet, so it
// runs with the caller's, which lets it execute a program file of mode 0700,
// and holds the namespace's capabilities as ambient ones, which survive that.
//
// The calling goroutine must be locked to its thread until wait returned: the
// kernel sends Pdeathsig when the thread ends, not the process.
func startProcess(lastCap int, flags uintptr) (*process, error) {
	conn, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	caps := make([]uintptr, lastCap+1)
	for i := range caps {
		caps[i] = uintptr(i)
	}
	p := &process{conn: conn, stderr: new(tail)}
	p.cmd = &exec.Cmd{
		Path: "/proc/self/exe",
		Args: []string{initName},
		Dir:  "/",
		// Pid 1 holds two processors of the Go scheduler in system calls for
		// good (see reap), so it needs more than two, no collector and no
		// preemption.
		Env:        []string{"GOMAXPROCS=4", "GOGC=off", "GODEBUG=asyncpreemptoff=1", "GOTRACEBACK=single"},
		Stderr:     p.stderr,
		ExtraFiles: []*os.File{theirs},
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID | flags,
			AmbientCaps: caps,
			Setsid:      true,
			Pdeathsig:   syscall.SIGKILL,
		},
	}
	if err := p.cmd.Start(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("sandbox: start pid 1: %w", err)
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// kill ends pid 1 and with it everything in its pid namespace.
func (p *process) kill() { _ = p.cmd.Process.Kill() }

// wait returns when everything in the namespace is gone. The kernel lets pid 1
// be reaped only after all others were.
func (p *process) wait() {
	_ = p.cmd.Wait() // How it ended is known from its reply, or from the lack of one.
	p.conn.Close()
}

// died describes an end of pid 1 without a reply.
func (p *process) died() error {
	text := strings.TrimSpace(p.stderr.String())
	if text == "" {
		text = "no message"
	}
	return fmt.Errorf("sandbox: pid 1 ended early (%s): %s", p.cmd.ProcessState, text)
}

// sources collects descriptors of directories and files for the request.
type sources struct {
	root int // the child's root, seen through /proc
	fds  []int
}

// openSources prepares opening paths of pid's mount namespace with the
// caller's rights. The mounts of the caller's own namespace would be refused as
// sources of bind mounts and overlays in the child's.
func openSources(pid int) (*sources, error) {
	path := "/proc/" + strconv.Itoa(pid) + "/root"
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("sandbox: open %s: %w", path, err)
	}
	return &sources{root: fd}, nil
}

// open returns the index of path in the request's descriptors.
func (s *sources) open(path string) (int, error) {
	fd, err := unix.Openat2(s.root, filepath.Clean(path), &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return -1, fmt.Errorf("sandbox: open %s: %w", path, err)
	}
	s.fds = append(s.fds, fd)
	return len(s.fds) - 1, nil
}

func (s *sources) close() {
	unix.Close(s.root)
	for _, fd := range s.fds {
		unix.Close(fd)
	}
}

// fileWork lets pid 1 of a small sandbox do trusted work on files as the owner
// of all mapped ids.
func (r *Runner) fileWork(ctx context.Context, req *fileRequest) (*reply, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, err := startProcess(r.lastCap, 0)
	if err != nil {
		return nil, err
	}
	defer p.wait()
	stop := context.AfterFunc(ctx, p.kill)
	defer stop()
	uids, gids := r.mapping.ownerMaps()
	if err := r.mapping.apply(ctx, p.pid(), uids, gids); err != nil {
		p.kill()
		return nil, err
	}
	rep, err := p.ask(&request{SetGroups: r.mapping.Kind != MapSingle, Files: req})
	if ctx.Err() != nil {
		return nil, fmt.Errorf("sandbox: %s %s: %w", req.Op, req.Path, context.Cause(ctx))
	}
	return rep, err
}

// ask sends a request and returns its only reply.
func (p *process) ask(req *request) (*reply, error) {
	err := sendRequest(p.conn, req, nil)
	var rep *reply
	if err == nil {
		rep, _, err = readReply(p.conn)
	}
	if err != nil {
		p.kill()
		p.wait()
		return nil, p.died()
	}
	if rep.Error != nil {
		return nil, rep.Error
	}
	return rep, nil
}

// tail keeps the last bytes written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 4096

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > tailSize {
		t.b = bytes.Clone(t.b[len(t.b)-tailSize:])
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}
