// Package sandbox runs one command in Linux namespaces of its own: user,
// mount, pid, network, IPC, UTS and cgroup namespaces, with a root file system
// composed for it, without privileges over the host, inside resource limits,
// and with the certainty that nothing of it is left when [Runner.Run] returns.
//
// It knows mounts, uid maps, capabilities, cgroups, processes and emulators. It refuses to
// know what runs inside: no RPM, no dnf, no build, no configuration file.
//
// # How a run goes
//
// [Runner.Run] starts the running program again (/proc/self/exe) in new
// namespaces. [Main], which must be the first statement of main, recognises
// that it is such a child and becomes pid 1 of the sandbox. The caller's side
// puts it into a cgroup, writes the uid map, opens every directory the sandbox
// needs and sends these as file descriptors, so that a parent directory only
// the caller may pass (mode 0700) is no obstacle. Pid 1 then builds the root,
// pivots into it, gives up what the payload must not inherit, starts the
// payload as its child, reaps whatever is orphaned, and ends with the payload.
// When pid 1 ends, the kernel kills every process in the namespace.
//
// # Users
//
// User ids inside are mapped, see [Mapping]. A range of 65536 ids is used when
// the caller is root or has a line in /etc/subuid; otherwise there is only one
// id, which cannot unpack packages with files of several owners. Directories
// that are to be written inside must belong to the mapped ids: create them with
// [Runner.MkdirMapped], take results out with [Runner.Collect], and remove them
// with [Runner.RemoveAll].
//
// # What the payload cannot do
//
// It sees no file of the host except those mounted for it, no process of the
// host or of another sandbox, and no network unless asked for. It has
// no_new_privs, no capability when its uid is not 0 and ten when it is, over
// mapped ids only (see [Spec.UID]). It can create no user namespace and cannot
// mount. A system call filter refuses keyrings, bpf, perf, userfaultfd,
// io_uring, kernel modules, kexec, and every socket family but unix, inet,
// inet6 and netlink. 32-bit x86 code has no sockets (its socketcall cannot be
// filtered by family); on other machines foreign-width code cannot run. What an
// [Emulator] runs makes its system calls as the host's machine does and is held
// by the same filter.
//
// Linux 5.12 or newer is needed (mount_setattr; overlay in a user namespace).
package sandbox
