package rootfs

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/sandbox"
)

// machine is how this host runs what a root of an architecture holds.
type machine struct {
	// arch is the architecture's name to dnf; empty for the host's own.
	arch string
	// emulator is nil where the processor runs it by itself.
	emulator *sandbox.Emulator
	// linux32 says that the kernel must be asked to be a 32-bit one.
	linux32 bool
}

// prepare lets a run have the machine's programs.
func (m machine) prepare(spec *sandbox.Spec) {
	spec.Linux32 = m.linux32
	if m.emulator != nil {
		spec.Emulators = []sandbox.Emulator{*m.emulator}
	}
}

// dnfOptions make the host's dnf install for the machine.
func (m machine) dnfOptions() []string {
	if m.arch == "" {
		return nil
	}
	return []string{"--forcearch=" + m.arch}
}

// own are the machines that this host is without an emulator.
func own() map[string]machine {
	machines := map[string]machine{arch.Host(): {}}
	if arch.Host() == "x86_64" {
		for _, name := range []string{"i386", "i486", "i586", "i686"} {
			machines[name] = machine{arch: name, linux32: true}
		}
	}
	return machines
}

// qemuNames are the names of QEMU's emulators by RPM's of architectures, where
// they are others.
func qemuNames() map[string]string {
	return map[string]string{
		"i386": "i386", "i486": "i386", "i586": "i386", "i686": "i386", "armv7hl": "arm", "armv7l": "arm",
		"x86_64_v2": "x86_64", "x86_64_v3": "x86_64", "x86_64_v4": "x86_64", // on other machines
	}
}

// emulatorDir is where Debian and Fedora install QEMU's static emulators.
const emulatorDir = "/usr/bin"

// emulatedMachine finds the emulator of an architecture in dir.
func emulatedMachine(dir, name string) (machine, error) {
	target, known := rpmfile.ELFTargets()[name]
	if !known {
		known := slices.Sorted(maps.Keys(rpmfile.ELFTargets()))
		return machine{}, fmt.Errorf("rootfs: %s can't be emulated: it is none of %v", name, known)
	}
	qemu, renamed := qemuNames()[name]
	if !renamed {
		qemu = name
	}
	path := filepath.Join(dir, "qemu-"+qemu+"-static")
	file, err := elf.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return machine{}, fmt.Errorf("rootfs: %s can't be emulated: there is no %s: install the package qemu-user-static (Fedora: qemu-user-static-%s)", name, path, qemu)
	}
	if err != nil {
		return machine{}, fmt.Errorf("rootfs: %s can't be emulated: read %s: %w", name, path, err)
	}
	defer file.Close()
	if slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return machine{}, fmt.Errorf("rootfs: %s can't be emulated: %s is not linked statically: it would miss its libraries in buildroots", name, path)
	}
	return machine{arch: name, emulator: &sandbox.Emulator{
		Path: path, Machine: target.Machine, Class: target.Class, Data: target.Data,
	}}, nil
}

// Emulatable lists the architectures, by RPM's names and in their order, that
// runner's sandboxes could emulate with what is installed on this host, and says
// for each of the others why not.
func Emulatable(ctx context.Context, runner *sandbox.Runner) (can []string, why map[string]error) {
	why = map[string]error{}
	for name, target := range rpmfile.ELFTargets() {
		if _, native := own()[name]; native || target == rpmfile.ELFTargets()[arch.Host()] {
			continue
		}
		if _, err := tryMachine(ctx, runner, emulatorDir, name); err != nil {
			why[name] = err
			continue
		}
		can = append(can, name)
	}
	slices.Sort(can)
	return can, why
}

func tryMachine(ctx context.Context, runner *sandbox.Runner, dir, name string) (machine, error) {
	m, err := emulatedMachine(dir, name)
	if err != nil {
		return m, err
	}
	if err := runner.TryEmulators(ctx, *m.emulator); err != nil {
		return m, fmt.Errorf("rootfs: %s can't be emulated: %w", name, err)
	}
	return m, nil
}

// findMachines finds what config lets this host build for.
func findMachines(ctx context.Context, config Config) (map[string]machine, error) {
	machines := own()
	for _, name := range config.Emulate {
		_, here := machines[name]
		// An emulator of the host's own machine would run the host's own
		// programs too.
		if target, known := rpmfile.ELFTargets()[name]; here || known && target == rpmfile.ELFTargets()[arch.Host()] {
			return nil, fmt.Errorf("rootfs: %s needs no emulator on this host, or is named twice", name)
		}
		m, err := tryMachine(ctx, config.Runner, config.Emulators, name)
		if err != nil {
			return nil, err
		}
		machines[name] = m
	}
	return machines, nil
}
