package sandbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ErrTimeout is what Run's error wraps when [Limits.Wall] passed.
var ErrTimeout = errors.New("wall time limit reached")

// ErrSpec is what errors about an unusable [Spec] wrap. They are the caller's
// mistake; a retry gives the same error.
var ErrSpec = errors.New("invalid spec")

const (
	defaultHostname  = "distbot.invalid"
	defaultTmpSize   = 1 << 30
	defaultOpenFiles = 10240
	// maxSources keeps the number of directories of one Spec below the 253
	// descriptors the kernel passes in one message (SCM_MAX_FD), leaving room
	// for the device nodes.
	maxSources = 200
)

// Spec is one run. The zero value of a field has the stated default.
type Spec struct {
	// Root becomes "/". Required.
	Root Root
	// Mounts are made in order, after /proc, /dev, /tmp and /var/tmp. Their
	// targets are created when missing.
	Mounts []Mount
	// TmpSize is the size in bytes of each of /tmp, /var/tmp and /dev/shm.
	// Default 1 GiB. What is written there counts as memory.
	TmpSize int64
	// Hostname inside, default "distbot.invalid".
	Hostname string
	// UID and GID of the payload inside; it has no supplementary groups (with
	// a single id map the caller's remain, because an unprivileged process
	// cannot drop them). UID 0 keeps the capabilities that rpm needs to
	// install packages and run their scriptlets: chown, dac_override, fowner,
	// fsetid, kill, setgid, setuid, setpcap, sys_chroot, setfcap. Any
	// other UID has none.
	UID, GID int
	// Env is the complete environment, "KEY=value"; nothing is inherited.
	Env []string
	// Dir is the working directory inside, default "/".
	Dir string
	// Args is the absolute path of the program inside and its arguments.
	// Required.
	Args []string
	// NoSync makes fsync, fdatasync, sync and syncfs succeed without doing
	// anything, as systemd-nspawn --suppress-sync does: for files that are
	// worth nothing after a crash of the host. Databases and package managers
	// that write such files are much faster with it.
	NoSync bool
	// Emulators run the programs of other machines. Default none; then the
	// interpreters that the host has registered are those of the sandbox.
	Emulators []Emulator
	// Linux32 makes uname name the 32-bit machine that the host's processor
	// also is, such as i686, as setarch(8) does.
	Linux32 bool
	// Network keeps the caller's network. By default the sandbox has a network
	// namespace of its own with nothing but a loopback interface.
	Network bool
	Limits  Limits
	// Stdin is copied to the payload; nil is /dev/null. Run does not wait for
	// a pending Read of it when the payload ends.
	Stdin io.Reader
	// Stdout and Stderr receive the output; nil discards. When both are the
	// same value they share one pipe, so the order of writes is kept. Run does
	// not return before everything written was handed over, so a Writer must
	// not block for ever. An error of a Writer kills the sandbox and is
	// returned by Run.
	Stdout, Stderr io.Writer
}

// Root says what becomes "/" inside. Exactly one of these forms is used:
//
//   - Lower, Upper and Work: a writable overlay; Upper and Work must be
//     siblings. What was changed stays in Upper.
//   - Lower and Tmpfs: a writable overlay whose changes are thrown away. Before
//     Linux 6.6 a tmpfs has no user attributes, and removing or replacing a
//     directory that has content in a lower layer fails with EIO. The same
//     holds for an Upper in a tmpfs.
//   - Lower alone: read-only.
//   - Dir: that directory, writable.
//   - Tmpfs: an empty file system of that many bytes, to compose a root from
//     Mounts, see [HostView].
//
// All paths are absolute paths of the caller. Except for read-only roots the
// directories must belong to mapped ids ([Runner.MkdirMapped]): the overlay
// cannot copy up files of unmapped owners.
type Root struct {
	Lower       []string // topmost first, as in overlayfs's lowerdir
	Upper, Work string
	Dir         string
	Tmpfs       int64 // bytes
}

// MountType is what a [Mount] puts at its target.
type MountType string

// The mount types. Of an empty Type, Source decides: TypeBind when it is set,
// TypeTmpfs otherwise.
const (
	TypeBind    MountType = "bind"    // Source, with everything mounted below it
	TypeTmpfs   MountType = "tmpfs"   // an empty file system of Tmpfs bytes
	TypeOverlay MountType = "overlay" // the overlay that Layers describes
	TypeProc    MountType = "proc"    // another masked /proc, for a root that is chrooted into
	TypeDev     MountType = "dev"     // another minimal /dev, likewise
	TypeSymlink MountType = "symlink" // a symbolic link with the text Source
	TypeFile    MountType = "file"    // a file with the content Data
	TypeDir     MountType = "dir"     // a directory
)

// Mount is one entry of the file system inside. Targets are absolute and
// resolved inside the new root: a symbolic link there never leads out of it.
type Mount struct {
	Type   MountType
	Source string // TypeBind: absolute path of the caller; TypeSymlink: link text
	Target string
	// ReadOnly applies to TypeBind (with everything below) and TypeTmpfs.
	ReadOnly bool
	// Optional skips a TypeBind whose Source does not exist.
	Optional bool
	Tmpfs    int64 // TypeTmpfs: bytes, required
	// Layers are those of TypeOverlay: Lower, Upper and Work, as in Root and
	// with its conditions. So the overlay that is one run's root can be another
	// run's directory; both at a time is undefined (overlayfs.rst, "Sharing and
	// copying layers").
	Layers Root
	Data   []byte
	// Mode, UID and GID of what TypeTmpfs, TypeFile and TypeDir create.
	// Default modes: 0755, 0644, 0755. Ids are those inside.
	Mode     fs.FileMode
	UID, GID int
}

// Limits of one run; zero means no limit unless stated otherwise. What can be
// enforced depends on the host: see [Capabilities].
type Limits struct {
	// Memory in bytes, including page cache that cannot be dropped and files
	// in tmpfs, without swap. Without a memory cgroup: RLIMIT_DATA, which
	// holds for each process separately.
	Memory int64
	// PIDs is the number of processes and threads. With a pids cgroup the
	// sandbox's own few threads are allowed for with 16 extra; without one:
	// RLIMIT_NPROC.
	PIDs int64
	// CPUs is processor time per wall time, 1.5 is one and a half processors.
	// Not enforced without a cpu cgroup.
	CPUs float64
	// FileSize is the size in bytes of the largest file that can be written;
	// a process that goes on gets SIGXFSZ.
	FileSize int64
	// OpenFiles per process, default 10240, never more than the caller's own
	// hard limit.
	OpenFiles uint64
	// Wall is the time from the start of Run until everything is killed.
	Wall time.Duration
}

// Result tells how a payload ended. Exit codes other than 0 are not errors.
type Result struct {
	// ExitCode is the payload's, or 128+n when signal n killed it.
	ExitCode int
	// Signal that killed the payload, 0 when it exited.
	Signal syscall.Signal
	// OOMKilled says that the kernel killed some process of the sandbox for
	// reaching Limits.Memory. Known only with a memory cgroup.
	OOMKilled bool
	// TimedOut says that Limits.Wall passed; Run also returns ErrTimeout.
	TimedOut bool
	// User and System are the processor time of the whole sandbox, its set-up
	// included.
	User, System time.Duration
	// MaxRSS is the largest resident set of any one process, in bytes. Values
	// below some 20 MB are those of the sandbox's own pid 1.
	MaxRSS int64
	// Wall is how long Run took.
	Wall time.Duration
}

// validate reports the first thing in s that no host could run. Its errors
// wrap ErrSpec.
func (s *Spec) validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("sandbox: %w: %s", ErrSpec, fmt.Sprintf(format, args...))
	}
	if len(s.Args) == 0 || !filepath.IsAbs(s.Args[0]) {
		return bad("args must begin with an absolute path, got %q", s.Args)
	}
	if s.Dir != "" && !filepath.IsAbs(s.Dir) {
		return bad("dir %q is not absolute", s.Dir)
	}
	if s.UID < 0 || s.UID >= rangeSize || s.GID < 0 || s.GID >= rangeSize {
		return bad("uid %d, gid %d: must be from 0 to %d", s.UID, s.GID, rangeSize-1)
	}
	if slices.ContainsFunc(append(slices.Clone(s.Args), s.Env...), hasNUL) {
		return bad("NUL in args or env")
	}
	l := s.Limits
	if l.Memory < 0 || l.PIDs < 0 || l.CPUs < 0 || l.FileSize < 0 || l.Wall < 0 || s.TmpSize < 0 {
		return bad("negative limit")
	}
	if err := s.Root.validate(); err != nil {
		return bad("root: %v", err)
	}
	for _, e := range s.Emulators {
		if err := e.validate(); err != nil {
			return bad("emulator: %v", err)
		}
	}
	n := len(s.Root.Lower) + len(s.Mounts) + len(s.Emulators)
	for _, m := range s.Mounts {
		if m.kind() == TypeOverlay {
			n += len(m.Layers.Lower) + 1 // upper and work instead of one source
		}
	}
	if n > maxSources {
		return bad("%d layers, mounts and emulators, at most %d", n, maxSources)
	}
	for _, m := range s.Mounts {
		if err := m.validate(); err != nil {
			return bad("mount %s: %v", m.Target, err)
		}
	}
	return nil
}

func hasNUL(s string) bool { return strings.ContainsRune(s, 0) }

func (r *Root) validate() error {
	for _, p := range append([]string{r.Upper, r.Work, r.Dir}, r.Lower...) {
		if p != "" && !filepath.IsAbs(p) || hasNUL(p) {
			return fmt.Errorf("path %q is not absolute", p)
		}
	}
	switch {
	case slices.Contains(r.Lower, ""):
		return errors.New("empty path in lower")
	case r.Tmpfs < 0:
		return errors.New("negative tmpfs size")
	case r.Dir != "" && (len(r.Lower) > 0 || r.Tmpfs > 0):
		return errors.New("dir excludes lower and tmpfs")
	case (r.Upper == "") != (r.Work == ""):
		return errors.New("upper and work go together")
	case r.Upper != "" && len(r.Lower) == 0:
		return errors.New("upper needs lower")
	case r.Upper != "" && r.Tmpfs > 0:
		return errors.New("upper excludes tmpfs")
	case r.Upper != "" && filepath.Dir(filepath.Clean(r.Upper)) != filepath.Dir(filepath.Clean(r.Work)):
		return errors.New("upper and work must be siblings")
	case r.Upper != "" && filepath.Clean(r.Upper) == filepath.Clean(r.Work):
		return errors.New("upper and work must differ")
	case r.Dir == "" && len(r.Lower) == 0 && r.Tmpfs == 0:
		return errors.New("one of lower, dir and tmpfs is needed")
	}
	return nil
}

// kind is m's type with the default filled in.
func (m *Mount) kind() MountType {
	switch {
	case m.Type != "":
		return m.Type
	case m.Source != "":
		return TypeBind
	default:
		return TypeTmpfs
	}
}

func (m *Mount) validate() error {
	if !filepath.IsAbs(m.Target) || filepath.Clean(m.Target) == "/" || hasNUL(m.Target) || hasNUL(m.Source) {
		return errors.New("target must be an absolute path below /")
	}
	if m.UID < 0 || m.UID >= rangeSize || m.GID < 0 || m.GID >= rangeSize {
		return fmt.Errorf("uid %d, gid %d: must be from 0 to %d", m.UID, m.GID, rangeSize-1)
	}
	switch m.kind() {
	case TypeBind:
		if !filepath.IsAbs(m.Source) {
			return fmt.Errorf("source %q is not absolute", m.Source)
		}
	case TypeTmpfs:
		if m.Tmpfs <= 0 {
			return errors.New("tmpfs needs a size")
		}
	case TypeSymlink:
		if m.Source == "" {
			return errors.New("symlink needs a source")
		}
	case TypeOverlay:
		if m.Layers.Upper == "" {
			return errors.New("overlay needs lower, upper and work")
		}
		if err := m.Layers.validate(); err != nil {
			return fmt.Errorf("layers: %w", err)
		}
	case TypeProc, TypeDev, TypeFile, TypeDir:
	default:
		return fmt.Errorf("unknown type %q", m.Type)
	}
	return nil
}
