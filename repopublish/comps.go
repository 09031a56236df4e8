package repopublish

import (
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/tagview"
)

// compsOf makes comps.xml of a tag's groups; nil for none. Groups hold what
// those they require hold, too, since dnf knows no group of groups (Koji's
// expand_groups).
func compsOf(groups []tagview.Group) ([]byte, error) {
	byName := map[string]tagview.Group{}
	for _, g := range groups {
		byName[g.Name] = g
	}
	var list []repomd.Group
	for _, g := range groups {
		// What is not marked otherwise is exported (Koji's default).
		if g.Exported != nil && !*g.Exported {
			continue
		}
		group := repomd.Group{
			ID: g.Name, Name: orElse(g.DisplayName, g.Name), Description: orElse(g.Description, ""),
			Default: orElse(g.IsDefault, false), UserVisible: orElse(g.UserVisible, true),
		}
		addPackages(&group, g, byName, map[string]bool{}, map[string]bool{})
		list = append(list, group)
	}
	if len(list) == 0 {
		return nil, nil
	}
	return repomd.Comps(list)
}

// addPackages adds the packages of a group and of those it requires, each once.
func addPackages(to *repomd.Group, from tagview.Group, byName map[string]tagview.Group, visited, added map[string]bool) {
	visited[from.Name] = true
	for _, p := range from.Packages {
		if added[p.Package] {
			continue
		}
		added[p.Package] = true
		req := repomd.GroupPackage{Name: p.Package, Type: packageType(p.Type)}
		if req.Type == repomd.Conditional {
			req.Requires = orElse(p.Requires, "")
		}
		to.Packages = append(to.Packages, req)
	}
	for _, required := range from.Requires {
		if group, ok := byName[required.Name]; ok && !visited[required.Name] {
			addPackages(to, group, byName, visited, added)
		}
	}
}

// packageType is a package's type; what comps.xml has no word for is mandatory.
func packageType(kind *string) repomd.PackageType {
	switch t := repomd.PackageType(orElse(kind, "")); t {
	case repomd.Default, repomd.Optional, repomd.Conditional:
		return t
	}
	return repomd.Mandatory
}

// orElse is a value, or another where it is nil.
func orElse[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}
