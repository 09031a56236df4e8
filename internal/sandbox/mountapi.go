package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The mount system calls of Linux 5.2 and later take descriptors instead of
// paths, so nothing can be swapped between looking and mounting.

// option is one parameter of a new file system; a flag when value is empty.
type option struct{ key, value string }

// newFS makes a file system that is not attached anywhere yet.
func newFS(fstype string, attrs int, options ...option) (int, error) {
	fsfd, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("open file system %s: %w", fstype, err)
	}
	defer unix.Close(fsfd)
	for _, o := range options {
		if o.value == "" {
			err = unix.FsconfigSetFlag(fsfd, o.key)
		} else {
			err = unix.FsconfigSetString(fsfd, o.key, o.value)
		}
		if err != nil {
			return -1, fmt.Errorf("set option %s of %s: %w%s", o.key, fstype, err, fsLog(fsfd))
		}
	}
	if err := unix.FsconfigCreate(fsfd); err != nil {
		return -1, fmt.Errorf("create %s: %w%s", fstype, err, fsLog(fsfd))
	}
	mfd, err := unix.Fsmount(fsfd, unix.FSMOUNT_CLOEXEC, attrs)
	if err != nil {
		return -1, fmt.Errorf("mount %s: %w%s", fstype, err, fsLog(fsfd))
	}
	return mfd, nil
}

// fsLog is what the kernel says about the last error of a file system context.
func fsLog(fsfd int) string {
	var all strings.Builder
	buf := make([]byte, 1024)
	for {
		n, err := unix.Read(fsfd, buf)
		if err != nil || n == 0 {
			return all.String()
		}
		all.WriteString("; kernel: " + strings.TrimSpace(string(buf[:n])))
	}
}

func newTmpfs(size int64, mode fs.FileMode, attrs int, more ...option) (int, error) {
	options := append([]option{
		{"source", "tmpfs"},
		{"size", strconv.FormatInt(size, 10)},
		{"mode", strconv.FormatUint(uint64(unixMode(mode)), 8)},
	}, more...)
	return newFS("tmpfs", attrs, options...)
}

// unixMode translates permission, setuid, setgid and sticky bits.
func unixMode(mode fs.FileMode) uint32 {
	bits := uint32(mode.Perm())
	if mode&fs.ModeSetuid != 0 {
		bits |= unix.S_ISUID
	}
	if mode&fs.ModeSetgid != 0 {
		bits |= unix.S_ISGID
	}
	if mode&fs.ModeSticky != 0 {
		bits |= unix.S_ISVTX
	}
	return bits
}

// cloneTree makes an unattached copy of the mount tree at fd, with attrs set
// on all of it.
func cloneTree(fd int, attrs uint64) (int, error) {
	return cloneTreeAt(fd, "", attrs)
}

func cloneTreeAt(fd int, name string, attrs uint64) (int, error) {
	tree, err := unix.OpenTree(fd, name, unix.AT_EMPTY_PATH|unix.AT_RECURSIVE|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("clone mount: %w", err)
	}
	err = unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: attrs})
	if err != nil {
		unix.Close(tree)
		return -1, fmt.Errorf("set mount attributes: %w", err)
	}
	return tree, nil
}

// attach puts mount on target, both descriptors, and closes mount.
func attach(mount, target int) error {
	defer unix.Close(mount)
	return attachAt(mount, target, "")
}

// attachAt is attach to a name below the directory target; mount stays open.
func attachAt(mount, target int, name string) error {
	err := unix.MoveMount(mount, "", target, name, unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("attach mount: %w", err)
	}
	return nil
}

// inRoot opens path as seen from root: symbolic links and ".." cannot leave it
// and the magic links of /proc are refused.
func inRoot(root int, path string, flags uint64) (int, error) {
	return unix.Openat2(root, path, &unix.OpenHow{
		Flags:   flags | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
}

// makeDir opens the directory path below root, creating what is missing with
// mode 0755.
func makeDir(root int, path string) (int, error) {
	fd, err := inRoot(root, path, unix.O_PATH|unix.O_DIRECTORY)
	if !errors.Is(err, unix.ENOENT) {
		return fd, err
	}
	path = filepath.Clean(path)
	if path == "/" {
		return -1, err
	}
	parent, err := makeDir(root, filepath.Dir(path))
	if err != nil {
		return -1, err
	}
	defer unix.Close(parent)
	if err := unix.Mkdirat(parent, filepath.Base(path), 0o755); err != nil {
		return -1, err // a dangling link ends here with EEXIST
	}
	return inRoot(root, path, unix.O_PATH|unix.O_DIRECTORY)
}

// makeParent opens the directory that is to hold path.
func makeParent(root int, path string) (dir int, name string, err error) {
	path = filepath.Clean(path)
	dir, err = makeDir(root, filepath.Dir(path))
	return dir, filepath.Base(path), err
}

// makeMountpoint opens path below root, creating a directory or an empty file.
func makeMountpoint(root int, path string, directory bool) (int, error) {
	if directory {
		return makeDir(root, path)
	}
	fd, err := inRoot(root, path, unix.O_PATH)
	if !errors.Is(err, unix.ENOENT) {
		return fd, err
	}
	dir, name, err := makeParent(root, path)
	if err != nil {
		return -1, err
	}
	defer unix.Close(dir)
	file, err := unix.Openat(dir, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return -1, err
	}
	unix.Close(file)
	return inRoot(root, path, unix.O_PATH)
}

func isDir(fd int) (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, err
	}
	return st.Mode&unix.S_IFMT == unix.S_IFDIR, nil
}
