package bootstrap

import (
	"fmt"
	"sort"
	"strings"
)

// architecture names one machine as each tool calls it.
type architecture struct {
	rpm string // as in an RPM's file name and in `rpmbuild --target`
	deb string // as dpkg and apt call it
	isa string // what %{?_isa} becomes for it
}

// architectures lists what Debian and rpm both know and a builder may meet.
// The names are those of dpkg-architecture(1) and of rpm's rpmrc.
func architectures() []architecture {
	return []architecture{
		{"x86_64", "amd64", "(x86-64)"},
		{"aarch64", "arm64", "(aarch-64)"},
		{"i686", "i386", "(x86-32)"},
		{"riscv64", "riscv64", "(riscv-64)"},
		{"ppc64le", "ppc64el", "(ppc-64)"},
		{"s390x", "s390x", "(s390-64)"},
	}
}

// architectureByRPM finds the architecture that RPMs call name.
// It returns ErrUnknownArch, with the names that are known, for any other.
func architectureByRPM(name string) (architecture, error) {
	known := make([]string, 0, len(architectures()))
	for _, a := range architectures() {
		if a.rpm == name {
			return a, nil
		}
		known = append(known, a.rpm)
	}
	sort.Strings(known)
	return architecture{}, fmt.Errorf("bootstrap: choose architecture %q: %w (known: %s)", name, ErrUnknownArch, strings.Join(known, ", "))
}
