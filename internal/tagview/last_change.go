package tagview

import (
	"context"
	"fmt"
	"strings"
)

// changeTables are the tables whose changes change a tag's repository. Owners
// are not among them (Koji's rule).
func changeTables() []string {
	return []string{
		"tag_builds", "tag_inheritance", "tag_config", "tag_packages", "tag_extra", "tag_external_repos",
		"group_config", "group_package_listing", "group_req_listing", "tag_modules",
	}
}

// LastChange returns the event that changed a tag last, or, with inherit, one of
// those it inherits from now (Koji's tagLastChangeEvent). It is 0 for a tag
// without history.
func (r Reader) LastChange(ctx context.Context, tagID int64, inherit bool) (int64, error) {
	ids := []int64{tagID}
	if inherit {
		steps, err := r.Inheritance(ctx, tagID)
		if err != nil {
			return 0, err
		}
		ids = distinct(chain(tagID, steps))
	}
	var newest []string
	for _, table := range changeTables() {
		for _, column := range []string{"create_event", "revoke_event"} {
			limit := " and " + column + " is not null"
			if !r.At.IsNow() {
				limit = fmt.Sprintf(" and %s <= %d", column, r.At.Event())
			}
			newest = append(newest, "(select max("+column+") from "+table+" where tag_id = x.id"+limit+")")
		}
	}
	list, err := query[struct{ Event int64 }](ctx, r,
		"select coalesce(max(greatest("+strings.Join(newest, ", ")+")), 0) from unnest($1::bigint[]) as x (id)", ids)
	if err != nil {
		return 0, fmt.Errorf("tagview: read last change: %w", err)
	}
	return list[0].Event, nil
}
