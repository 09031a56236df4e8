package sandbox

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system call filter is a second lock in front of kernel code that
// unprivileged programs can reach but no build needs, and the only lock in
// front of socket families that know no namespaces: over AF_VSOCK the sandbox
// of a virtual machine could talk to the machine's host. Everything else is
// allowed; namespaces and capabilities do the isolation.

// denied system calls return EPERM, absent ones ENOSYS, which programs take as
// "old kernel" and go on, and syncing ones, where they are to do nothing, 0.
var (
	denied = []uint32{
		unix.SYS_ADD_KEY, unix.SYS_KEYCTL, unix.SYS_REQUEST_KEY,
		unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
		unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
		unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_OPEN_BY_HANDLE_AT,
		unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_REBOOT, unix.SYS_ACCT, unix.SYS_QUOTACTL,
	}
	absent  = []uint32{unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER}
	syncing = []uint32{unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC, unix.SYS_SYNCFS}

	allowedFamilies = []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}
)

// The same calls of 32-bit x86 (arch/x86/entry/syscalls/syscall_32.tbl), for
// i686 packages built on x86_64. 102 is socketcall, whose arguments a filter
// cannot see.
var (
	i386Denied  = []uint32{286, 288, 287, 357, 336, 374, 128, 350, 129, 283, 342, 87, 115, 88, 51, 131}
	i386Absent  = []uint32{102, 425, 426, 427}
	i386Syncing = []uint32{118, 148, 36, 344}
)

const i386Socket = 359

// auditArch are the values of AUDIT_ARCH_* (linux/audit.h) by GOARCH.
var auditArch = map[string]uint32{
	"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64, "riscv64": unix.AUDIT_ARCH_RISCV64,
	"ppc64le": unix.AUDIT_ARCH_PPC64LE, "s390x": unix.AUDIT_ARCH_S390X, "loong64": unix.AUDIT_ARCH_LOONGARCH64,
}

const (
	// Offsets in struct seccomp_data (linux/seccomp.h).
	offsetNr, offsetArch, offsetArg0 = 0, 4, 16
	// x32Bit marks system calls of the x32 ABI.
	x32Bit = 0x40000000

	load      = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	jumpEqual = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	jumpAbove = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	ret       = unix.BPF_RET | unix.BPF_K
)

func errnoAction(errno unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(errno) }

// calls are the system calls of one ABI that are not simply allowed. An empty
// list of syncing ones leaves them as they are.
type calls struct {
	socket                  uint32
	denied, absent, syncing []uint32
}

// filterProgram is the filter for a kernel of goarch. With noSync, syncing
// calls do nothing.
func filterProgram(goarch string, noSync bool) ([]unix.SockFilter, error) {
	native, ok := auditArch[goarch]
	if !ok {
		return nil, fmt.Errorf("no system call filter for %s", goarch)
	}
	own, compatible := calls{unix.SYS_SOCKET, denied, absent, syncing}, calls{i386Socket, i386Denied, i386Absent, i386Syncing}
	if !noSync {
		own.syncing, compatible.syncing = nil, nil
	}
	first := abiFilter(own, goarch)
	prog := []unix.SockFilter{{Code: load, K: offsetArch}}
	prog = append(prog, unix.SockFilter{Code: jumpEqual, K: native, Jf: uint8(len(first))})
	prog = append(prog, first...)
	if goarch == "amd64" {
		second := abiFilter(compatible, goarch)
		prog = append(prog, unix.SockFilter{Code: jumpEqual, K: unix.AUDIT_ARCH_I386, Jf: uint8(len(second))})
		prog = append(prog, second...)
	}
	return append(prog, unix.SockFilter{Code: ret, K: errnoAction(unix.ENOSYS)}), nil
}

// abiFilter decides about all system calls of one ABI. It has less than 256
// instructions, so that one jump passes over it.
func abiFilter(c calls, goarch string) []unix.SockFilter {
	prog := []unix.SockFilter{{Code: load, K: offsetNr}}
	onEqual := func(nr, action uint32) {
		prog = append(prog, unix.SockFilter{Code: jumpEqual, K: nr, Jf: 1}, unix.SockFilter{Code: ret, K: action})
	}
	if goarch == "amd64" {
		prog = append(prog, unix.SockFilter{Code: jumpAbove, K: x32Bit, Jf: 1},
			unix.SockFilter{Code: ret, K: errnoAction(unix.ENOSYS)})
	}
	for _, nr := range c.denied {
		onEqual(nr, errnoAction(unix.EPERM))
	}
	for _, nr := range c.absent {
		onEqual(nr, errnoAction(unix.ENOSYS))
	}
	for _, nr := range c.syncing {
		onEqual(nr, errnoAction(0))
	}
	arg0 := uint32(offsetArg0)
	if goarch == "s390x" { // big endian: the low half is second
		arg0 += 4
	}
	families := uint8(len(allowedFamilies))
	prog = append(prog, unix.SockFilter{Code: jumpEqual, K: c.socket, Jf: 2*families + 2},
		unix.SockFilter{Code: load, K: arg0})
	for _, family := range allowedFamilies {
		onEqual(family, unix.SECCOMP_RET_ALLOW)
	}
	return append(prog, unix.SockFilter{Code: ret, K: errnoAction(unix.EAFNOSUPPORT)},
		unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW})
}

// installFilter puts the filter on this thread and all it forks.
func installFilter(noSync bool) error {
	prog, err := filterProgram(runtime.GOARCH, noSync)
	if err != nil {
		return err
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return fmt.Errorf("install system call filter: %w", errno)
	}
	return nil
}
