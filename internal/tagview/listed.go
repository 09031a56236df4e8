package tagview

import (
	"context"
	"fmt"
)

// Refusal says why builds of a package may not be tagged into a tag, and what to
// do about it; empty when they may, as far as its package list and its lock are
// concerned.
func (r Reader) Refusal(ctx context.Context, tagID int64, pkg string) (string, error) {
	tag, there, err := r.TagByID(ctx, tagID)
	if err != nil {
		return "", err
	}
	if !there {
		return "the destination tag was removed", nil
	}
	if tag.Locked {
		return "tag " + tag.Name + " is locked", nil
	}
	var id int64
	err = r.Conn.QueryRow(ctx, "select coalesce((select id from packages where name = $1), -1)", pkg).Scan(&id)
	if err != nil {
		return "", fmt.Errorf("tagview: read package %s: %w", pkg, err)
	}
	list, err := r.Packages(ctx, tagID, PackageQuery{Inherit: true, PackageID: id})
	if err != nil {
		return "", err
	}
	switch {
	case len(list) == 0:
		return fmt.Sprintf("package %s is not listed in tag %s: distbot tag add-pkg --owner NAME %s %s", pkg, tag.Name, tag.Name, pkg), nil
	case list[0].Blocked && list[0].TagID != tagID:
		return fmt.Sprintf("package %s is blocked in tag %s by its parent %s", pkg, tag.Name, list[0].Tag), nil
	case list[0].Blocked:
		return fmt.Sprintf("package %s is blocked in tag %s", pkg, tag.Name), nil
	}
	return "", nil
}
