//go:build e2e

package e2e_test

import (
	"fmt"
	"strings"
)

// evaluating is what a buildroot needs to evaluate specs; compiling is what C
// programs need besides.
const (
	evaluating = "bash, bzip2, coreutils, cpio, diffutils, filesystem, findutils, gawk, grep, gzip, info, make, patch, redhat-rpm-config, " +
		"rpm-build, sed, shadow-utils, system-release, tar, unzip, util-linux, which, xz"
	compiling = ", gcc, glibc-devel, pkgconf-pkg-config"
)

// target is a target of the distribution file, for the branch and with the
// destination tag of its name.
type target struct {
	name string
	// compiles says that its buildroots hold a C compiler.
	compiles bool
	// own says that what was built for it is found when more is built. Other
	// targets share a build tag, whose base root is installed once.
	own bool
}

// listed are the packages that the tests push: what is not listed in its
// destination is not built.
func listed() []string {
	names := []string{
		"again", "before", "bigbuild", "bigsource", "branches", "computed", "force", "forged", "libgreet", "neighbour", "nowhere", "offered", "offeredtwice",
		"refused", "tampered", "twice", "unheard", "unreadable", "usegreet", "waits",
	}
	names = append(names, farPackages()...)
	for i := range moments() {
		names = append(names, momentPackage(i))
	}
	for round := range randomRounds {
		names = append(names, randomPackage(round, 0), randomPackage(round, 1))
	}
	return names
}

// distro is the distribution file of some targets.
func distro(targets ...target) string {
	var tags, lists, all strings.Builder
	tag := func(name, inherit, build string) {
		fmt.Fprintf(&tags, "  %s:\n    inherit: [%s]\n    external_repos: [base]\n    groups:\n      build: [%s]\n      srpm-build: [%s]\n    extra: {rpm.macro.dist: .fc37}\n",
			name, inherit, build, evaluating)
	}
	tag("plain-build", "", evaluating)
	for _, t := range targets {
		buildTag, build := "plain-build", evaluating
		if t.compiles {
			build += compiling
		}
		if t.own || t.compiles {
			buildTag = t.name + "-build"
			tag(buildTag, t.name, build)
		}
		fmt.Fprintf(&tags, "  %s: {}\n", t.name)
		fmt.Fprintf(&lists, "  %s: [%s]\n", t.name, strings.Join(listed(), ", "))
		fmt.Fprintf(&all, "  %s: {build_tag: %s, dest_tag: %s, branches: [%s]}\n", t.name, buildTag, t.name, t.name)
	}
	return fmt.Sprintf("arches: [%s]\nexternal_repos:\n  base: {url: %q}\ntags:\n%spackages:\n%stargets:\n%signore_branches: [\"wip/**\"]\n",
		hostArch(), baseURL, tags.String(), lists.String(), all.String())
}
