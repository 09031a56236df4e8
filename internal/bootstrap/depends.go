package bootstrap

import (
	"maps"
	"slices"
	"strings"
)

// catalog knows which Debian packages and virtual names are in the set.
type catalog struct {
	packages map[string]control
	virtual  map[string]string // provided name → package, the first by name
}

func newCatalog(packages []control) catalog {
	c := catalog{packages: map[string]control{}, virtual: map[string]string{}}
	for _, p := range packages {
		c.packages[p.Name] = p
	}
	for _, name := range slices.Sorted(maps.Keys(c.packages)) {
		for _, r := range c.packages[name].Provides {
			if _, taken := c.virtual[r[0].Name]; !taken {
				c.virtual[r[0].Name] = name
			}
		}
	}
	return c
}

// requires turns Debian's dependencies into RPM's. apt has already chosen a set
// in which they hold, so each becomes the one alternative that is in the set;
// one that is not (apt was told to do without) is left out. Versions are kept
// only where a package goes with exactly one version of another: the rest
// would compare Debian's versions with those of packages built later.
//
// extra are names to require besides, if they are in the set.
func (c catalog) requires(p control, extra []string) []string {
	set := map[string]bool{}
	for _, name := range extra {
		if c.has(name) {
			set[name] = true
		}
	}
	for _, r := range p.Depends {
		if req := c.choose(r); req != "" && req != p.Name {
			set[req] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// has reports whether the repository will have an RPM of that name.
func (c catalog) has(name string) bool {
	_, ok := c.packages[name]
	return ok || name == filesystemName || name == macrosName
}

func (c catalog) choose(r relation) string {
	for _, a := range r {
		q, ok := c.packages[a.Name]
		if !ok {
			continue
		}
		if a.Op == "=" {
			if v, err := parseEVR(a.Version); err == nil && v == q.Version {
				return a.Name + " = " + v.String()
			}
		}
		return a.Name
	}
	for _, a := range r {
		if owner, ok := c.virtual[a.Name]; ok {
			return owner
		}
	}
	return ""
}

// provides gives a package its virtual Debian names and its Fedora names, the
// latter also with isa, as %{?_isa} writes it; isa is empty for noarch.
func (p control) provides(fedora []string, isa string) []string {
	set := map[string]bool{}
	for _, r := range p.Provides {
		if r[0].Name != p.Name {
			set[r[0].Name] = true
		}
	}
	for _, name := range fedora {
		if strings.ContainsRune(name, '(') {
			set[name] = true
			continue
		}
		set[name+" = "+p.Version.withoutEpoch()] = true
		if isa != "" {
			set[name+isa+" = "+p.Version.withoutEpoch()] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}
