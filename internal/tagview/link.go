package tagview

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// Link is one link of inheritance.
type Link struct {
	ChildID      int64  `json:"child_id"`
	Child        string `json:"child"`
	ParentID     int64  `json:"parent_id"`
	Parent       string `json:"parent"`
	Priority     int32  `json:"priority"`
	MaxDepth     *int32 `json:"maxdepth"`
	Intransitive bool   `json:"intransitive"`
	NoConfig     bool   `json:"noconfig"`
	PkgFilter    string `json:"pkg_filter"`
}

const linkColumns = `i.tag_id, c.name, i.parent_id, p.name, i.priority, i.maxdepth, i.intransitive, i.noconfig, i.pkg_filter
	from tag_inheritance i join tags c on c.id = i.tag_id join tags p on p.id = i.parent_id`

// Parents returns a tag's own links in order of priority.
func (r Reader) Parents(ctx context.Context, tagID int64) ([]Link, error) {
	links, err := query[Link](ctx, r, "select "+linkColumns+" where "+r.At.valid("i")+" and i.tag_id = $1 order by i.priority, p.name", tagID)
	if err != nil {
		return nil, fmt.Errorf("tagview: read parents: %w", err)
	}
	return links, nil
}

// Graph holds the links one can reach from a tag, and walks them. Safe for
// concurrent use, it does not change.
type Graph struct {
	parents  map[int64][]Link // by child, in order of priority
	children map[int64][]Link // by parent, in order of priority
}

// NewGraph makes a graph of links. Children of equal priority, whose order
// Koji leaves open, are ordered by name.
func NewGraph(links []Link) Graph {
	g := Graph{parents: map[int64][]Link{}, children: map[int64][]Link{}}
	for _, link := range links {
		g.parents[link.ChildID] = append(g.parents[link.ChildID], link)
		g.children[link.ParentID] = append(g.children[link.ParentID], link)
	}
	for _, side := range []map[int64][]Link{g.parents, g.children} {
		for _, list := range side {
			slices.SortFunc(list, func(a, b Link) int {
				return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Parent, b.Parent), cmp.Compare(a.Child, b.Child))
			})
		}
	}
	return g
}

// Ancestry loads the links that lead from tags to all their ancestors.
func (r Reader) Ancestry(ctx context.Context, tagIDs ...int64) (Graph, error) {
	return r.reach(ctx, "parent_id", "tag_id", tagIDs)
}

// Progeny loads the links that lead from tags to all their descendants.
func (r Reader) Progeny(ctx context.Context, tagIDs ...int64) (Graph, error) {
	return r.reach(ctx, "tag_id", "parent_id", tagIDs)
}

// reach follows links from the column from to the column to.
func (r Reader) reach(ctx context.Context, to, from string, tagIDs []int64) (Graph, error) {
	links, err := query[Link](ctx, r, `with recursive reached (id) as (
			select unnest($1::bigint[])
			union
			select l.`+to+` from tag_inheritance l join reached on l.`+from+` = reached.id where `+r.At.valid("l")+`)
		select `+linkColumns+` join reached on i.`+from+` = reached.id where `+r.At.valid("i"), tagIDs)
	if err != nil {
		return Graph{}, fmt.Errorf("tagview: read inheritance: %w", err)
	}
	return NewGraph(links), nil
}

// Closure returns the ids of tags and of all tags the graph leads to from them
// or to them, in order.
func (g Graph) Closure(tagIDs ...int64) []int64 {
	ids := slices.Clone(tagIDs)
	for child := range g.parents {
		ids = append(ids, child)
	}
	for parent := range g.children {
		ids = append(ids, parent)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Children returns the links of those who inherit from a tag directly, in order
// of priority and name.
func (r Reader) Children(ctx context.Context, tagID int64) ([]Link, error) {
	links, err := query[Link](ctx, r, "select "+linkColumns+" where "+r.At.valid("i")+" and i.parent_id = $1 order by i.priority, c.name", tagID)
	if err != nil {
		return nil, fmt.Errorf("tagview: read children: %w", err)
	}
	return links, nil
}
