package builders_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/google/rpmpack"

	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// RPM tags that rpmpack does not write by itself.
const (
	tagSourceRPM     = 1044
	tagExcludeArch   = 1059
	tagExclusiveArch = 1061
	tagBuildArchs    = 1089
	tagSourcePackage = 1106
)

// source makes the source package NAME-VERSION-1; arches are the values of its
// tag that chooses architectures.
func source(tb testing.TB, name, version string, tag int, arches ...string) []byte {
	tb.Helper()
	return rpmtest.Pack(tb, rpmpack.RPMMetaData{Name: name, Version: version, Release: "1", Arch: "x86_64"}, func(r *rpmpack.RPM) {
		r.AddCustomTag(tagSourcePackage, rpmpack.EntryUint32([]uint32{1}))
		if len(arches) > 0 {
			r.AddCustomTag(tag, rpmpack.EntryStringSlice(arches))
		}
	})
}

// packBinary makes the package NAME-VERSION-1.ARCH of a source package with one
// file in it.
func packBinary(tb testing.TB, name, version, arch, sourceRPM string, content []byte) []byte {
	tb.Helper()
	return rpmtest.Pack(tb, rpmpack.RPMMetaData{Name: name, Version: version, Release: "1", Arch: arch}, func(r *rpmpack.RPM) {
		r.AddCustomTag(tagSourceRPM, rpmpack.EntryString(sourceRPM))
		r.AddFile(rpmpack.RPMFile{Name: "/usr/bin/" + name, Body: content, Mode: 0o755})
	})
}

// sourceOf is what making the source package of commit n leaves.
func sourceOf(tb testing.TB, n int) files {
	tb.Helper()
	return files{fmt.Sprintf("hello-%d-1.src.rpm", n): source(tb, "hello", strconv.Itoa(n), 0)}
}

// packagesOf is what building commit n leaves, by architecture: a package with
// a program of the architecture.
func (in *installation) packagesOf(tb testing.TB, n int) map[string]files {
	tb.Helper()
	all := map[string]files{}
	for _, arch := range append([]string{"noarch"}, in.arches...) {
		all[arch] = files{fmt.Sprintf("hello-%d-1.%s.rpm", n, arch): hello(tb, n, arch, program(arch))}
	}
	return all
}

// hello makes the binary package of commit n.
func hello(tb testing.TB, n int, arch string, content []byte) []byte {
	tb.Helper()
	return packBinary(tb, "hello", strconv.Itoa(n), arch, fmt.Sprintf("hello-%d-1.src.rpm", n), content)
}

// program is the beginning of an ELF program of an architecture; for noarch it
// is a script.
func program(arch string) []byte {
	machine, ok := map[string]byte{"x86_64": 62, "aarch64": 183, "riscv64": 243}[arch]
	if !ok {
		return []byte("#!/bin/sh\n")
	}
	elf := make([]byte, 64)
	copy(elf, "\x7fELF\x02\x01\x01")
	elf[16], elf[18] = 2, machine
	return elf
}
