package main

// buildGroup is what every build starts from: Fedora's group buildsys-build
// and a C compiler. distbot bootstrap debian provides the same names.
var buildGroup = append(srpmGroup[:len(srpmGroup):len(srpmGroup)], "gcc", "glibc-devel", "pkgconf-pkg-config")

// srpmGroup is what evaluates specs.
var srpmGroup = []string{
	"bash", "bzip2", "coreutils", "cpio", "diffutils", "filesystem", "findutils", "gawk", "grep", "gzip", "info", "make", "patch",
	"redhat-rpm-config", "rpm-build", "sed", "shadow-utils", "system-release", "tar", "unzip", "util-linux", "which", "xz",
}
