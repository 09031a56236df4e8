package tagview

import (
	"context"
	"slices"
)

// Installed returns the packages that installing a group of a tag asks for, by
// name: the mandatory and default ones of the group and of all groups it
// requires, and the conditional ones whose condition is among them (comps
// groups, as dnf installs them). It is empty when the tag has no such group.
func (r Reader) Installed(ctx context.Context, tagID int64, group string) ([]string, error) {
	groups, err := r.Groups(ctx, tagID, true)
	if err != nil {
		return nil, err
	}
	byName := map[string]Group{}
	for _, g := range groups {
		byName[g.Name] = g
	}
	wanted, conditional := map[string]bool{}, []GroupPackage{}
	todo, done := []string{group}, map[string]bool{}
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if done[name] {
			continue
		}
		done[name] = true
		for _, p := range byName[name].Packages {
			switch {
			case p.Type == nil || *p.Type == "" || *p.Type == "mandatory" || *p.Type == "default":
				wanted[p.Package] = true
			case *p.Type == "conditional":
				conditional = append(conditional, p)
			}
		}
		for _, required := range byName[name].Requires {
			todo = append(todo, required.Name)
		}
	}
	names := []string{}
	for name := range wanted {
		names = append(names, name)
	}
	for _, p := range conditional {
		if p.Requires != nil && wanted[*p.Requires] && !wanted[p.Package] {
			names = append(names, p.Package)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
