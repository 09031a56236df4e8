package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"reflect"
	"runtime"
	"syscall"
	"time"
)

// Run runs spec's payload and returns when nothing of the sandbox is left: no
// process, no mount, no control group.
//
// A payload that ran is a Result with nil error, whatever its exit code. Errors
// are: a Spec no host could run (wraps [ErrSpec]); a sandbox that could not be
// set up, including a program that does not exist inside (wraps the errno, so
// errors.Is works with fs.ErrNotExist, syscall.ENOSPC and so on); a cancelled
// ctx (wraps context.Cause); [ErrTimeout]; and errors of Stdout or Stderr. The
// Result is filled as far as known in all cases.
//
// Cancelling kills everything inside at once. If the calling process dies, even
// by SIGKILL, so does the sandbox.
func (r *Runner) Run(ctx context.Context, spec Spec) (Result, error) {
	return r.run(ctx, spec, false)
}

func (r *Runner) run(ctx context.Context, spec Spec, setupOnly bool) (Result, error) {
	if err := spec.validate(); err != nil {
		return Result{}, err
	}
	start := time.Now()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if spec.Limits.Wall > 0 {
		timer := time.AfterFunc(spec.Limits.Wall, func() { cancel(ErrTimeout) })
		defer timer.Stop()
	}
	res, err := r.supervise(ctx, cancel, &spec, setupOnly)
	res.Wall = time.Since(start)
	if cause := context.Cause(ctx); cause != nil && err != nil {
		res.TimedOut = errors.Is(cause, ErrTimeout)
		err = fmt.Errorf("sandbox: run %s: %w", spec.Args[0], cause)
	}
	return res, err
}

// supervise starts the sandbox, feeds it and sees it end. Its error is
// meaningless when ctx is done.
func (r *Runner) supervise(ctx context.Context, cancel context.CancelCauseFunc, spec *Spec, setupOnly bool) (res Result, err error) {
	if ctx.Err() != nil {
		return res, ctx.Err()
	}
	group, err := r.cgroups.newGroup(spec.Limits)
	if err != nil {
		return res, err
	}
	defer func() {
		res.OOMKilled = group.oomKilled()
		if rerr := group.remove(); rerr != nil {
			r.log.Warn("sandbox: control group left behind", "error", rerr)
		}
	}()

	runtime.LockOSThread() // see startProcess
	defer runtime.UnlockOSThread()
	flags := uintptr(syscall.CLONE_NEWNS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS | syscall.CLONE_NEWCGROUP)
	if !spec.Network {
		flags |= syscall.CLONE_NEWNET
	}
	p, err := startProcess(r.lastCap, flags)
	if err != nil {
		return res, explainStart(err)
	}
	kill := func() { group.kill(); p.kill() }
	stop := context.AfterFunc(ctx, kill)
	exited, err := r.converse(ctx, cancel, p, group, spec, setupOnly)
	if err != nil {
		kill()
	}
	p.wait()
	stop()
	res.User, res.System = p.cmd.ProcessState.UserTime(), p.cmd.ProcessState.SystemTime()
	switch {
	case exited != nil:
		res.setStatus(exited)
	case err == nil && ctx.Err() != nil:
		err = ctx.Err()
	case err == nil && group.oomKilled():
		// The limit was so low that the kernel took pid 1 as well.
		res.ExitCode, res.Signal = 128+int(syscall.SIGKILL), syscall.SIGKILL
	case err == nil:
		err = p.died()
	}
	return res, err
}

func (res *Result) setStatus(e *exitReply) {
	ws := syscall.WaitStatus(e.Status)
	res.ExitCode, res.MaxRSS = ws.ExitStatus(), e.MaxRSS
	if ws.Signaled() {
		res.Signal = ws.Signal()
		res.ExitCode = 128 + int(res.Signal)
	}
}

// converse sends the request, copies input and output, and returns the
// payload's end; nil without error when pid 1 fell silent.
func (r *Runner) converse(ctx context.Context, cancel context.CancelCauseFunc, p *process, group *cgroup, spec *Spec, setupOnly bool) (*exitReply, error) {
	// Into its group first, so that whatever it uses counts.
	if err := group.add(p.pid()); err != nil {
		return nil, err
	}
	uids, gids := r.mapping.payloadMaps()
	if err := r.mapping.apply(ctx, p.pid(), uids, gids); err != nil {
		return nil, err
	}
	if err := r.request(p, spec, setupOnly); err != nil {
		return nil, err
	}
	rep, files, err := readReply(p.conn)
	if err != nil {
		return nil, ignoreEOF(err)
	}
	if rep.Error != nil {
		return nil, fmt.Errorf("sandbox: %w", rep.Error)
	}
	if rep.Exited != nil {
		return rep.Exited, nil
	}
	out := copyStdio(spec, files, cancel)
	rep, _, err = readReply(p.conn)
	// Pid 1 kills all others by ending, and waits for them; after that the
	// pipes have no writer and copying comes to its end.
	if err != nil {
		p.kill()
	}
	p.wait()
	if cerr := out.finish(); cerr != nil {
		return nil, cerr
	}
	if err != nil {
		return nil, ignoreEOF(err)
	}
	if rep.Error != nil {
		return nil, fmt.Errorf("sandbox: %w", rep.Error)
	}
	return rep.Exited, nil
}

// ignoreEOF: the end of the conversation is judged by the caller, who knows
// whether memory ran out.
func ignoreEOF(err error) error {
	var opErr *net.OpError
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &opErr) && errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return fmt.Errorf("sandbox: read reply: %w", err)
}

// request translates spec and sends it.
func (r *Runner) request(p *process, spec *Spec, setupOnly bool) error {
	src, err := openSources(p.pid())
	if err != nil {
		return err
	}
	defer src.close()
	single := r.mapping.Kind == MapSingle
	req := &runRequest{
		Dir: -1, RootTmpfs: spec.Root.Tmpfs,
		TmpSize:  orDefault(spec.TmpSize, defaultTmpSize),
		Hostname: orDefault(spec.Hostname, defaultHostname),
		UID:      spec.UID, GID: spec.GID, Env: spec.Env, Args: spec.Args,
		WorkDir: orDefault(spec.Dir, "/"), Network: spec.Network, NoSync: spec.NoSync, Linux32: spec.Linux32,
		NestUser: single && (spec.UID != 0 || spec.GID != 0), KeepGroups: single,
		Rlimits: r.rlimits(spec.Limits),
		Stdin:   spec.Stdin != nil, OneOutput: sameWriter(spec.Stdout, spec.Stderr),
		Devices: make(map[string]int), SetupOnly: setupOnly,
	}
	if req.layers, err = openLayers(src, &spec.Root); err != nil {
		return err
	}
	if spec.Root.Dir != "" {
		if req.Dir, err = src.open(spec.Root.Dir); err != nil {
			return err
		}
	}
	for _, m := range spec.Mounts {
		mr := mountRequest{Mount: m, SourceFD: -1}
		if m.kind() == TypeBind {
			mr.SourceFD, err = src.open(m.Source)
			if err != nil && !(m.Optional && errors.Is(err, fs.ErrNotExist)) {
				return err
			}
		}
		if mr.LayerFDs, err = openLayers(src, &m.Layers); err != nil {
			return err
		}
		if single {
			mr.UID, mr.GID = 0, 0 // there is no other
		}
		req.Mounts = append(req.Mounts, mr)
	}
	for _, e := range spec.Emulators {
		n, err := src.open(e.Path)
		if err != nil {
			return err
		}
		req.Emulators = append(req.Emulators, emulatorRequest{e, n})
	}
	for _, name := range deviceNodes {
		if req.Devices[name], err = src.open("/dev/" + name); err != nil {
			return err
		}
	}
	if err := sendRequest(p.conn, &request{SetGroups: !single, Run: req}, src.fds); err != nil {
		if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
			return nil // it died; reading will tell
		}
		return fmt.Errorf("sandbox: send request: %w", err)
	}
	return nil
}

// openLayers opens the directories of an overlay.
func openLayers(src *sources, root *Root) (l layers, err error) {
	l = layers{Upper: -1, Work: -1}
	for _, dir := range root.Lower {
		n, err := src.open(dir)
		if err != nil {
			return l, err
		}
		l.Lower = append(l.Lower, n)
	}
	if root.Upper == "" {
		return l, nil
	}
	if l.Upper, err = src.open(root.Upper); err != nil {
		return l, err
	}
	l.Work, err = src.open(root.Work)
	return l, err
}

// rlimits are the limits that hold for each process, and the replacements of
// those for which there is no control group.
func (r *Runner) rlimits(l Limits) []rlimit {
	limits := []rlimit{
		{syscall.RLIMIT_CORE, 0},
		{syscall.RLIMIT_NOFILE, orDefault(l.OpenFiles, defaultOpenFiles)},
	}
	if l.FileSize > 0 {
		limits = append(limits, rlimit{syscall.RLIMIT_FSIZE, uint64(l.FileSize)})
	}
	if l.PIDs > 0 && !r.cgroups.has("pids") {
		limits = append(limits, rlimit{rlimitNPROC, uint64(l.PIDs)})
	}
	if l.Memory > 0 && !r.cgroups.has("memory") {
		limits = append(limits, rlimit{syscall.RLIMIT_DATA, uint64(l.Memory)})
	}
	return limits
}

// rlimitNPROC is RLIMIT_NPROC, which package syscall lacks.
const rlimitNPROC = 6

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

func sameWriter(a, b io.Writer) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return reflect.TypeOf(a).Comparable() && reflect.TypeOf(b).Comparable() && a == b
}

// copying is the traffic over the payload's pipes.
type copying struct {
	files []*os.File
	done  chan error // one per output
	n     int
}

// copyStdio starts copying. A Writer that fails cancels the run with its error.
func copyStdio(spec *Spec, files []*os.File, cancel context.CancelCauseFunc) *copying {
	c := &copying{files: files, done: make(chan error, 2)}
	if spec.Stdin != nil {
		in := files[0]
		files = files[1:]
		go func() {
			_, _ = io.Copy(in, spec.Stdin) // a payload need not read its input
			in.Close()
		}()
	}
	writers := []io.Writer{spec.Stdout, spec.Stderr}
	for i, f := range files {
		w := writers[i]
		if w == nil {
			w = io.Discard
		}
		c.n++
		go func() {
			_, err := io.Copy(w, f)
			if err != nil {
				err = fmt.Errorf("copy output: %w", err)
				cancel(err)
			}
			c.done <- err
		}()
	}
	return c
}

// finish waits for all output to be copied. Call it after the sandbox is gone.
func (c *copying) finish() error {
	var first error
	for range c.n {
		if err := <-c.done; err != nil && first == nil {
			first = err
		}
	}
	for _, f := range c.files {
		f.Close()
	}
	return first
}
