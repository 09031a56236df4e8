package tags

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
)

// build is what tagging needs to know of a build.
type build struct {
	id, packageID   int64
	nvr, pkg, state string
}

// build looks up a build that must exist, and locks it: before its tags, as
// everybody does.
func (e *Edit) build(ctx context.Context, nvr string) (build, error) {
	row, err := e.q.LockBuildForTagging(ctx, &nvr)
	if errors.Is(err, pgx.ErrNoRows) {
		return build{}, refuse(FaultGeneric, "no such build: %q", nvr)
	}
	if err != nil {
		return build{}, fmt.Errorf("tags: read build %s: %w", nvr, err)
	}
	return build{id: row.ID, packageID: row.PackageID, nvr: nvr, pkg: row.Package, state: row.State}, nil
}

// stateComplete is the only state of builds that may be tagged.
const stateComplete = "COMPLETE"

// requireAccess refuses users whom a tag's lock or permission stops. An admin is
// stopped as well, unless by force (Koji's rule).
func (e *Edit) requireAccess(tag tagview.Tag, force bool) error {
	var reason string
	switch {
	case tag.Locked:
		reason = "tag " + tag.Name + " is locked"
	case tag.Perm != nil && !e.User.holds(*tag.Perm):
		reason = "tag " + tag.Name + " requires the permission " + *tag.Perm
	default:
		return nil
	}
	if force && e.User.holds(PermAdmin) {
		return nil
	}
	return refuse(FaultNotAllowed, "%s (logged in as %s)", reason, e.User.Name)
}

// requireTagging refuses users whom no rule lets tag builds into a tag.
func (e *Edit) requireTagging(tag tagview.Tag) error {
	if e.openTagging || e.User.Name == System || e.User.Has(PermTag) || tag.Perm != nil && e.User.holds(*tag.Perm) {
		return nil
	}
	return refuse(FaultNotAllowed, "no rule lets %s tag builds into %s: the permission tag does, or one that the tag requires", e.User.Name, tag.Name)
}

// TagBuild tags a complete build. Its package must be listed in the tag and not
// blocked; an admin's force adds it to the list. A build that is tagged already
// is tagged anew by force, and becomes the newest.
func (e *Edit) TagBuild(ctx context.Context, tagName, nvr string, force bool) error {
	b, err := e.build(ctx, nvr)
	if err != nil {
		return err
	}
	tag, err := e.contentTag(ctx, tagName)
	if err != nil {
		return err
	}
	return e.tagBuild(ctx, tag, b, force)
}

func (e *Edit) tagBuild(ctx context.Context, tag tagview.Tag, b build, force bool) error {
	if err := e.mayTag(ctx, tag, nil, b, force); err != nil {
		return err
	}
	return e.addTagging(ctx, tag, b, force)
}

// tagInto is TagBuild for a tag of which the id is known: its name may change
// meanwhile.
func (e *Edit) tagInto(ctx context.Context, tagID int64, nvr string) error {
	b, err := e.build(ctx, nvr)
	if err != nil {
		return err
	}
	if err := e.lock(ctx, tagID); err != nil {
		return err
	}
	tag, there, err := e.Read().TagByID(ctx, tagID)
	if err != nil {
		return err
	}
	if !there {
		return refuse(FaultGeneric, "the destination tag was removed")
	}
	return e.tagBuild(ctx, tag, b, false)
}

// mayTag checks everything that may forbid a tagging, or a move when from is
// given.
func (e *Edit) mayTag(ctx context.Context, tag tagview.Tag, from *tagview.Tag, b build, force bool) error {
	if b.state != stateComplete {
		return refuse(FaultTag, "build %s is %s: only complete builds may be tagged", b.nvr, b.state)
	}
	if err := e.requireAccess(tag, force); err != nil {
		return err
	}
	if from != nil {
		if err := e.requireAccess(*from, force); err != nil {
			return err
		}
	}
	if err := e.requireTagging(tag); err != nil {
		return err
	}
	entry, there, err := e.entry(ctx, tag, b.packageID)
	if err != nil || there && !entry.Blocked {
		return err
	}
	if force && e.User.holds(PermAdmin) {
		open := false
		return e.addPackage(ctx, tag, b.pkg, PackageChange{Blocked: &open, Force: true})
	}
	if there {
		return refuse(FaultTag, "package %s is blocked in tag %s%s", b.pkg, tag.Name, inheritedFrom(entry, tag))
	}
	return refuse(FaultTag, "package %s is not listed in tag %s", b.pkg, tag.Name)
}

func inheritedFrom(entry tagview.Package, tag tagview.Tag) string {
	if entry.TagID == tag.ID {
		return ""
	}
	return " (by inheritance from " + entry.Tag + ")"
}

func (e *Edit) addTagging(ctx context.Context, tag tagview.Tag, b build, force bool) error {
	has, err := e.q.TagHasBuild(ctx, db.TagHasBuildParams{TagID: tag.ID, BuildID: b.id})
	if err != nil {
		return fmt.Errorf("tags: tag %s into %s: %w", b.nvr, tag.Name, err)
	}
	if has && !force {
		return refuse(FaultTag, "build %s is tagged into %s already", b.nvr, tag.Name)
	}
	event, err := e.writeContent(ctx, tag.ID)
	if err != nil {
		return err
	}
	if has {
		if _, err := e.q.RevokeTagging(ctx, db.RevokeTaggingParams{TagID: tag.ID, BuildID: b.id, RevokeEvent: &event}); err != nil {
			return fmt.Errorf("tags: tag %s into %s: %w", b.nvr, tag.Name, err)
		}
	}
	err = e.q.InsertTagging(ctx, db.InsertTaggingParams{TagID: tag.ID, BuildID: b.id, PackageID: b.packageID, CreateEvent: event})
	if err != nil {
		return fmt.Errorf("tags: tag %s into %s: %w", b.nvr, tag.Name, err)
	}
	e.tagged = append(e.tagged, tagged{build: b.id, tag: tag.ID})
	return nil
}

// UntagBuild takes a build out of a tag.
func (e *Edit) UntagBuild(ctx context.Context, tagName, nvr string, force bool) error {
	b, err := e.build(ctx, nvr)
	if err != nil && !refused(err) {
		return err
	}
	unknown := err
	tag, err := e.contentTag(ctx, tagName)
	if err := errors.Join(err, unknown); err != nil {
		return err
	}
	if err := e.requireAccess(tag, force); err != nil {
		return err
	}
	if err := e.requireTagging(tag); err != nil {
		return err
	}
	return e.removeTagging(ctx, tag, b)
}

func (e *Edit) removeTagging(ctx context.Context, tag tagview.Tag, b build) error {
	event, err := e.writeContent(ctx, tag.ID)
	if err != nil {
		return err
	}
	n, err := e.q.RevokeTagging(ctx, db.RevokeTaggingParams{TagID: tag.ID, BuildID: b.id, RevokeEvent: &event})
	if err != nil {
		return fmt.Errorf("tags: untag %s from %s: %w", b.nvr, tag.Name, err)
	}
	if n == 0 {
		return refuse(FaultTag, "build %s is not tagged into %s", b.nvr, tag.Name)
	}
	return nil
}

// MoveBuild takes a build out of one tag and tags it into another.
func (e *Edit) MoveBuild(ctx context.Context, from, to, nvr string, force bool) error {
	b, err := e.build(ctx, nvr)
	if err != nil {
		return err
	}
	dest, source, err := e.twoTags(ctx, to, from)
	if err != nil {
		return err
	}
	if err := e.mayTag(ctx, dest, &source, b, force); err != nil {
		return err
	}
	if err := e.requireTagging(source); err != nil {
		return err
	}
	if err := e.removeTagging(ctx, source, b); err != nil {
		return err
	}
	return e.addTagging(ctx, dest, b, force)
}

// twoTags locks and looks up two tags at once.
func (e *Edit) twoTags(ctx context.Context, first, second string) (a, b tagview.Tag, err error) {
	if a, err = e.tag(ctx, first); err != nil {
		return a, b, err
	}
	if b, err = e.tag(ctx, second); err != nil {
		return a, b, err
	}
	if err := e.lock(ctx, a.ID, b.ID); err != nil {
		return a, b, err
	}
	// Both are locked now; who looks again may find others of these names.
	if a, err = e.contentTag(ctx, first); err != nil {
		return a, b, err
	}
	b, err = e.contentTag(ctx, second)
	return a, b, err
}
