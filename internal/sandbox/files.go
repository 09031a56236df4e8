package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Files written inside belong to mapped ids. Root may do with them what it
// likes; an unprivileged caller may not even list them. So its work is done by
// a child in a user namespace that maps both the caller and those ids; no
// foreign code runs there.

type fileOp string

const (
	opNothing fileOp = "nothing" // only shows that the namespace works
	opMkdir   fileOp = "make directory"
	opChown   fileOp = "change owner"
	opRemove  fileOp = "remove"
	opCollect fileOp = "collect"
)

// fileRequest is one piece of work on files. Ids are those of the process that
// does it.
type fileRequest struct {
	Op       fileOp
	Path     string
	UID, GID int
	Mode     fs.FileMode
	Dest     string         `json:",omitempty"`
	Collect  CollectOptions `json:"Collect"`
}

// do does the work, as root or as id 0 of the owners' namespace.
func (q *fileRequest) do() (*reply, error) {
	switch q.Op {
	case opNothing:
		return new(reply), nil
	case opMkdir:
		return new(reply), makeOwnedDir(q)
	case opChown:
		return new(reply), unix.Fchownat(unix.AT_FDCWD, q.Path, q.UID, q.GID, unix.AT_SYMLINK_NOFOLLOW)
	case opRemove:
		return new(reply), removeTree(context.Background(), q.Path)
	case opCollect:
		res, err := collect(context.Background(), q.Path, q.Dest, q.Collect)
		return &reply{Collected: res}, err
	}
	return nil, fmt.Errorf("unknown operation %q", q.Op)
}

func makeOwnedDir(q *fileRequest) error {
	if err := unix.Mkdir(q.Path, 0o700); err != nil {
		return err
	}
	err := unix.Fchownat(unix.AT_FDCWD, q.Path, q.UID, q.GID, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil {
		err = unix.Chmod(q.Path, unixMode(q.Mode))
	}
	if err != nil {
		return errors.Join(err, unix.Rmdir(q.Path))
	}
	return nil
}

// MkdirMapped creates the directory path, whose parent must exist, with the
// owner uid:gid of the sandbox and exactly the given mode. Base roots, overlay
// uppers and build directories are made with it. Errors of the system can be
// tested with errors.Is (fs.ErrExist). With a single id map the owner is
// always the caller.
func (r *Runner) MkdirMapped(ctx context.Context, path string, uid, gid int, mode fs.FileMode) error {
	return r.ownership(ctx, &fileRequest{Op: opMkdir, Path: path, Mode: mode}, uid, gid)
}

// Chown gives path, a file or directory of the caller or of the sandbox, to
// uid:gid of the sandbox. A symbolic link is not followed and directories are
// not descended into.
func (r *Runner) Chown(ctx context.Context, path string, uid, gid int) error {
	return r.ownership(ctx, &fileRequest{Op: opChown, Path: path}, uid, gid)
}

func (r *Runner) ownership(ctx context.Context, q *fileRequest, uid, gid int) error {
	if err := q.check(); err != nil {
		return err
	}
	var err error
	if q.UID, err = r.ownerID(uid, r.mapping.HostUID); err != nil {
		return err
	}
	if q.GID, err = r.ownerID(gid, r.mapping.HostGID); err != nil {
		return err
	}
	_, err = r.doFiles(ctx, q)
	return err
}

// ownerID translates an id inside to that of the process that does the work:
// see ownerMaps.
func (r *Runner) ownerID(id int, host func(int) (int, error)) (int, error) {
	hostID, err := host(id)
	switch {
	case err != nil:
		return 0, err
	case r.mapping.Kind == MapRoot:
		return hostID, nil
	case r.mapping.Kind == MapSingle:
		return 0, nil
	}
	return id + 1, nil
}

// doFiles does q in this process when it is root, or else in a child.
func (r *Runner) doFiles(ctx context.Context, q *fileRequest) (*reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("sandbox: %s %s: %w", q.Op, q.Path, context.Cause(ctx))
	}
	var rep *reply
	var err error
	switch {
	case r.mapping.Kind != MapRoot:
		rep, err = r.fileWork(ctx, q)
	case q.Op == opRemove:
		err = removeTree(ctx, q.Path)
	case q.Op == opCollect:
		rep = new(reply)
		rep.Collected, err = collect(ctx, q.Path, q.Dest, q.Collect)
	default:
		rep, err = q.do()
	}
	if err != nil {
		return nil, fmt.Errorf("sandbox: %s %s: %w", q.Op, q.Path, err)
	}
	return rep, nil
}

func (q *fileRequest) check() error {
	if !filepath.IsAbs(q.Path) || filepath.Clean(q.Path) == "/" || hasNUL(q.Path) {
		return fmt.Errorf("sandbox: %w: %s %q: path must be absolute and not /", ErrSpec, q.Op, q.Path)
	}
	return nil
}

// RemoveAll removes path and everything below it, whatever its modes and
// mapped owners, without following symbolic links. Nothing there is no error.
// It must not run while a sandbox uses path. The parent of path must be a
// directory that no payload can change.
func (r *Runner) RemoveAll(ctx context.Context, path string) error {
	q := &fileRequest{Op: opRemove, Path: path}
	if err := q.check(); err != nil {
		return err
	}
	_, err := r.doFiles(ctx, q)
	return err
}

// ErrTooLarge is what Collect's error wraps when a limit of [CollectOptions]
// is exceeded.
var ErrTooLarge = errors.New("more files or bytes than allowed")

// CollectOptions bound what Collect takes.
type CollectOptions struct {
	// Sub names a directory below dir that the payload made, such as
	// "rpmbuild/RPMS". No symbolic link on the way is followed. Default: dir
	// itself.
	Sub string
	// MaxFiles is the number of directory entries of any kind, default 10000.
	MaxFiles int
	// MaxBytes is the sum of file sizes, default 16 GiB.
	MaxBytes int64
	// MaxDepth is how many levels of directories are entered, default 16.
	MaxDepth int
}

// CollectResult lists what Collect found, in lexical order.
type CollectResult struct {
	Files []CollectedFile
	// Skipped are the paths of what is neither a regular file nor a directory,
	// or has a name that is not printable UTF-8 (then quoted).
	Skipped []string
}

// CollectedFile is a regular file that was copied.
type CollectedFile struct {
	Path string // relative to dest, and to Sub in dir, with slashes
	Size int64  // bytes
}

// Collect copies the regular files below dir into the existing directory dest,
// with their relative paths. The copies belong to the caller and have mode
// 0644, directories 0755. Symbolic links, devices, sockets and pipes are
// skipped, never opened. An existing file in dest is an error (fs.ErrExist), a
// Sub that is missing is fs.ErrNotExist. When Collect fails, dest may hold some
// of the files.
//
// dir must be a path no payload can change, such as the source of a mount;
// what lies below is hostile. Call Collect after Run returned.
func (r *Runner) Collect(ctx context.Context, dir, dest string, opt CollectOptions) (*CollectResult, error) {
	q := &fileRequest{Op: opCollect, Path: dir, Dest: dest, Collect: opt.withDefaults()}
	if err := q.check(); err != nil {
		return nil, err
	}
	if !filepath.IsAbs(dest) || opt.Sub != "" && !filepath.IsLocal(opt.Sub) {
		return nil, fmt.Errorf("sandbox: %w: collect %q of %s into %q", ErrSpec, opt.Sub, dir, dest)
	}
	rep, err := r.doFiles(ctx, q)
	if err != nil {
		return nil, err
	}
	return rep.Collected, nil
}

func (o CollectOptions) withDefaults() CollectOptions {
	return CollectOptions{
		Sub:      orDefault(o.Sub, "."),
		MaxFiles: orDefault(o.MaxFiles, 10000),
		MaxBytes: orDefault(o.MaxBytes, 16<<30),
		MaxDepth: orDefault(o.MaxDepth, 16),
	}
}
