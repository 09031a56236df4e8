package rpmfile

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// ELFTarget is what an ELF file of one RPM architecture must be.
type ELFTarget struct {
	Machine elf.Machine
	Class   elf.Class
	Data    elf.Data
}

// ELFTargets returns the ELF targets distbot knows, by RPM architecture.
func ELFTargets() map[string]ELFTarget {
	i386 := ELFTarget{elf.EM_386, elf.ELFCLASS32, elf.ELFDATA2LSB}
	x86 := ELFTarget{elf.EM_X86_64, elf.ELFCLASS64, elf.ELFDATA2LSB}
	arm := ELFTarget{elf.EM_ARM, elf.ELFCLASS32, elf.ELFDATA2LSB}
	return map[string]ELFTarget{
		"x86_64": x86, "x86_64_v2": x86, "x86_64_v3": x86, "x86_64_v4": x86,
		"i386": i386, "i486": i386, "i586": i386, "i686": i386,
		"aarch64": {elf.EM_AARCH64, elf.ELFCLASS64, elf.ELFDATA2LSB},
		"armv7hl": arm, "armv7l": arm,
		"ppc64le":     {elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2LSB},
		"s390x":       {elf.EM_S390, elf.ELFCLASS64, elf.ELFDATA2MSB},
		"riscv64":     {elf.EM_RISCV, elf.ELFCLASS64, elf.ELFDATA2LSB},
		"loongarch64": {elf.EM_LOONGARCH, elf.ELFCLASS64, elf.ELFDATA2LSB},
	}
}

// ELFMismatch is one ELF file of the wrong machine.
type ELFMismatch struct {
	Path   string // of the file in the package
	Member string // within the static archive at Path, else empty
	Got    ELFTarget
}

func (m ELFMismatch) String() string {
	where := m.Path
	if m.Member != "" {
		where += "(" + m.Member + ")"
	}
	return fmt.Sprintf("%s is %s, %s, %s", where, m.Got.Machine, m.Got.Class, m.Got.Data)
}

// ELFError says which files of a package do not belong to its architecture.
type ELFError struct {
	Package    NEVRA
	Mismatches []ELFMismatch // at most maxMismatches, in archive order
}

// Error names every file with what it is.
func (e *ELFError) Error() string {
	list := make([]string, len(e.Mismatches))
	for i, m := range e.Mismatches {
		list[i] = m.String()
	}
	what := "not for " + e.Package.Arch
	if e.Package.Arch == "noarch" {
		what = "architecture dependent binaries in a noarch package"
	}
	return fmt.Sprintf("rpmfile: check ELF files of %s: %s: %s", e.Package, what, strings.Join(list, "; "))
}

const maxMismatches = 20

// errEnough ends a walk that found maxMismatches.
var errEnough = errors.New("enough mismatches")

// CheckELF reads the payload of p (see WalkPayload for r, limits and errors)
// and returns an *ELFError when an ELF file, kernel module, or member of a
// static archive is for another machine, word size or byte order than p.Arch
// names, or when there is any in a noarch package, as rpmbuild and Koji refuse
// ("Arch dependent binaries in noarch package").
//
// Passed over are: source RPMs; eBPF objects, which run on no processor;
// compressed kernel modules, whose ELF header is not in sight; files that are
// foreign by design, namely firmware (below a directory of that name), GRUB's
// modules and the kernel's 32-bit vDSO, and their debuginfo. An architecture
// that ELFTargets does not know is an error, never a pass.
func CheckELF(r io.ReaderAt, p *Package, limits Limits) error {
	if p.Source {
		return nil
	}
	want, known := ELFTargets()[p.Arch]
	if !known && p.Arch != "noarch" {
		return fmt.Errorf("rpmfile: check ELF files of %s: unknown architecture %q", p.NEVRA, p.Arch)
	}
	found := &ELFError{Package: p.NEVRA}
	err := WalkPayload(r, p, limits, func(f PayloadFile, content io.Reader) error {
		if f.Mode&modeType != modeRegular || foreignByDesign(f.Path) {
			return nil
		}
		return inspect(f, content, func(member string, got ELFTarget) error {
			if got.Machine == elf.EM_BPF || known && got == want {
				return nil
			}
			found.Mismatches = append(found.Mismatches, ELFMismatch{Path: f.Path, Member: member, Got: got})
			if len(found.Mismatches) == maxMismatches {
				return errEnough
			}
			return nil
		})
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if len(found.Mismatches) > 0 {
		return found
	}
	return nil
}

func foreignByDesign(path string) bool {
	path = strings.TrimPrefix(path, "/usr/lib/debug")
	module := strings.TrimPrefix(path, "/usr")
	return strings.Contains(path, "/firmware/") || strings.HasPrefix(path, "/usr/lib/grub/") ||
		strings.HasPrefix(module, "/lib/modules/") && strings.Contains(module, "/vdso/")
}

const (
	elfPrefix   = 20 // e_ident, e_type, e_machine
	arMagic     = "!<arch>\n"
	arHeader    = 60
	arSizeField = 48
)

// inspect calls report for content if it is an ELF file, or for each ELF member
// if it is a static archive.
func inspect(f PayloadFile, content io.Reader, report func(member string, got ELFTarget) error) error {
	var head [elfPrefix]byte
	if !readHead(content, head[:len(arMagic)]) {
		return nil
	}
	if string(head[:len(arMagic)]) == arMagic {
		return inspectArchive(f, content, report)
	}
	if !readHead(content, head[len(arMagic):]) {
		return nil
	}
	if got, ok := elfTarget(head); ok {
		return report("", got)
	}
	return nil
}

// inspectArchive walks the members of a static archive. Files that merely look
// like one end the walk without complaint: they are no binaries.
func inspectArchive(f PayloadFile, content io.Reader, report func(member string, got ELFTarget) error) error {
	for {
		var h [arHeader]byte
		if !readHead(content, h[:]) || string(h[arHeader-2:]) != "`\n" {
			return nil
		}
		size := arSize(h)
		if size < 0 || size > f.Size {
			return nil
		}
		rest := size + size&1 // members begin at even offsets
		if size >= elfPrefix {
			var head [elfPrefix]byte
			if !readHead(content, head[:]) {
				return nil
			}
			rest -= elfPrefix
			if got, ok := elfTarget(head); ok {
				name := strings.TrimRight(string(h[:16]), " /")
				if err := report(name, got); err != nil {
					return err
				}
			}
		}
		if n, _ := io.CopyN(io.Discard, content, rest); n < rest {
			return nil
		}
	}
}

// arSize is the size of an archive member, or -1 where the field is no number.
func arSize(h [arHeader]byte) int64 {
	size, err := strconv.ParseUint(strings.TrimSpace(string(h[arSizeField:arSizeField+10])), 10, 62)
	if err != nil {
		return -1
	}
	return int64(size)
}

// readHead fills b from content, or says that content is too short. A payload
// that breaks off is found by the walk that goes on after it.
func readHead(content io.Reader, b []byte) bool {
	_, err := io.ReadFull(content, b)
	return err == nil
}

func elfTarget(head [elfPrefix]byte) (ELFTarget, bool) {
	if string(head[:4]) != elf.ELFMAG {
		return ELFTarget{}, false
	}
	t := ELFTarget{Class: elf.Class(head[elf.EI_CLASS]), Data: elf.Data(head[elf.EI_DATA])}
	order := binary.ByteOrder(binary.LittleEndian)
	if t.Data == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	t.Machine = elf.Machine(order.Uint16(head[18:]))
	return t, true
}
