package tagview

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
)

// Group is a comps group as a tag has it.
type Group struct {
	ID      int64  `json:"group_id"`
	Name    string `json:"name"`
	TagID   int64  `json:"tag_id"`
	Tag     string `json:"tag_name"`
	Blocked bool   `json:"blocked"`
	GroupConfig
	Packages []GroupPackage `json:"packagelist"`
	Requires []GroupRequire `json:"grouplist"`
}

// GroupConfig is what a group is, apart from what is in it. Fields may be nil,
// as in Koji.
type GroupConfig struct {
	DisplayName *string `json:"display_name"`
	IsDefault   *bool   `json:"is_default"`
	UserVisible *bool   `json:"uservisible"`
	Exported    *bool   `json:"exported"`
	LangOnly    *string `json:"langonly"`
	BiarchOnly  *bool   `json:"biarchonly"`
	Description *string `json:"description"`
}

// GroupPackage is a package of a group.
type GroupPackage struct {
	Package string `json:"package"`
	TagID   int64  `json:"tag_id"`
	Tag     string `json:"tag_name"`
	Blocked bool   `json:"blocked"`
	GroupPackageConfig
}

// GroupPackageConfig says how a package belongs to its group.
type GroupPackageConfig struct {
	// Type is mandatory, default, optional or conditional.
	Type         *string `json:"type"`
	BaseArchOnly *bool   `json:"basearchonly"`
	// Requires is what a conditional package waits for.
	Requires *string `json:"requires"`
}

// GroupRequire is a group that another one needs.
type GroupRequire struct {
	ReqID   int64   `json:"req_id"`
	Name    string  `json:"name"`
	TagID   int64   `json:"tag_id"`
	Tag     string  `json:"tag_name"`
	Blocked bool    `json:"blocked"`
	Type    *string `json:"type"`
	MetaPkg bool    `json:"is_metapkg"`
}

// Groups returns the groups of a tag by name, with what nearer tags block left
// out. Groups, their packages and their requirements inherit independently of
// one another, the first of each in the order of the walk; filters and noconfig
// do not touch them (Koji's readTagGroups).
func (r Reader) Groups(ctx context.Context, tagID int64, inherit bool) ([]Group, error) {
	all, err := r.AllGroups(ctx, tagID, inherit)
	if err != nil {
		return nil, err
	}
	groups := []Group{}
	for _, g := range all {
		if g.Blocked {
			continue
		}
		g.Packages = slices.DeleteFunc(g.Packages, func(p GroupPackage) bool { return p.Blocked })
		g.Requires = slices.DeleteFunc(g.Requires, func(q GroupRequire) bool { return q.Blocked })
		groups = append(groups, g)
	}
	return groups, nil
}

// AllGroups is Groups with the blocked entries. A blocked group is empty, and no
// group requires it.
func (r Reader) AllGroups(ctx context.Context, tagID int64, inherit bool) ([]Group, error) {
	var steps []Step
	if inherit {
		var err error
		if steps, err = r.Inheritance(ctx, tagID); err != nil {
			return nil, err
		}
	}
	ids := distinct(chain(tagID, steps))
	found := groupFinder{groups: map[int64]*Group{}}
	if err := found.readGroups(ctx, r, ids); err != nil {
		return nil, fmt.Errorf("tagview: read groups: %w", err)
	}
	if err := found.readPackages(ctx, r, ids); err != nil {
		return nil, fmt.Errorf("tagview: read packages of groups: %w", err)
	}
	if err := found.readRequires(ctx, r, ids); err != nil {
		return nil, fmt.Errorf("tagview: read requirements of groups: %w", err)
	}
	groups := []Group{}
	for g := range maps.Values(found.groups) {
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(a, b Group) int { return cmp.Compare(a.Name, b.Name) })
	return groups, nil
}

// groupFinder gathers groups; what it reads comes in the order of the chain.
type groupFinder struct{ groups map[int64]*Group }

// inChain selects the rows of a table valid in the tags of a chain, nearest
// first; the chain is the first parameter.
func (r Reader) inChain(table string) string {
	return table + ` r join tags t on t.id = r.tag_id
		join unnest($1::bigint[]) with ordinality as x (tag_id, position) on x.tag_id = r.tag_id
		join groups g on g.id = r.group_id where ` + r.At.valid("r") + ` order by x.position`
}

func (f groupFinder) readGroups(ctx context.Context, r Reader, ids []int64) error {
	type row struct {
		ID      int64
		Name    string
		TagID   int64
		Tag     string
		Blocked bool
		GroupConfig
	}
	list, err := query[row](ctx, r, `select g.id, g.name, t.id, t.name, r.blocked,
		r.display_name, r.is_default, r.uservisible, r.exported, r.langonly, r.biarchonly, r.description from `+r.inChain("group_config"), ids)
	for _, g := range list {
		if f.groups[g.ID] == nil {
			f.groups[g.ID] = &Group{
				ID: g.ID, Name: g.Name, TagID: g.TagID, Tag: g.Tag, Blocked: g.Blocked, GroupConfig: g.GroupConfig,
				Packages: []GroupPackage{}, Requires: []GroupRequire{},
			}
		}
	}
	return err
}

func (f groupFinder) readPackages(ctx context.Context, r Reader, ids []int64) error {
	type row struct {
		GroupID int64
		GroupPackage
	}
	type key struct {
		group int64
		name  string
	}
	list, err := query[row](ctx, r, `select g.id, r.package, t.id, t.name, r.blocked, r.type, r.basearchonly, r.requires from `+
		r.inChain("group_package_listing"), ids)
	seen := map[key]bool{}
	for _, p := range list {
		group := f.groups[p.GroupID]
		if k := (key{p.GroupID, p.Package}); group != nil && !group.Blocked && !seen[k] {
			seen[k] = true
			group.Packages = append(group.Packages, p.GroupPackage)
		}
	}
	for _, group := range f.groups {
		slices.SortFunc(group.Packages, func(a, b GroupPackage) int { return cmp.Compare(a.Package, b.Package) })
	}
	return err
}

func (f groupFinder) readRequires(ctx context.Context, r Reader, ids []int64) error {
	type row struct {
		GroupID, ReqID int64
		Name           string
		TagID          int64
		Tag            string
		Blocked        bool
		Type           *string
		MetaPkg        bool
	}
	list, err := query[row](ctx, r, `select g.id, r.req_id, (select name from groups where id = r.req_id), t.id, t.name, r.blocked, r.type, r.is_metapkg from `+
		r.inChain("group_req_listing"), ids)
	seen := map[[2]int64]bool{}
	for _, q := range list {
		group, required := f.groups[q.GroupID], f.groups[q.ReqID]
		if group == nil || group.Blocked || required == nil || required.Blocked {
			continue
		}
		if k := [2]int64{q.GroupID, q.ReqID}; !seen[k] {
			seen[k] = true
			group.Requires = append(group.Requires, GroupRequire{q.ReqID, q.Name, q.TagID, q.Tag, q.Blocked, q.Type, q.MetaPkg})
		}
	}
	for _, group := range f.groups {
		slices.SortFunc(group.Requires, func(a, b GroupRequire) int { return cmp.Compare(a.Name, b.Name) })
	}
	return err
}
