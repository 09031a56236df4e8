package sandbox

import (
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Emulator is a program that runs the programs of another machine, such as a
// user mode emulator of QEMU. The kernel starts it in place of every executable
// whose ELF header is of that kind, inside the sandbox and nowhere else: it is
// registered with a binfmt_misc of the sandbox's own user namespace
// (Documentation/admin-guide/binfmt-misc.rst; Linux 6.7 or newer). A sandbox
// with emulators knows none of the interpreters that its host has registered.
type Emulator struct {
	// Path is the emulator's absolute path, of the caller. It must be linked
	// statically: it is opened before the root is changed, and nothing beside
	// it can be seen inside.
	Path string
	// Machine, Class and Data are those of the executables' ELF header.
	Machine elf.Machine
	Class   elf.Class
	Data    elf.Data
}

func (e *Emulator) validate() error {
	if !filepath.IsAbs(e.Path) || hasNUL(e.Path) {
		return fmt.Errorf("path %q is not absolute", e.Path)
	}
	if e.Machine == elf.EM_NONE {
		return errors.New("machine is missing")
	}
	if e.Class != elf.ELFCLASS32 && e.Class != elf.ELFCLASS64 {
		return fmt.Errorf("%s is no word size", e.Class)
	}
	if e.Data != elf.ELFDATA2LSB && e.Data != elf.ELFDATA2MSB {
		return fmt.Errorf("%s is no byte order", e.Data)
	}
	return nil
}

// header is the beginning of an ELF executable of the emulator's machine, and
// which of its bits count (System V ABI, "ELF Header"): whatever operating
// system it names, and whether it is linked to a fixed address or not.
func (e *Emulator) header() (magic, mask []byte) {
	var order binary.AppendByteOrder = binary.LittleEndian
	if e.Data == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	magic = append([]byte(elf.ELFMAG), byte(e.Class), byte(e.Data), byte(elf.EV_CURRENT))
	mask = []byte(strings.Repeat("\xff", len(magic)))
	magic = append(magic, make([]byte, elf.EI_NIDENT-len(magic))...)
	mask = append(mask, 0) // EI_OSABI
	mask = append(mask, []byte(strings.Repeat("\xff", elf.EI_NIDENT-len(mask)))...)
	// ET_EXEC is 2, ET_DYN 3.
	magic, mask = order.AppendUint16(magic, uint16(elf.ET_EXEC)), order.AppendUint16(mask, 0xfffe)
	return order.AppendUint16(magic, uint16(e.Machine)), order.AppendUint16(mask, 0xffff)
}

// registration is the line that binfmt_misc takes, for an emulator that is
// opened by path. Flags: P keeps the program's own argv[0], O passes it opened,
// F opens the emulator now and not when it is needed.
func (e *Emulator) registration(path string) string {
	magic, mask := e.header()
	return fmt.Sprintf(":machine-%d-%d:M:0:%s:%s:%s:POF", e.Machine, e.Data, escaped(magic), escaped(mask), path)
}

// escaped writes bytes as binfmt_misc reads them.
func escaped(bytes []byte) string {
	var text strings.Builder
	for _, b := range bytes {
		fmt.Fprintf(&text, `\x%02x`, b)
	}
	return text.String()
}

// emulatorRequest is an Emulator with its opened program.
type emulatorRequest struct {
	Emulator
	FD int
}

// registerEmulators gives the sandbox's user namespace a binfmt_misc of its own,
// which lives as long as the returned descriptor is open: it is mounted nowhere,
// so nothing inside can change it. It needs the old root.
func (b *builder) registerEmulators() (int, error) {
	if len(b.req.Emulators) == 0 {
		return -1, nil
	}
	mnt, err := newFS("binfmt_misc", plain|unix.MOUNT_ATTR_NOEXEC)
	switch {
	case errors.Is(err, unix.ENODEV):
		return -1, fmt.Errorf("%w (the kernel has no binfmt_misc: modprobe binfmt_misc, or CONFIG_BINFMT_MISC)", err)
	case errors.Is(err, unix.EPERM):
		return -1, fmt.Errorf("%w (user namespaces can have emulators of their own since Linux 6.7)", err)
	case err != nil:
		return -1, err
	}
	for _, e := range b.req.Emulators {
		if err := writeAt(mnt, "register", e.registration(fdPath(b.fds[e.FD]))); err != nil {
			unix.Close(mnt)
			return -1, fmt.Errorf("register %s: %w", e.Path, err)
		}
	}
	return mnt, nil
}

// TryEmulators finds out whether sandboxes of this host can have emulators, by
// registering them in one. It starts none of them.
func (r *Runner) TryEmulators(ctx context.Context, emulators ...Emulator) error {
	_, err := r.run(ctx, Spec{Root: Root{Tmpfs: 1 << 20}, Args: []string{"/nothing"}, Emulators: emulators}, true)
	return err
}
