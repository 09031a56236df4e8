package tagview

import (
	"context"
	"fmt"
)

// Precedence returns all builds of some packages that a tag has, inherited ones
// included, by package: the latest first, then the one that would be the latest
// without it, and so on, each once. A package that the tag does not list, or
// blocks, has none.
func (r Reader) Precedence(ctx context.Context, tagID int64, packageIDs []int64) (map[int64][]int64, error) {
	steps, err := r.Inheritance(ctx, tagID)
	if err != nil {
		return nil, err
	}
	allowed, err := r.allowed(ctx, tagID, steps, 0)
	if err != nil {
		return nil, err
	}
	tags := distinct(chain(tagID, steps))
	where := ofTags("tb", tags, 0)
	where.add("tb.package_id = any (?::bigint[])", packageIDs)
	where.add("b.state = ?", stateComplete)
	found := map[int64][]tagging{}
	var t tagging
	err = r.each(ctx, []any{&t.tag, &t.pkg, &t.build}, func() {
		found[t.tag] = append(found[t.tag], t)
	}, `select tb.tag_id, tb.package_id, tb.build_id from tag_builds tb join builds b on b.id = tb.build_id
		where `+r.At.valid("tb")+where.sql+` order by tb.create_event desc, tb.build_id desc`, where.args...)
	if err != nil {
		return nil, fmt.Errorf("tagview: read tagged builds: %w", err)
	}
	order, seen := map[int64][]int64{}, map[int64]bool{}
	for _, t := range pick(tags, found, allowed, 0) {
		if !seen[t.build] { // It may be tagged into several tags of the walk.
			seen[t.build] = true
			order[t.pkg] = append(order[t.pkg], t.build)
		}
	}
	return order, nil
}
