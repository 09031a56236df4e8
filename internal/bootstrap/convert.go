package bootstrap

import (
	"context"
	"fmt"
	"path"
	"strings"
)

// ldconfigTrigger runs ldconfig at the end of a transaction that brought
// libraries to %{_libdir}, as the trigger of Fedora's glibc does. Its failure
// (a foreign architecture without an emulator) must not fail the transaction.
const ldconfigTrigger = `
%transfiletriggerin -P 2000000 -- /usr/lib64
/usr/sbin/ldconfig || :

%transfiletriggerpostun -P 2000000 -- /usr/lib64
/usr/sbin/ldconfig || :
`

// readControl reads the control file of a package.
func readControl(ctx context.Context, t tools, d deb) (control, error) {
	out, err := t.output(ctx, "dpkg-deb", "--field", d.File)
	if err != nil {
		return control{}, fmt.Errorf("bootstrap: read control file of %s: %w", d.Name, err)
	}
	return parseControl(out)
}

// recipeFor says how the RPM of one Debian package is made.
func (r *run) recipeFor(t tools, c catalog, d deb, p control) recipe {
	isa := r.arch.isa
	if p.Arch == "all" {
		isa = ""
	}
	spec := rpmSpec{
		Name:        p.Name,
		EVR:         p.Version,
		Noarch:      p.Arch == "all",
		Summary:     p.Summary,
		URL:         p.Homepage,
		Provides:    p.provides(r.tables.fedoraNames(p.Name), isa),
		Requires:    c.requires(p, r.tables.fedoraRequires(p.Name)),
		RequiresPre: []string{filesystemName},
	}
	if p.Name == "libc-bin" {
		spec.Trailer = ldconfigTrigger
	}
	return recipe{
		spec:   spec,
		digest: d.SHA256,
		fill: func(ctx context.Context, tr *tree) error {
			if err := t.stream(ctx, tr.unpack, "dpkg-deb", "--fsys-tarfile", d.File); err != nil {
				return err
			}
			return tr.addAlternatives(r.tables.alternatives(p.Name))
		},
		finish: func(spec *rpmSpec, tr *tree) {
			spec.Files = filePatterns(tr, r.tables.shared())
			spec.Provides = append(spec.Provides, oldPaths(tr)...)
		},
	}
}

// addAlternatives adds links whose targets the package has and whose places
// are free: a later Debian may ship a link itself.
func (t *tree) addAlternatives(links []symlink) error {
	for _, l := range links {
		if _, taken := t.Files[l.Path]; taken {
			continue
		}
		if _, ok := t.Files[path.Join(path.Dir(l.Path), l.Target)]; !ok {
			return fmt.Errorf("add link /%s: the package has no %s", l.Path, l.Target)
		}
		if err := t.symlink(l.Path, l.Target); err != nil {
			return fmt.Errorf("add link /%s: %w", l.Path, err)
		}
	}
	return nil
}

// needsDebugHook reports whether the rpm of the build root is older than 4.20,
// the first to make debug packages without the distribution's help.
func needsDebugHook(c catalog) (bool, error) {
	rpm, ok := c.packages["rpm"]
	if !ok {
		return false, nil
	}
	var major, minor int
	if _, err := fmt.Sscanf(rpm.Version.Version, "%d.%d", &major, &minor); err != nil {
		return false, fmt.Errorf("bootstrap: read version %q of rpm: %w", rpm.Version.Version, err)
	}
	return major < 4 || (major == 4 && minor < 20), nil
}

// checkPackage refuses a package of another machine, which apt may choose on a
// host with several architectures, and one that is not what its file name says.
func checkPackage(d deb, c control, want architecture) error {
	if c.Arch != "all" && c.Arch != want.deb {
		return fmt.Errorf("bootstrap: check %s: it is for %s, not %s", d.Name, c.Arch, want.deb)
	}
	if !strings.HasPrefix(d.Name, c.Name+"_") {
		return fmt.Errorf("bootstrap: check %s: it holds package %s", d.Name, c.Name)
	}
	return nil
}
