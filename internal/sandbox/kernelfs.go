package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"golang.org/x/sys/unix"
)

// Parts of /proc that are about the host, not about processes. Ids of the
// sandbox own none of it; that they cannot even try is a second lock.
var (
	procReadOnly    = []string{"sys", "sysrq-trigger", "irq", "bus", "fs"}
	procMaskedFiles = []string{"kcore", "keys", "key-users", "kmsg", "kallsyms", "timer_list", "latency_stats", "sched_debug", "config.gz"}
	procMaskedDirs  = []string{"acpi", "asound", "scsi", "driver", "pressure"}
)

// deviceNodes are bound from the host's /dev: a user namespace cannot make
// device nodes.
var deviceNodes = []string{"null", "zero", "full", "random", "urandom", "tty"}

// mountProc mounts a fresh /proc at target and masks it. The returned
// descriptor is of its mount.
func (b *builder) mountProc(target string) (int, error) {
	mnt, err := newFS("proc", plain|unix.MOUNT_ATTR_NOEXEC, option{"source", "proc"})
	if errors.Is(err, unix.EPERM) {
		// mount_too_revealing in fs/namespace.c.
		err = fmt.Errorf("%w (the kernel gives a new /proc only where the caller's /proc is not masked, as containers do)", err)
	}
	if err != nil {
		return -1, err
	}
	at, err := makeDir(b.root, target)
	if err != nil {
		unix.Close(mnt)
		return -1, fmt.Errorf("make mount point: %w", err)
	}
	defer unix.Close(at)
	if err := attachAt(mnt, at, ""); err != nil {
		unix.Close(mnt)
		return -1, err
	}
	// Before sys becomes read-only: no user namespaces for the payload, except
	// the one that startPayload makes itself for a single id map.
	namespaces := "0"
	if b.req.NestUser {
		namespaces = "1"
	}
	if err := writeAt(mnt, "sys/user/max_user_namespaces", namespaces); err != nil {
		unix.Close(mnt)
		return -1, fmt.Errorf("forbid user namespaces: %w", err)
	}
	if err := b.maskProc(mnt); err != nil {
		unix.Close(mnt)
		return -1, err
	}
	return mnt, nil
}

func (b *builder) maskProc(proc int) error {
	for _, name := range procReadOnly {
		tree, err := cloneTreeAt(proc, name, unix.MOUNT_ATTR_RDONLY|plain|unix.MOUNT_ATTR_NOEXEC)
		if err := attachIfPresent(tree, err, proc, name); err != nil {
			return err
		}
	}
	null := b.fds[b.req.Devices["null"]]
	for _, name := range procMaskedFiles {
		tree, err := cloneTree(null, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
		if err := attachIfPresent(tree, err, proc, name); err != nil {
			return err
		}
	}
	for _, name := range procMaskedDirs {
		mnt, err := newTmpfs(4096, 0o555, plain|unix.MOUNT_ATTR_NOEXEC|unix.MOUNT_ATTR_RDONLY)
		if err := attachIfPresent(mnt, err, proc, name); err != nil {
			return err
		}
	}
	return nil
}

// attachIfPresent attaches mnt, made with err, unless name is not there:
// which files /proc has depends on the kernel's configuration.
func attachIfPresent(mnt int, err error, dir int, name string) error {
	if err == nil {
		err = attachAt(mnt, dir, name)
		unix.Close(mnt)
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("mask %s: %w", name, err)
	}
	return nil
}

// mountDev makes a minimal /dev at target.
func (b *builder) mountDev(target string) error {
	const attrs = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC
	dev, err := newTmpfs(1<<20, 0o755, attrs)
	if err != nil {
		return err
	}
	defer unix.Close(dev)
	at, err := makeDir(b.root, target)
	if err != nil {
		return fmt.Errorf("make mount point: %w", err)
	}
	defer unix.Close(at)
	if err := attachAt(dev, at, ""); err != nil {
		return err
	}
	for _, name := range deviceNodes {
		node, err := cloneTree(b.fds[b.req.Devices[name]], attrs)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		on, err := makeMountpoint(dev, "/"+name, false)
		if err != nil {
			unix.Close(node)
			return fmt.Errorf("%s: %w", name, err)
		}
		err = attach(node, on)
		unix.Close(on)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for name, to := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
		"ptmx": "pts/ptmx",
	} {
		if err := unix.Symlinkat(to, dev, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return b.mountDevFS(dev)
}

// mountDevFS adds pts and shm to a /dev.
func (b *builder) mountDevFS(dev int) error {
	const attrs = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC
	pts, err := newFS("devpts", attrs, option{"source", "devpts"}, option{"newinstance", ""},
		option{"ptmxmode", "0666"}, option{"mode", "0620"})
	if err != nil {
		return fmt.Errorf("pts: %w", err)
	}
	shm, err := newTmpfs(b.req.TmpSize, 0o777|fs.ModeSticky, plain)
	if err != nil {
		unix.Close(pts)
		return fmt.Errorf("shm: %w", err)
	}
	for _, m := range []struct {
		name string
		fd   int
	}{{"pts", pts}, {"shm", shm}} {
		at, err := makeDir(dev, "/"+m.name)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		err = attach(m.fd, at)
		unix.Close(at)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// writeAt writes s to the file name below the mount dir.
func writeAt(dir int, name, s string) error {
	fd, err := inRoot(dir, name, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(s))
	return err
}

// setOOMScore says how willingly the kernel kills this process and those it
// forks from now on.
func (b *builder) setOOMScore(score int) error {
	return writeAt(b.proc, "1/oom_score_adj", strconv.Itoa(score))
}
