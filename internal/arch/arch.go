// Package arch knows how RPM architectures relate: which machines build for
// which, and which repository a package of an architecture belongs to. It
// refuses to know packages and tags.
package arch

import (
	"path"
	"runtime"
)

// Noarch is the architecture of packages that run on all.
const Noarch = "noarch"

// Host is the architecture of this machine, by RPM's name.
func Host() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	case "386":
		return "i686"
	case "loong64":
		return "loongarch64"
	}
	return runtime.GOARCH
}

// Runs are the architectures whose programs a machine runs by itself, which is
// its own and, of some machines, 32-bit ones.
func Runs(machine string) []string {
	switch machine {
	case "x86_64":
		return []string{"x86_64", "i386", "i486", "i586", "i686"}
	case "aarch64":
		return []string{"aarch64", "armv7hl", "armv7l"}
	}
	return []string{machine}
}

// Canonical maps an architecture to the one whose machines build it: Koji's
// canonArch. What no rule names stands for itself.
func Canonical(arch string) string {
	for _, rule := range []struct{ glob, canonical string }{
		{"i?86", "i386"},
		{"athlon", "i386"},
		{"ia32e", "x86_64"},
		{"ppc64le", "ppc64le"},
		{"ppc64*", "ppc64"},
		{"sparc64*", "sparc64"},
		{"sparc*", "sparc"},
		{"alpha*", "alpha"},
		{"arm*h*", "armhfp"},
		{"arm*", "arm"},
	} {
		// The patterns are ours and well-formed.
		if ok, _ := path.Match(rule.glob, arch); ok {
			return rule.canonical
		}
	}
	return arch
}

// Serves reports whether packages of an architecture belong into the
// repository of another: noarch ones into all, others where the canonical
// architectures agree.
func Serves(repository, pkg string) bool {
	return pkg == Noarch || Canonical(repository) == Canonical(pkg)
}
