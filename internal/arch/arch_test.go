package arch

import (
	"slices"
	"testing"
)

func TestCanonical(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"i386": "i386", "i686": "i386", "athlon": "i386", "x86_64": "x86_64", "ia32e": "x86_64", "ppc64": "ppc64", "ppc64p7": "ppc64",
		"ppc64le": "ppc64le", "armv7hl": "armhfp", "armv5tel": "arm", "aarch64": "aarch64", "riscv64": "riscv64", "noarch": "noarch", "": "",
		"sparc64v": "sparc64", "sparcv9": "sparc", "alphaev6": "alpha",
	} {
		if got := Canonical(in); got != want {
			t.Errorf("Canonical(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestServes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		repository, pkg string
		want            bool
	}{
		{"x86_64", "noarch", true},
		{"x86_64", "x86_64", true},
		{"x86_64", "i686", false},
		{"i386", "i686", true},
		{"riscv64", "x86_64", false},
		{"armhfp", "armv7hl", true},
	} {
		if got := Serves(test.repository, test.pkg); got != test.want {
			t.Errorf("Serves(%s, %s) = %v, want %v", test.repository, test.pkg, got, test.want)
		}
	}
}

func TestRuns(t *testing.T) {
	t.Parallel()
	for machine, also := range map[string]string{"x86_64": "i686", "aarch64": "armv7hl", "riscv64": "riscv64"} {
		if runs := Runs(machine); !slices.Contains(runs, machine) || !slices.Contains(runs, also) || slices.Contains(runs, "s390x") {
			t.Errorf("Runs(%s) = %v, want itself and %s in it", machine, runs, also)
		}
	}
}
