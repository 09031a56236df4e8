package rpmfile

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"

	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// elfFile is the beginning of an ELF file for target.
func elfFile(target ELFTarget) []byte {
	b := make([]byte, 64)
	copy(b, elf.ELFMAG)
	b[elf.EI_CLASS], b[elf.EI_DATA] = byte(target.Class), byte(target.Data)
	order := binary.ByteOrder(binary.LittleEndian)
	if target.Data == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	order.PutUint16(b[18:], uint16(target.Machine))
	return b
}

// arFile is a static archive of one text and one ELF member.
func arFile(object []byte) []byte {
	text := "odd"
	return []byte(arMagic +
		fmt.Sprintf("%-16s%-12d%-6d%-6d%-8o%-10d`\n%s\n", "notes/", 0, 0, 0, 0o644, len(text), text) +
		fmt.Sprintf("%-16s%-12d%-6d%-6d%-8o%-10d`\n%s", "a.o/", 0, 0, 0, 0o644, len(object), object))
}

func checkPacked(t *testing.T, arch string, files map[string][]byte) error {
	t.Helper()
	raw := rpmtest.Pack(t, rpmpack.RPMMetaData{Name: "a", Version: "1", Release: "1", Arch: arch}, func(r *rpmpack.RPM) {
		for name, body := range files {
			r.AddFile(rpmpack.RPMFile{Name: name, Body: body, Mode: 0o755})
		}
	})
	p, err := Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return CheckELF(bytes.NewReader(raw), p, Limits{})
}

func TestCheckELFByArchitecture(t *testing.T) {
	t.Parallel()
	targets := ELFTargets()
	for _, arch := range []string{"x86_64", "i686", "aarch64", "armv7hl", "ppc64le", "s390x", "riscv64", "loongarch64"} {
		t.Run(arch, func(t *testing.T) {
			t.Parallel()
			for other, target := range targets {
				err := checkPacked(t, arch, map[string][]byte{"/usr/bin/x": elfFile(target), "/usr/lib/libx.a": arFile(elfFile(target))})
				if target == targets[arch] {
					if err != nil {
						t.Errorf("own binaries: %v", err)
					}
					continue
				}
				var wrong *ELFError
				if !errors.As(err, &wrong) {
					t.Fatalf("binaries of %s: got %v, want *ELFError", other, err)
				}
				want := []ELFMismatch{{Path: "/usr/bin/x", Got: target}, {Path: "/usr/lib/libx.a", Member: "a.o", Got: target}}
				if diff := cmp.Diff(want, wrong.Mismatches); diff != "" {
					t.Errorf("binaries of %s (-want +got)\n%s", other, diff)
				}
			}
		})
	}
}

func TestCheckELFRules(t *testing.T) {
	t.Parallel()
	s390 := elfFile(ELFTargets()["s390x"])
	bpf := elfFile(ELFTarget{elf.EM_BPF, elf.ELFCLASS64, elf.ELFDATA2LSB})
	x32 := elfFile(ELFTarget{elf.EM_X86_64, elf.ELFCLASS32, elf.ELFDATA2LSB})
	for _, tt := range []struct {
		name, arch string
		files      map[string][]byte
		fault      string // in the error; empty: accepted
	}{
		{"any binary is wrong in a noarch package", "noarch", map[string][]byte{"/usr/lib/x.so": s390}, "/usr/lib/x.so is EM_S390"},
		{"a kernel module is a binary", "x86_64", map[string][]byte{"/lib/modules/1/x.ko": s390}, "x.ko"},
		{"the word size counts", "x86_64", map[string][]byte{"/usr/bin/x": x32}, "ELFCLASS32"},
		{"firmware runs elsewhere", "noarch", map[string][]byte{"/usr/lib/firmware/x.bin": s390}, ""},
		{"grub brings modules for all modes", "noarch", map[string][]byte{"/usr/lib/grub/i386-pc/x.mod": s390}, ""},
		{"the 32-bit vDSO lies among the modules", "x86_64", map[string][]byte{"/lib/modules/6/vdso/vdso32.so": x32, "/usr/lib/debug/lib/modules/6/vdso/vdso32.so.debug": x32}, ""},
		{"eBPF runs nowhere", "noarch", map[string][]byte{"/usr/lib/x.bpf.o": bpf}, ""},
		{"text is fine", "noarch", map[string][]byte{"/etc/a": []byte("text"), "/etc/b": nil}, ""},
		{"a text that starts like an archive is fine", "noarch", map[string][]byte{"/etc/a": []byte(arMagic + "but is not one at all, just some words that go on and on and on")}, ""},
		{"an unknown architecture never passes", "vax", map[string][]byte{"/etc/a": []byte("text")}, `unknown architecture "vax"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := checkPacked(t, tt.arch, tt.files)
			switch {
			case tt.fault == "" && err != nil:
				t.Errorf("got %v, want acceptance", err)
			case tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)):
				t.Errorf("got %v, want an error with %q", err, tt.fault)
			}
		})
	}
}

// TestCheckELFOfRealBuilds compiles with the system's gcc and packs the result
// as two architectures, as rpmbuild --target without emulation would.
func TestCheckELFOfRealBuilds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source, program := filepath.Join(dir, "a.c"), filepath.Join(dir, "a")
	if err := os.WriteFile(source, []byte("int main(void) { return 0; }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(rpmtest.Tool(t, "gcc"), "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	body, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	native, err := exec.Command("uname", "-m").Output()
	if err != nil {
		t.Fatal(err)
	}
	host := strings.TrimSpace(string(native))
	targets := ELFTargets()
	for arch, target := range targets {
		err := checkPacked(t, arch, map[string][]byte{"/usr/bin/a": body})
		if own := target == targets[host]; own != (err == nil) {
			t.Errorf("a program of %s in a package for %s: %v", host, arch, err)
		}
	}
}
