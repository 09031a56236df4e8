package sandbox

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// initThreads is how many tasks pid 1 of a sandbox may have; they count
	// towards the pids limit.
	initThreads = 16
	// cpuPeriod is the kernel's default period, in microseconds.
	cpuPeriod = 100000
	// removeWait bounds how long a group whose processes are gone may take to
	// become removable.
	removeWait = 2 * time.Second
)

// treeGroup is one directory of a run's control group. It is locked as long as
// its owner lives, so that another process can tell it from a leftover.
type treeGroup struct {
	tree hierarchy
	dir  string
	lock *os.File
}

// cgroup is the control group of one run, in all hierarchies.
type cgroup struct {
	parts []treeGroup
}

// newGroup makes a group with limits.
func (d *cgroupDriver) newGroup(l Limits) (*cgroup, error) {
	g := new(cgroup)
	for _, t := range d.trees {
		part, err := t.newGroup()
		if err == nil {
			g.parts = append(g.parts, part)
			err = part.limit(l)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("sandbox: make control group: %w", err), g.remove())
		}
	}
	return g, nil
}

// newGroup makes and locks an empty group. Another process may remove the
// shared parent, or take the unlocked group for a leftover, in between; then it
// tries again.
func (t hierarchy) newGroup() (treeGroup, error) {
	var last error
	for range 20 {
		dir := filepath.Join(t.parent, fmt.Sprintf("run-%d-%s", os.Getpid(), rand.Text()[:8]))
		if last = t.makeParent(); last != nil {
			return treeGroup{}, last
		}
		if last = os.Mkdir(dir, 0o755); last != nil {
			if errors.Is(last, fs.ErrNotExist) {
				continue
			}
			return treeGroup{}, last
		}
		lock, err := lockDir(dir)
		if err != nil {
			last = err
			continue
		}
		if _, last = os.Stat(dir); last == nil {
			return treeGroup{tree: t, dir: dir, lock: lock}, nil
		}
		lock.Close()
	}
	return treeGroup{}, last
}

func (t hierarchy) makeParent() error {
	if err := os.MkdirAll(t.parent, 0o755); err != nil {
		return err
	}
	if t.v2 && len(t.controllers) > 0 {
		enableControllers(t.parent)
	}
	return nil
}

// lockDir locks a directory without waiting.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil
}

// limit writes the limits this hierarchy can enforce.
// Files: Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst.
func (p treeGroup) limit(l Limits) error {
	set := func(controller, file, value string) error {
		if !slices.Contains(p.tree.controllers, controller) {
			return nil
		}
		return writeFile(filepath.Join(p.dir, file), value)
	}
	// Swap accounting is a choice of the host; without it there is no file.
	setOptional := func(controller, file, value string) error {
		if err := set(controller, file, value); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	var errs []error
	if l.Memory > 0 {
		memory := strconv.FormatInt(l.Memory, 10)
		if p.tree.v2 {
			errs = append(errs, set("memory", "memory.max", memory), setOptional("memory", "memory.swap.max", "0"))
		} else {
			errs = append(errs, set("memory", "memory.limit_in_bytes", memory),
				setOptional("memory", "memory.memsw.limit_in_bytes", memory))
		}
	}
	if l.PIDs > 0 {
		errs = append(errs, set("pids", "pids.max", strconv.FormatInt(l.PIDs+initThreads, 10)))
	}
	if l.CPUs > 0 {
		quota := strconv.FormatInt(max(1000, int64(l.CPUs*cpuPeriod)), 10)
		if p.tree.v2 {
			errs = append(errs, set("cpu", "cpu.max", quota+" "+strconv.Itoa(cpuPeriod)))
		} else {
			errs = append(errs, set("cpu", "cpu.cfs_period_us", strconv.Itoa(cpuPeriod)), set("cpu", "cpu.cfs_quota_us", quota))
		}
	}
	return errors.Join(errs...)
}

// add moves a process into the group.
func (g *cgroup) add(pid int) error {
	for _, p := range g.parts {
		if err := writeFile(filepath.Join(p.dir, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
			return fmt.Errorf("sandbox: enter control group: %w", err)
		}
	}
	return nil
}

// kill kills everything in the group where the kernel can do that (Linux 5.14,
// version 2). Killing pid 1 of the namespace does it everywhere.
func (g *cgroup) kill() {
	for _, p := range g.parts {
		if p.tree.v2 {
			_ = writeFile(filepath.Join(p.dir, "cgroup.kill"), "1")
		}
	}
}

// oomKilled says whether the memory limit made the kernel kill a process.
func (g *cgroup) oomKilled() bool {
	for _, p := range g.parts {
		if !slices.Contains(p.tree.controllers, "memory") {
			continue
		}
		file := "memory.oom_control"
		if p.tree.v2 {
			file = "memory.events"
		}
		data, err := os.ReadFile(filepath.Join(p.dir, file))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok && n != "0" {
				return true
			}
		}
	}
	return false
}

// remove removes the group, whose processes must be gone.
func (g *cgroup) remove() error {
	var errs []error
	for _, p := range g.parts {
		errs = append(errs, p.remove())
	}
	return errors.Join(errs...)
}

func (p treeGroup) remove() error {
	defer p.lock.Close()
	err := removeGroup(p.dir)
	p.tree.removeParent()
	return err
}

// removeGroup removes an emptied group. A process that has just ended may
// still count for a moment.
func removeGroup(dir string) error {
	deadline := time.Now().Add(removeWait)
	for pause := 100 * time.Microsecond; ; pause *= 2 {
		err := unix.Rmdir(dir)
		switch {
		case err == nil || errors.Is(err, unix.ENOENT):
			return nil
		case !errors.Is(err, unix.EBUSY) || time.Now().After(deadline):
			return fmt.Errorf("remove %s: %w", dir, err)
		}
		time.Sleep(pause)
	}
}

// removeParent removes the shared parent when no run uses it.
func (t hierarchy) removeParent() {
	if !t.keep {
		_ = unix.Rmdir(t.parent)
	}
}

// sweep removes groups whose owner is dead, and what may live in them.
func (t hierarchy) sweep() error {
	entries, err := os.ReadDir(t.parent)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), "run-") {
			continue
		}
		dir := filepath.Join(t.parent, e.Name())
		lock, err := lockDir(dir)
		if err != nil {
			continue // in use, or gone already
		}
		killGroup(dir)
		errs = append(errs, removeGroup(dir))
		lock.Close()
	}
	t.removeParent()
	return errors.Join(errs...)
}

// killGroup kills the processes of a leftover. Process 0 stands for one of
// another pid namespace and must not be signalled.
func killGroup(dir string) {
	if writeFile(filepath.Join(dir, "cgroup.kill"), "1") == nil {
		return
	}
	data, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return
	}
	for _, field := range strings.Fields(string(data)) {
		if pid, err := strconv.Atoi(field); err == nil && pid > 1 {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}
