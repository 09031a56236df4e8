package tags

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
)

// openGroup returns what a tag has of a group, which must be there and open.
func (e *Edit) openGroup(ctx context.Context, tag tagview.Tag, name string) (tagview.Group, error) {
	group, there, err := e.findGroup(ctx, tag, name, true)
	switch {
	case err != nil:
		return group, err
	case !there:
		return group, refuse(FaultGeneric, "group %s is not in tag %s", name, tag.Name)
	case group.Blocked:
		return group, refuse(FaultGeneric, "group %s is blocked in tag %s", name, tag.Name)
	}
	return group, nil
}

// AddGroupPackage adds a package to a group, or changes how it belongs to it:
// the fields of c that are not nil. The default type is mandatory.
func (e *Edit) AddGroupPackage(ctx context.Context, tagName, group, pkg string, c tagview.GroupPackageConfig, force bool) error {
	return e.putGroupPackage(ctx, tagName, group, pkg, c, false, force)
}

// BlockGroupPackage takes a package out of a group that the tag inherits.
func (e *Edit) BlockGroupPackage(ctx context.Context, tagName, group, pkg string) error {
	return e.putGroupPackage(ctx, tagName, group, pkg, tagview.GroupPackageConfig{}, true, false)
}

func (e *Edit) putGroupPackage(ctx context.Context, tagName, groupName, pkg string, c tagview.GroupPackageConfig, block, force bool) error {
	tag, err := e.groupTag(ctx, tagName)
	if err != nil {
		return err
	}
	group, err := e.openGroup(ctx, tag, groupName)
	if err != nil {
		return err
	}
	if err := errors.Join(checkMember(pkg), checkMemberType(c.Type)); err != nil {
		return err
	}
	mandatory := "mandatory"
	want, changed := tagview.GroupPackageConfig{Type: &mandatory}, true
	for _, old := range group.Packages {
		if old.Package != pkg {
			continue
		}
		if old.Blocked && !force {
			return refuse(FaultGeneric, "package %s is blocked in group %s of tag %s: unblock it, or use force", pkg, groupName, tagName)
		}
		want = old.GroupPackageConfig
		changed = block || old.Blocked || !reflect.DeepEqual(over(want, c), want)
	}
	if !changed {
		return nil
	}
	return e.writeGroupPackage(ctx, tag, group, pkg, block, over(want, c))
}

// checkMember refuses what no installer can be asked for. Groups name packages,
// provides and files, which need not be known.
func checkMember(name string) error {
	if len(name) > maxName || !dependency.MatchString(name) {
		return refuse(FaultGeneric, "%.300q names no package", name)
	}
	return nil
}

// checkMemberType refuses what comps.xml has no word for; nil is the default.
func checkMemberType(kind *string) error {
	if kind != nil && *kind != "" && !slices.Contains(memberTypes, *kind) {
		return refuse(FaultGeneric, "%q is no type of a group's member: it is one of %s", *kind, strings.Join(memberTypes, ", "))
	}
	return nil
}

// over lays the fields that are given over the others.
func over(c, given tagview.GroupPackageConfig) tagview.GroupPackageConfig {
	if given.Type != nil {
		c.Type = given.Type
	}
	if given.BaseArchOnly != nil {
		c.BaseArchOnly = given.BaseArchOnly
	}
	if given.Requires != nil {
		c.Requires = given.Requires
	}
	return c
}

func (e *Edit) writeGroupPackage(ctx context.Context, tag tagview.Tag, group tagview.Group, pkg string, block bool, c tagview.GroupPackageConfig) error {
	event, err := e.write(ctx, tag.ID)
	if err != nil {
		return err
	}
	_, err = e.q.RevokeGroupPackage(ctx, db.RevokeGroupPackageParams{TagID: tag.ID, GroupID: group.ID, Package: pkg, RevokeEvent: &event})
	if err != nil {
		return fmt.Errorf("tags: add %s to group %s of %s: %w", pkg, group.Name, tag.Name, err)
	}
	err = e.q.InsertGroupPackage(ctx, db.InsertGroupPackageParams{
		TagID: tag.ID, GroupID: group.ID, Package: pkg, Blocked: block, Type: c.Type, Basearchonly: c.BaseArchOnly, Requires: c.Requires, CreateEvent: event,
	})
	if err != nil {
		return fmt.Errorf("tags: add %s to group %s of %s: %w", pkg, group.Name, tag.Name, err)
	}
	return nil
}

// UnblockGroupPackage removes the tag's own block of a package in a group.
func (e *Edit) UnblockGroupPackage(ctx context.Context, tagName, groupName, pkg string) error {
	return e.endGroupPackage(ctx, tagName, groupName, pkg, true)
}

// RemoveGroupPackage removes the tag's own entry of a package in a group.
func (e *Edit) RemoveGroupPackage(ctx context.Context, tagName, groupName, pkg string) error {
	return e.endGroupPackage(ctx, tagName, groupName, pkg, false)
}

func (e *Edit) endGroupPackage(ctx context.Context, tagName, groupName, pkg string, blockOnly bool) error {
	tag, err := e.groupTag(ctx, tagName)
	if err != nil {
		return err
	}
	id, err := e.group(ctx, groupName)
	if err != nil {
		return err
	}
	if blockOnly {
		blocked, err := e.q.GroupPackageBlocked(ctx, db.GroupPackageBlockedParams{TagID: tag.ID, GroupID: id, Package: pkg})
		if err != nil {
			return fmt.Errorf("tags: read group %s of %s: %w", groupName, tagName, err)
		}
		if !blocked {
			return refuse(FaultGeneric, "package %s is not blocked in group %s of tag %s itself", pkg, groupName, tagName)
		}
	}
	return e.revokeGroupPackage(ctx, tag, id, pkg)
}

func (e *Edit) revokeGroupPackage(ctx context.Context, tag tagview.Tag, group int64, pkg string) error {
	event, err := e.write(ctx, tag.ID)
	if err != nil {
		return err
	}
	_, err = e.q.RevokeGroupPackage(ctx, db.RevokeGroupPackageParams{TagID: tag.ID, GroupID: group, Package: pkg, RevokeEvent: &event})
	if err != nil {
		return fmt.Errorf("tags: remove %s from a group of %s: %w", pkg, tag.Name, err)
	}
	return nil
}

// AddGroupRequire makes a group need another one. kind is empty for mandatory.
func (e *Edit) AddGroupRequire(ctx context.Context, tagName, group, required, kind string, force bool) error {
	return e.putGroupRequire(ctx, tagName, group, required, kind, false, force)
}

// BlockGroupRequire hides a requirement that the tag inherits.
func (e *Edit) BlockGroupRequire(ctx context.Context, tagName, group, required string) error {
	return e.putGroupRequire(ctx, tagName, group, required, "", true, false)
}

func (e *Edit) putGroupRequire(ctx context.Context, tagName, groupName, required, kind string, block, force bool) error {
	tag, err := e.groupTag(ctx, tagName)
	if err != nil {
		return err
	}
	reqID, err := e.group(ctx, required)
	if err != nil {
		return err
	}
	group, err := e.openGroup(ctx, tag, groupName)
	if err != nil {
		return err
	}
	if err := checkMemberType(&kind); err != nil {
		return err
	}
	want, changed := tagview.GroupRequire{ReqID: reqID, Name: required}, true
	mandatory := "mandatory"
	want.Type = &mandatory
	for _, old := range group.Requires {
		if old.ReqID != reqID {
			continue
		}
		if old.Blocked && !force {
			return refuse(FaultGeneric, "the requirement %s of group %s is blocked in tag %s: unblock it, or use force", required, groupName, tagName)
		}
		want = old
		changed = block || old.Blocked || kind != "" && !sameText(old.Type, &kind)
	}
	if kind != "" {
		want.Type = &kind
	}
	if !changed {
		return nil
	}
	return e.writeGroupRequire(ctx, tag, group, want, block)
}

func (e *Edit) writeGroupRequire(ctx context.Context, tag tagview.Tag, group tagview.Group, r tagview.GroupRequire, block bool) error {
	event, err := e.write(ctx, tag.ID)
	if err != nil {
		return err
	}
	_, err = e.q.RevokeGroupRequire(ctx, db.RevokeGroupRequireParams{TagID: tag.ID, GroupID: group.ID, ReqID: r.ReqID, RevokeEvent: &event})
	if err != nil {
		return fmt.Errorf("tags: add requirement %s to group %s of %s: %w", r.Name, group.Name, tag.Name, err)
	}
	err = e.q.InsertGroupRequire(ctx, db.InsertGroupRequireParams{
		TagID: tag.ID, GroupID: group.ID, ReqID: r.ReqID, Blocked: block, Type: r.Type, IsMetapkg: r.MetaPkg, CreateEvent: event,
	})
	if err != nil {
		return fmt.Errorf("tags: add requirement %s to group %s of %s: %w", r.Name, group.Name, tag.Name, err)
	}
	return nil
}

// UnblockGroupRequire removes the tag's own block of a requirement.
func (e *Edit) UnblockGroupRequire(ctx context.Context, tagName, groupName, required string) error {
	return e.endGroupRequire(ctx, tagName, groupName, required, true)
}

// RemoveGroupRequire removes the tag's own entry of a requirement.
func (e *Edit) RemoveGroupRequire(ctx context.Context, tagName, groupName, required string) error {
	return e.endGroupRequire(ctx, tagName, groupName, required, false)
}

func (e *Edit) endGroupRequire(ctx context.Context, tagName, groupName, required string, blockOnly bool) error {
	tag, err := e.groupTag(ctx, tagName)
	if err != nil {
		return err
	}
	id, err := e.group(ctx, groupName)
	if err != nil {
		return err
	}
	reqID, err := e.group(ctx, required)
	if err != nil {
		return err
	}
	if blockOnly {
		blocked, err := e.q.GroupRequireBlocked(ctx, db.GroupRequireBlockedParams{TagID: tag.ID, GroupID: id, ReqID: reqID})
		if err != nil {
			return fmt.Errorf("tags: read group %s of %s: %w", groupName, tagName, err)
		}
		if !blocked {
			return refuse(FaultGeneric, "the requirement %s is not blocked in group %s of tag %s itself", required, groupName, tagName)
		}
	}
	event, err := e.write(ctx, tag.ID)
	if err != nil {
		return err
	}
	_, err = e.q.RevokeGroupRequire(ctx, db.RevokeGroupRequireParams{TagID: tag.ID, GroupID: id, ReqID: reqID, RevokeEvent: &event})
	if err != nil {
		return fmt.Errorf("tags: remove requirement %s of group %s of %s: %w", required, groupName, tagName, err)
	}
	return nil
}
