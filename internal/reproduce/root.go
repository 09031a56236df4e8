package reproduce

import (
	"cmp"
	"io"
	"maps"
	"slices"

	"github.com/distbot/distbot/internal/rpmfile"
)

// Package is one package of a buildroot.
type Package struct {
	NEVRA string `json:"nevra"`
	// Digest is that of its header.
	Digest string `json:"digest"`
}

// RootDifference is how the packages of two buildroots differ.
type RootDifference struct {
	Added   []Package `json:"added"`
	Removed []Package `json:"removed"`
	Changed []Change  `json:"changed"`
}

// Change is a package, or several of one name and architecture, with another
// version or other bytes.
type Change struct {
	Name string `json:"name"`
	Arch string `json:"arch"`
	// Before and After are [EPOCH:]VERSION-RELEASE; equal for a package that was
	// built anew under the same name.
	Before string `json:"before"`
	After  string `json:"after"`
}

// Empty reports whether the buildroots held the same packages.
func (d RootDifference) Empty() bool { return len(d.Added)+len(d.Removed)+len(d.Changed) == 0 }

// key is what stays the same of a package from version to version.
type key struct{ name, arch string }

// Roots compares the packages of two buildroots. Packages whose NEVRA can't be
// read stand for themselves. All lists are in order, none is nil.
func Roots(before, after []Package) RootDifference {
	d := RootDifference{Added: []Package{}, Removed: []Package{}, Changed: []Change{}}
	old, now := byName(before), byName(after)
	keys := maps.Clone(old)
	maps.Copy(keys, now)
	for _, k := range slices.SortedFunc(maps.Keys(keys), func(a, b key) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.arch, b.arch)) }) {
		gone := without(old[k], now[k])
		come := without(now[k], old[k])
		for len(gone) > 0 && len(come) > 0 {
			d.Changed = append(d.Changed, Change{Name: k.name, Arch: k.arch, Before: evr(gone[0]), After: evr(come[0])})
			gone, come = gone[1:], come[1:]
		}
		d.Removed, d.Added = append(d.Removed, gone...), append(d.Added, come...)
	}
	return d
}

func byName(list []Package) map[key][]Package {
	named := map[key][]Package{}
	for _, p := range list {
		k := key{name: p.NEVRA}
		if nevra, err := rpmfile.ParseNEVRA(p.NEVRA); err == nil {
			k = key{nevra.Name, nevra.Arch}
		}
		named[k] = append(named[k], p)
	}
	return named
}

// without returns what of a list is not in another one.
func without(list, other []Package) []Package {
	var left []Package
	for _, p := range list {
		if !slices.Contains(other, p) {
			left = append(left, p)
		}
	}
	return left
}

func evr(p Package) string {
	nevra, err := rpmfile.ParseNEVRA(p.NEVRA)
	if err != nil {
		return p.NEVRA
	}
	return nevra.EVR()
}

func (d RootDifference) print(w io.Writer) {
	for _, p := range d.Added {
		say(w, "    added %s\n", p.NEVRA)
	}
	for _, p := range d.Removed {
		say(w, "    removed %s\n", p.NEVRA)
	}
	for _, c := range d.Changed {
		say(w, "    changed %s.%s: was %s, now %s\n", c.Name, c.Arch, c.Before, c.After)
	}
}
