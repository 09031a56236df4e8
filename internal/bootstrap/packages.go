package bootstrap

// Names of the two RPMs that come from no Debian package.
const (
	filesystemName = "distbot-filesystem"
	macrosName     = "distbot-rpm-macros"
)

// DefaultPackages returns the Debian packages that, with all they depend on,
// make a build root for C and C++ with debug packages: what Fedora's
// buildsys-build group names, by Debian's names, and the compilers.
func DefaultPackages() []string {
	return append(baseSystem(), "autoconf", "automake", "g++", "gcc", "libc6-dev", "libtool", "m4", "perl", "python3-minimal", "zlib1g-dev")
}

// baseSystem is Fedora's buildsys-build group by Debian's names, and the
// programs rpmbuild runs.
func baseSystem() []string {
	return []string{
		"base-files", "bash", "bzip2", "coreutils", "cpio", "debianutils", "debugedit", "diffutils", "elfutils", "file",
		"findutils", "gawk", "grep", "gzip", "hostname", "info", "libc-bin", "make", "ncurses-bin", "passwd", "patch",
		"pkgconf", "rpm", "sed", "tar", "unzip", "util-linux", "xz-utils", "zstd",
	}
}

// Group is a comps group: what an installation of @ID brings.
type Group struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Packages    []string `json:"packages"` // names of RPMs in the repository
}

// groups returns the comps groups, restricted to packages that have names in
// the set. `build` and `srpm-build` are the groups Koji installs (its tags name
// them so), `buildsys-build` is what mock asks of Fedora and EL.
func groups(inSet func(name string) bool) []Group {
	own := []string{filesystemName, macrosName}
	choose := func(lists ...[]string) []string {
		var names []string
		for _, list := range lists {
			for _, name := range list {
				if inSet(name) {
					names = append(names, name)
				}
			}
		}
		return names
	}
	compiler := []string{"gcc", "libc6-dev"}
	return []Group{
		{"build", "Build root with a C compiler", "What every build starts from; with gcc in it, most builds install little more.", choose(own, baseSystem(), compiler)},
		{"srpm-build", "Build root for source packages", "Evaluates specs and makes source packages.", choose(own, baseSystem())},
		{"buildsys-build", "Build root as mock names it", "The group `build` without a compiler, as in Fedora.", choose(own, baseSystem())},
	}
}
