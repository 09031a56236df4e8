package rootfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/drivertest"
)

func srpmOrder(order builders.Order, dir, spec string) builders.SRPMOrder {
	return builders.SRPMOrder{Order: order, SourceDir: dir, Spec: spec}
}

func TestOrdersThatCannotBeDone(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for _, test := range []struct {
		name   string
		change func(*builders.Recipe)
		reason string
	}{
		{"Another architecture", func(r *builders.Recipe) { r.Arch = "vax" }, "this host builds for " + hostArch() + ", the task is for vax, which it is not configured to emulate"},
		{"No packages", func(r *builders.Recipe) { r.Install = nil }, "tag f37-build names no packages for its buildroots"},
		{"An option as a package", func(r *builders.Recipe) { r.Install = []string{"--nobest"} }, `tag f37-build: "--nobest" is no name of a package`},
		{"Two repositories of one name", func(r *builders.Recipe) { r.Repos = append(r.Repos, r.Repos[0]) }, `tag f37-build: repositories need names of their own, "base" is not`},
		{"A relative repository", func(r *builders.Recipe) { r.Repos[0].URL = "file://base" }, "tag f37-build: the URL of repository base is neither file:///, http:// nor https://"},
		{"A macro that is none", func(r *builders.Recipe) { r.Macros = map[string]string{"a b": "c"} }, `tag f37-build: "a b" is no name of a macro`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			order := b.order(t, smallGroup)
			test.change(&order.Root)
			_, err := b.driver.SRPM(t.Context(), srpmOrder(order, t.TempDir(), "x.spec"))
			failure := drivertest.FailureOf(t, err)
			if failure.Reason != test.reason || failure.Infrastructure || failure.Phase != builders.PhaseBuildroot {
				t.Errorf("failure %+v, want %q", failure, test.reason)
			}
		})
	}
}

func TestEmulatorsThatCannotBeHad(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	empty, dynamic := t.TempDir(), t.TempDir()
	if err := os.Symlink("/usr/bin/env", filepath.Join(dynamic, "qemu-s390x-static")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, arch, dir, want string }{
		{"One that is not installed", "s390x", empty, "s390x can't be emulated: there is no " + empty + "/qemu-s390x-static: install the package qemu-user-static (Fedora: qemu-user-static-s390x)"},
		{"One with a name of its own", "armv7hl", empty, "/qemu-arm-static"},
		{"One that needs libraries", "s390x", dynamic, "is not linked statically"},
		{"A machine that nobody knows", "vax", empty, "vax can't be emulated: it is none of [aarch64 "},
		{"The host's own", hostArch(), empty, hostArch() + " needs no emulator on this host"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			config := b.driver.config
			config.Emulate, config.Emulators = []string{test.arch}, test.dir
			if _, err := New(config); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestFindDNF(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		files map[string]string // name and what it links to, empty for a file
		want  string
	}{
		{"Debian and EL", map[string]string{"dnf": "dnf-3", "dnf-3": ""}, "dnf-3"},
		{"Fedora 41 with dnf 4", map[string]string{"dnf": "dnf5", "dnf5": "", "dnf-3": ""}, "dnf-3"},
		{"Fedora 41", map[string]string{"dnf": "dnf5", "dnf5": ""}, ""},
		{"A dnf of one file", map[string]string{"dnf": ""}, "dnf"},
		{"Nothing", nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, target := range test.files {
				var err error
				if target == "" {
					err = os.WriteFile(filepath.Join(dir, name), nil, 0o755)
				} else {
					err = os.Symlink(target, filepath.Join(dir, name))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			got, err := findDNF(dir)
			if test.want == "" {
				if !errors.Is(err, errNoDNF) || !strings.Contains(err.Error(), "scripts/setup") {
					t.Errorf("got %q, %v, want that dnf is missing", got, err)
				}
				return
			}
			if err != nil || got != filepath.Join(dir, test.want) {
				t.Errorf("got %q, %v, want %s", got, err, test.want)
			}
		})
	}
}
