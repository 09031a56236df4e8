package sandbox

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// builder makes the payload's root. It runs as pid 1, as root of the namespace.
type builder struct {
	req  *runRequest
	fds  []int
	root int // the new root's mount
	proc int // the first /proc's mount
	// emulators holds their binfmt_misc, for as long as pid 1 lives; -1 without.
	emulators int
}

// plain are the attributes of every mount: no setuid programs, no device nodes
// (those of /dev excepted).
const plain = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV

// build composes the root and makes it "/".
func (b *builder) build() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	var err error
	if b.emulators, err = b.registerEmulators(); err != nil {
		return fmt.Errorf("emulators: %w", err)
	}
	if b.root, err = b.newRoot(); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	// The new root lies over the old one, which stays "/" for this process
	// until pivot_root.
	if err := attachAt(b.root, unix.AT_FDCWD, "/"); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	if b.proc, err = b.mountProc("/proc"); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := b.mountDev("/dev"); err != nil {
		return fmt.Errorf("mount /dev: %w", err)
	}
	for _, dir := range []string{"/tmp", "/var/tmp"} {
		m := Mount{Type: TypeTmpfs, Target: dir, Tmpfs: b.req.TmpSize, Mode: 0o777 | fs.ModeSticky}
		if err := b.mount(&mountRequest{Mount: m, SourceFD: -1}); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	for i := range b.req.Mounts {
		m := &b.req.Mounts[i]
		if err := b.mount(m); err != nil {
			return fmt.Errorf("mount %s: %w", m.Target, err)
		}
	}
	return b.pivot()
}

// newRoot makes the root file system, not attached yet.
func (b *builder) newRoot() (int, error) {
	r := b.req
	switch {
	case r.Dir >= 0:
		return cloneTree(b.fds[r.Dir], plain)
	case len(r.Lower) == 0:
		return newTmpfs(r.RootTmpfs, 0o755, plain)
	case len(r.Lower) == 1 && r.Upper < 0 && r.RootTmpfs == 0:
		return cloneTree(b.fds[r.Lower[0]], plain|unix.MOUNT_ATTR_RDONLY)
	}
	if r.RootTmpfs > 0 {
		upper, work, err := scratchLayer(r.RootTmpfs)
		if err != nil {
			return -1, err
		}
		return newOverlay(r.layers, upper, work, b.fds)
	}
	return b.overlay(r.layers)
}

// overlay makes an overlay of opened directories, read-only without an upper
// one.
func (b *builder) overlay(l layers) (int, error) {
	if l.Upper < 0 {
		return newOverlay(l, -1, -1, b.fds)
	}
	return newOverlay(l, b.fds[l.Upper], b.fds[l.Work], b.fds)
}

// newOverlay makes an overlay over the lower layers of l.
func newOverlay(l layers, upper, work int, fds []int) (int, error) {
	lower := make([]string, len(l.Lower))
	for i, n := range l.Lower {
		lower[i] = fdPath(fds[n])
	}
	// userxattr: the only kind of overlay attributes a user namespace may
	// write (Documentation/filesystems/overlayfs.rst).
	options := []option{{"source", "overlay"}, {"lowerdir", strings.Join(lower, ":")}, {"userxattr", ""}}
	if upper < 0 {
		return newFS("overlay", plain|unix.MOUNT_ATTR_RDONLY, options...)
	}
	options = append(options, option{"upperdir", fdPath(upper)}, option{"workdir", fdPath(work)})
	return newFS("overlay", plain, options...)
}

func fdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// scratchLayer makes the writable layer of an overlay in memory. The tmpfs is
// put under the coming root, because overlay layers must be attached somewhere.
func scratchLayer(size int64) (upper, work int, err error) {
	fsfd, err := newTmpfs(size, 0o755, plain)
	if err != nil {
		return -1, -1, err
	}
	if err := attachAt(fsfd, unix.AT_FDCWD, "/"); err != nil {
		return -1, -1, err
	}
	if upper, err = makeDir(fsfd, "/upper"); err != nil {
		return -1, -1, fmt.Errorf("make upper: %w", err)
	}
	if work, err = makeDir(fsfd, "/work"); err != nil {
		return -1, -1, fmt.Errorf("make work: %w", err)
	}
	return upper, work, nil
}

// mount makes one entry of the specification.
func (b *builder) mount(m *mountRequest) error {
	switch m.kind() {
	case TypeBind:
		return b.bind(m)
	case TypeTmpfs:
		mode := m.Mode
		if mode == 0 {
			mode = 0o755
		}
		attrs := plain
		if m.ReadOnly {
			attrs |= unix.MOUNT_ATTR_RDONLY
		}
		mnt, err := newTmpfs(m.Tmpfs, mode, attrs, option{"uid", strconv.Itoa(m.UID)}, option{"gid", strconv.Itoa(m.GID)})
		if err != nil {
			return err
		}
		return b.attachNew(mnt, m.Target)
	case TypeOverlay:
		mnt, err := b.overlay(m.LayerFDs)
		if err != nil {
			return err
		}
		return b.attachNew(mnt, m.Target)
	case TypeProc:
		fd, err := b.mountProc(m.Target)
		unix.Close(fd)
		return err
	case TypeDev:
		return b.mountDev(m.Target)
	case TypeSymlink:
		dir, name, err := makeParent(b.root, m.Target)
		if err != nil {
			return err
		}
		defer unix.Close(dir)
		return unix.Symlinkat(m.Source, dir, name)
	case TypeFile:
		return b.file(m)
	case TypeDir:
		return b.directory(m)
	}
	return fmt.Errorf("unknown type %q", m.Type)
}

// attachNew attaches mnt to the directory target and closes it.
func (b *builder) attachNew(mnt int, target string) error {
	at, err := makeDir(b.root, target)
	if err != nil {
		unix.Close(mnt)
		return fmt.Errorf("make mount point: %w", err)
	}
	defer unix.Close(at)
	return attach(mnt, at)
}

func (b *builder) bind(m *mountRequest) error {
	if m.SourceFD < 0 { // optional and absent
		return nil
	}
	source := b.fds[m.SourceFD]
	directory, err := isDir(source)
	if err != nil {
		return fmt.Errorf("stat source: %w", err)
	}
	attrs := uint64(plain)
	if m.ReadOnly {
		attrs |= unix.MOUNT_ATTR_RDONLY
	}
	tree, err := cloneTree(source, attrs)
	if err != nil {
		return err
	}
	at, err := makeMountpoint(b.root, m.Target, directory)
	if err != nil {
		unix.Close(tree)
		return fmt.Errorf("make mount point: %w", err)
	}
	defer unix.Close(at)
	return attach(tree, at)
}

// file creates a new file; what is at the target already is an error.
func (b *builder) file(m *mountRequest) error {
	dir, name, err := makeParent(b.root, m.Target)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	fd, err := unix.Openat(dir, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), m.Target)
	defer f.Close()
	if _, err := f.Write(m.Data); err != nil {
		return err
	}
	mode := m.Mode
	if mode == 0 {
		mode = 0o644
	}
	if err := f.Chown(m.UID, m.GID); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	return f.Close()
}

// directory creates a directory, or gives an existing one its owner and mode.
func (b *builder) directory(m *mountRequest) error {
	fd, err := makeDir(b.root, m.Target)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Fchownat(fd, "", m.UID, m.GID, unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	mode := m.Mode
	if mode == 0 {
		mode = 0o755
	}
	// An O_PATH descriptor takes no fchmod; its link in /proc does.
	return unix.Chmod(fdPath(fd), unixMode(mode))
}

// pivot makes the new root "/" and forgets the old one.
func (b *builder) pivot() error {
	if err := unix.Fchdir(b.root); err != nil {
		return fmt.Errorf("enter root: %w", err)
	}
	// pivot_root(2), "pivot_root(".", ".")": the old root ends up on top of
	// the new one and is taken off.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("detach old root: %w", err)
	}
	return unix.Chdir("/")
}
