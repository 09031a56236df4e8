package sandbox

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFilterJumpsStayInside checks what the kernel would refuse on machines
// this test does not run on, and that every path ends in a decision.
func TestFilterJumpsStayInside(t *testing.T) {
	t.Parallel()
	for goarch := range auditArch {
		prog, err := filterProgram(goarch, true)
		if err != nil {
			t.Fatal(err)
		}
		for i, ins := range prog {
			jump := ins.Code&0x07 == unix.BPF_JMP
			if jump && (i+1+int(ins.Jt) >= len(prog) || i+1+int(ins.Jf) >= len(prog)) {
				t.Errorf("%s: instruction %d jumps out", goarch, i)
			}
		}
		if last := prog[len(prog)-1]; last.Code != ret || last.K != errnoAction(unix.ENOSYS) {
			t.Errorf("%s: ends with %+v", goarch, last)
		}
	}
	if _, err := filterProgram("mips", false); err == nil {
		t.Error("a filter for an unknown machine")
	}
}

// TestFilterDecides interprets the filter.
func TestFilterDecides(t *testing.T) {
	t.Parallel()
	prog, err := filterProgram("amd64", false)
	if err != nil {
		t.Fatal(err)
	}
	unsynced, err := filterProgram("amd64", true)
	if err != nil {
		t.Fatal(err)
	}
	const x86, i386 = unix.AUDIT_ARCH_X86_64, unix.AUDIT_ARCH_I386
	if runtime.GOARCH != "amd64" {
		t.Log("numbers below are those of amd64; the rest is tested by running sandboxes")
		return
	}
	for _, test := range []struct {
		name           string
		arch, nr, arg0 uint32
		want           uint32
	}{
		{"read", x86, 0, 0, unix.SECCOMP_RET_ALLOW},
		{"keyctl", x86, 250, 0, errnoAction(unix.EPERM)},
		{"io_uring_setup", x86, 425, 0, errnoAction(unix.ENOSYS)},
		{"x32 read", x86, x32Bit, 0, errnoAction(unix.ENOSYS)},
		{"socket unix", x86, 41, unix.AF_UNIX, unix.SECCOMP_RET_ALLOW},
		{"socket netlink", x86, 41, unix.AF_NETLINK, unix.SECCOMP_RET_ALLOW},
		{"socket vsock", x86, 41, unix.AF_VSOCK, errnoAction(unix.EAFNOSUPPORT)},
		{"32-bit read", i386, 3, 0, unix.SECCOMP_RET_ALLOW},
		{"32-bit keyctl", i386, 288, 0, errnoAction(unix.EPERM)},
		{"32-bit socketcall", i386, 102, 1, errnoAction(unix.ENOSYS)},
		{"32-bit socket inet", i386, 359, unix.AF_INET, unix.SECCOMP_RET_ALLOW},
		{"32-bit socket alg", i386, 359, unix.AF_ALG, errnoAction(unix.EAFNOSUPPORT)},
		{"number of 64-bit keyctl in 32-bit code", i386, 250, 0, unix.SECCOMP_RET_ALLOW},
		{"another machine", unix.AUDIT_ARCH_AARCH64, 0, 0, errnoAction(unix.ENOSYS)},
	} {
		if got := interpret(t, prog, test.arch, test.nr, test.arg0); got != test.want {
			t.Errorf("%s: got %#x, want %#x", test.name, got, test.want)
		}
		if got := interpret(t, unsynced, test.arch, test.nr, test.arg0); got != test.want {
			t.Errorf("%s without syncing: got %#x, want %#x", test.name, got, test.want)
		}
	}
	for nr, arch := range map[uint32]uint32{74: x86, 75: x86, 162: x86, 306: x86, 118: i386, 148: i386, 36: i386, 344: i386} {
		if got := interpret(t, prog, arch, nr, 0); got != unix.SECCOMP_RET_ALLOW {
			t.Errorf("syncing call %d of %#x: got %#x, want it allowed", nr, arch, got)
		}
		if got := interpret(t, unsynced, arch, nr, 0); got != errnoAction(0) {
			t.Errorf("syncing call %d of %#x without syncing: got %#x, want no effect", nr, arch, got)
		}
	}
}

func interpret(t *testing.T, prog []unix.SockFilter, arch, nr, arg0 uint32) uint32 {
	t.Helper()
	var acc uint32
	for pc := 0; pc < len(prog); pc++ {
		ins := prog[pc]
		switch ins.Code {
		case load:
			acc = map[uint32]uint32{offsetNr: nr, offsetArch: arch, offsetArg0: arg0}[ins.K]
		case jumpEqual, jumpAbove:
			if ins.Code == jumpEqual && acc == ins.K || ins.Code == jumpAbove && acc >= ins.K {
				pc += int(ins.Jt)
			} else {
				pc += int(ins.Jf)
			}
		case ret:
			return ins.K
		default:
			t.Fatalf("unknown instruction %#x", ins.Code)
		}
	}
	t.Fatal("fell off the end")
	return 0
}
