package repomd

import (
	"strings"

	"github.com/distbot/distbot/internal/rpmfile"
)

// publishable leaves out what createrepo_c does from every kind of dependency:
// those without a name and those whose epoch is not a number.
func publishable(deps []rpmfile.Dependency) []rpmfile.Dependency {
	keep := make([]rpmfile.Dependency, 0, len(deps))
	for _, d := range deps {
		if validDependency(d) {
			keep = append(keep, d)
		}
	}
	return keep
}

func validDependency(d rpmfile.Dependency) bool {
	return d.Name != "" && (d.EVR == "" || d.Epoch != "")
}

// publishableRequires applies createrepo_c's rules for requirements
// (cr_package_from_header): no rpmlib() features; nothing the package provides
// itself in the same words; none of its own files that primary.xml lists; of
// the same requirement in a row of that name only the first; of all versions of
// libc.so.6 only the highest, at the end. Requirements that may go unmet
// (RPMSENSE_MISSINGOK, how old rpm spelled it) come back as recommendations.
func publishableRequires(p *rpmfile.Package) (requires, recommends []rpmfile.Dependency) {
	provided := make(map[string]bool, len(p.Provides))
	for _, d := range p.Provides {
		if d.EVR == "" || d.Epoch != "" {
			provided[inWords(d)] = true
		}
	}
	own := ownPrimaryFiles(p)
	last := make(map[string]rpmfile.Dependency, len(p.Requires))
	requires = make([]rpmfile.Dependency, 0, len(p.Requires))
	var libc *rpmfile.Dependency
	for i, d := range p.Requires {
		if strings.HasPrefix(d.Name, "rpmlib(") || own[d.Name] || provided[inWords(d)] || !validDependency(d) {
			continue
		}
		if before, ok := last[d.Name]; ok && before.Flags.Op() == d.Flags.Op() && before.EVR == d.EVR && before.Pre == d.Pre {
			continue
		}
		if d.Flags&rpmfile.FlagMissingOK != 0 {
			d.Pre = false
			recommends = append(recommends, d)
			continue
		}
		if strings.HasPrefix(d.Name, "libc.so.6") {
			if libc == nil || newerLibc(libc.Name, d.Name) {
				libc = &p.Requires[i]
			}
			continue
		}
		last[d.Name] = d
		requires = append(requires, d)
	}
	if libc != nil {
		requires = append(requires, *libc)
	}
	return requires, recommends
}

func inWords(d rpmfile.Dependency) string { return d.Name + d.Flags.Op() + d.EVR }

// ownPrimaryFiles are the paths among p's requirements that are files of p
// listed in primary.xml.
func ownPrimaryFiles(p *rpmfile.Package) map[string]bool {
	own := map[string]bool{}
	for _, d := range p.Requires {
		if strings.HasPrefix(d.Name, "/") && IsPrimary(d.Name) {
			own[d.Name] = false
		}
	}
	if len(own) == 0 {
		return own
	}
	for i := range p.Files {
		if _, wanted := own[p.Files[i].Path]; wanted {
			own[p.Files[i].Path] = true
		}
	}
	return own
}

// newerLibc says whether b names a higher version of libc.so.6 than a:
// "libc.so.6" < "libc.so.6()" < "libc.so.6(GLIBC_PRIVATE)" < "libc.so.6(GLIBC_2.4)".
func newerLibc(a, b string) bool {
	rankA, versionA := libcVersion(a)
	rankB, versionB := libcVersion(b)
	if rankA != rankB {
		return rankA < rankB
	}
	return rpmfile.CompareVersion(versionA, versionB) < 0
}

func libcVersion(name string) (rank int, version string) {
	_, rest, ok := strings.Cut(name, "(")
	if !ok {
		return 0, ""
	}
	symbol, _, ok := strings.Cut(rest, ")")
	if !ok {
		return 1, ""
	}
	if symbol == "" {
		return 2, ""
	}
	digit := strings.IndexAny(symbol, "0123456789")
	if digit < 0 {
		return 3, ""
	}
	return 4, symbol[digit:]
}
