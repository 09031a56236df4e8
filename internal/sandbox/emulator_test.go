package sandbox

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// emulator builds a program that prints its arguments, as an emulator of
// SPARC, which this is not.
func emulator(t *testing.T) Emulator {
	t.Helper()
	path := filepath.Join(t.TempDir(), "emulator")
	build := exec.CommandContext(testContext(t), "go", "build", "-o", path, "./testdata/emulator")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return Emulator{Path: path, Machine: elf.EM_SPARCV9, Class: elf.ELFCLASS64, Data: elf.ELFDATA2MSB}
}

// foreign is the beginning of an executable of a machine.
func foreign(machine elf.Machine, kind elf.Type, order binary.ByteOrder, data elf.Data) []byte {
	text := make([]byte, 64)
	copy(text, elf.ELFMAG)
	text[elf.EI_CLASS], text[elf.EI_DATA], text[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(data), byte(elf.EV_CURRENT)
	order.PutUint16(text[16:], uint16(kind))
	order.PutUint16(text[18:], uint16(machine))
	return text
}

// registrations lists what the host's binfmt_misc knows.
func registrations(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/sys/fs/binfmt_misc")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestEmulators(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	e := emulator(t)
	before := registrations(t)
	fixed, relocatable := foreign(elf.EM_SPARCV9, elf.ET_EXEC, binary.BigEndian, e.Data), foreign(elf.EM_SPARCV9, elf.ET_DYN, binary.BigEndian, e.Data)
	with := func(spec Spec, emulators ...Emulator) Spec {
		spec.Emulators = emulators
		for name, text := range map[string][]byte{
			"/fixed": fixed, "/relocatable": relocatable,
			"/other": foreign(elf.EM_AARCH64, elf.ET_EXEC, binary.LittleEndian, elf.ELFDATA2LSB),
		} {
			spec.Mounts = append(spec.Mounts, Mount{Type: TypeFile, Target: name, Data: text, Mode: 0o755})
		}
		return spec
	}

	t.Run("Programs of the machine are run by its emulator, which is nowhere to be seen", func(t *testing.T) {
		t.Parallel()
		for _, program := range []string{"/fixed", "/relocatable"} {
			got, _ := output(t, r, with(hostSpec(program, "one", "two"), e))
			if want := fmt.Sprintf("[%q %q \"one\" \"two\"]", program, program); got != want {
				t.Errorf("the emulator was asked to run %s, want %s", got, want)
			}
		}
		if got, result := output(t, r, with(hostSpec("/bin/ls", e.Path), e)); result.ExitCode == 0 {
			t.Errorf("the emulator is visible: %s", got)
		}
	})
	t.Run("The program's own name is kept", func(t *testing.T) {
		t.Parallel()
		got, _ := output(t, r, with(hostSpec("/bin/bash", "-c", "exec -a called /fixed one"), e))
		if want := `["/fixed" "called" "one"]`; got != want {
			t.Errorf("the emulator was asked to run %s, want %s", got, want)
		}
	})
	t.Run("Other machines are not emulated", func(t *testing.T) {
		t.Parallel()
		_, err := r.Run(testContext(t), with(hostSpec("/other"), e))
		if !errors.Is(err, syscall.ENOEXEC) {
			t.Errorf("got %v, want ENOEXEC", err)
		}
	})
	t.Run("Another sandbox has no emulator", func(t *testing.T) {
		t.Parallel()
		_, err := r.Run(testContext(t), with(hostSpec("/fixed")))
		if !errors.Is(err, syscall.ENOEXEC) {
			t.Errorf("got %v, want ENOEXEC", err)
		}
	})
	t.Run("Root inside can register nothing", func(t *testing.T) {
		t.Parallel()
		spec := with(shell(`for f in /proc/sys/fs/binfmt_misc/register /proc/1/fd/*/register; do
				echo ':mine:M::mine::/bin/sh:' > $f && echo registered in $f
			done
			mount -t binfmt_misc none /tmp && echo mounted
			echo over`), e)
		spec.UID, spec.GID = 0, 0
		if got, _ := output(t, r, spec); !strings.HasSuffix(got, "over") || strings.Contains(got, "registered") || strings.Contains(got, "mounted") {
			t.Errorf("output %q", got)
		}
	})
	t.Run("An emulator that is not there is named", func(t *testing.T) {
		t.Parallel()
		gone := e
		gone.Path += "-gone"
		if err := r.TryEmulators(testContext(t), gone); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), gone.Path) {
			t.Errorf("got %v", err)
		}
		if err := r.TryEmulators(testContext(t), e); err != nil {
			t.Errorf("got %v of one that is there", err)
		}
	})
	t.Cleanup(func() {
		if diff := cmp.Diff(before, registrations(t)); diff != "" {
			t.Errorf("the host's registrations changed (-before +after):\n%s", diff)
		}
		path := filepath.Join(t.TempDir(), "fixed")
		if err := os.WriteFile(path, fixed, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := exec.Command(path).Run(); !errors.Is(err, syscall.ENOEXEC) {
			t.Errorf("outside of sandboxes: %v, want ENOEXEC", err)
		}
	})
}

func TestEmulatorsOfNonsense(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	good := Emulator{Path: "/usr/bin/emulator", Machine: elf.EM_S390, Class: elf.ELFCLASS64, Data: elf.ELFDATA2MSB}
	for name, change := range map[string]func(*Emulator){
		"a relative path": func(e *Emulator) { e.Path = "emulator" },
		"no machine":      func(e *Emulator) { e.Machine = 0 },
		"no word size":    func(e *Emulator) { e.Class = 0 },
		"no byte order":   func(e *Emulator) { e.Data = 7 },
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			t.Parallel()
			e := good
			change(&e)
			if err := r.TryEmulators(testContext(t), e); !errors.Is(err, ErrSpec) {
				t.Errorf("got %v, want ErrSpec", err)
			}
		})
	}
}

// TestRegistrationsAreThoseOfQEMU compares with what QEMU's own configuration
// (scripts/qemu-binfmt-conf.sh) registers.
func TestRegistrationsAreThoseOfQEMU(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		emulator    Emulator
		magic, mask string
	}{
		"aarch64": {
			Emulator{Machine: elf.EM_AARCH64, Class: elf.ELFCLASS64, Data: elf.ELFDATA2LSB},
			`\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`,
			`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`,
		},
		"s390x": {
			Emulator{Machine: elf.EM_S390, Class: elf.ELFCLASS64, Data: elf.ELFDATA2MSB},
			`\x7f\x45\x4c\x46\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x16`,
			`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fields := strings.Split(test.emulator.registration("/proc/self/fd/9"), ":")
			if diff := cmp.Diff([]string{"M", "0", test.magic, test.mask, "/proc/self/fd/9", "POF"}, fields[2:]); diff != "" {
				t.Errorf("registration (-want +got):\n%s", diff)
			}
		})
	}
}
