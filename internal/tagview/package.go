package tagview

import (
	"context"
	"fmt"
	"slices"
)

// Package is an entry of a package list.
type Package struct {
	ID   int64  `json:"package_id"`
	Name string `json:"package_name"`
	// TagID and Tag are the tag whose entry it is.
	TagID   int64  `json:"tag_id"`
	Tag     string `json:"tag_name"`
	OwnerID int64  `json:"owner_id"`
	Owner   string `json:"owner_name"`
	Blocked bool   `json:"blocked"`
	// ExtraArches are built for beside the build tag's.
	ExtraArches *string `json:"extra_arches"`
}

// PackageQuery selects entries of package lists.
type PackageQuery struct {
	// Inherit follows the tag's inheritance.
	Inherit bool
	// Dups returns every entry of the walk, not only the first of a package.
	Dups bool
	// PackageID is one package, 0 for all.
	PackageID int64
}

// Packages returns a tag's package list: its own entries, then those it
// inherits in the order of the walk. The first entry of a package counts,
// blocked ones too. Inherited entries must match all filters on their way, own
// ones are never filtered.
func (r Reader) Packages(ctx context.Context, tagID int64, q PackageQuery) ([]Package, error) {
	var steps []Step
	if q.Inherit {
		var err error
		if steps, err = r.Inheritance(ctx, tagID); err != nil {
			return nil, err
		}
	}
	byTag, err := r.packageEntries(ctx, distinct(chain(tagID, steps)), q.PackageID)
	if err != nil {
		return nil, err
	}
	return mergePackages(byTag, tagID, steps, q.Dups)
}

// packageEntries returns the entries of each tag by name. One without an owner
// is none (Koji's rule).
func (r Reader) packageEntries(ctx context.Context, tagIDs []int64, packageID int64) (map[int64][]Package, error) {
	where := ofTags("l", tagIDs, packageID)
	byTag := map[int64][]Package{}
	var e Package
	err := r.each(ctx, []any{&e.ID, &e.Name, &e.TagID, &e.Tag, &e.OwnerID, &e.Owner, &e.Blocked, &e.ExtraArches}, func() {
		byTag[e.TagID] = append(byTag[e.TagID], e)
	}, `select p.id, p.name, l.tag_id, t.name, u.id, u.name, l.blocked, l.extra_arches
		from tag_packages l
		join tag_package_owners o on o.tag_id = l.tag_id and o.package_id = l.package_id and `+r.At.valid("o")+`
		join packages p on p.id = l.package_id
		join tags t on t.id = l.tag_id
		join users u on u.id = o.owner_id
		where `+r.At.valid("l")+where.sql+`
		order by p.name collate "C"`, where.args...)
	if err != nil {
		return nil, fmt.Errorf("tagview: read package lists: %w", err)
	}
	return byTag, nil
}

func mergePackages(byTag map[int64][]Package, tagID int64, steps []Step, dups bool) ([]Package, error) {
	merged := append([]Package{}, byTag[tagID]...)
	seen := map[int64]bool{}
	for _, entry := range merged {
		seen[entry.ID] = true
	}
	match := filters{}
	for i, step := range steps {
		for _, entry := range byTag[step.ParentID] {
			if seen[entry.ID] && !dups {
				continue
			}
			stopped, err := match.pass(entry.Name, steps, i)
			if err != nil {
				return nil, err
			}
			if stopped == nil {
				seen[entry.ID] = true
				merged = append(merged, entry)
			}
		}
	}
	return merged, nil
}

// allowed says for each package that builds of it may appear in a tag: it is
// listed and not blocked there.
func (r Reader) allowed(ctx context.Context, tagID int64, steps []Step, packageID int64) (map[int64]bool, error) {
	type entry struct {
		pkg, tag int64
		name     string
		blocked  bool
	}
	// Names are read only if a filter asks for them.
	name, from := "''", ""
	if slices.ContainsFunc(steps, func(s Step) bool { return len(s.Filters) > 0 }) {
		name, from = "p.name", "join packages p on p.id = l.package_id"
	}
	where := ofTags("l", distinct(chain(tagID, steps)), packageID)
	byTag, count := map[int64][]entry{}, 0
	var e entry
	err := r.each(ctx, []any{&e.pkg, &e.tag, &e.name, &e.blocked}, func() {
		byTag[e.tag] = append(byTag[e.tag], e)
		count++
	}, `select l.package_id, l.tag_id, `+name+`, l.blocked
		from tag_packages l
		join tag_package_owners o on o.tag_id = l.tag_id and o.package_id = l.package_id and `+r.At.valid("o")+`
		`+from+`
		where `+r.At.valid("l")+where.sql, where.args...)
	if err != nil {
		return nil, fmt.Errorf("tagview: read package lists: %w", err)
	}
	allowed := make(map[int64]bool, count)
	for _, e := range byTag[tagID] {
		allowed[e.pkg] = !e.blocked
	}
	match := filters{}
	for i, step := range steps {
		for _, e := range byTag[step.ParentID] {
			if _, seen := allowed[e.pkg]; seen {
				continue
			}
			stopped, err := match.pass(e.name, steps, i)
			if err != nil {
				return nil, err
			}
			if stopped == nil {
				allowed[e.pkg] = !e.blocked
			}
		}
	}
	return allowed, nil
}
