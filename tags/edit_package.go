package tags

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
)

// PackageChange says what a tag's package list shall say of a package; what is
// nil stays, or is taken from the entry that is inherited.
type PackageChange struct {
	Owner       *string
	Blocked     *bool
	ExtraArches *string
	// Force adds over a block, and needs no owner.
	Force bool
	// update refuses packages that the list does not have.
	update bool
}

// requirePackageList refuses users who may not change package lists (Koji's
// default policy package_list).
func (e *Edit) requirePackageList() error {
	if !e.User.Has(PermTag) {
		return refuse(FaultNotAllowed, "only users with the permission admin or tag may change package lists (logged in as %s)", e.User.Name)
	}
	return nil
}

// AddPackage puts a package on a tag's list, or changes its entry. Koji's rules:
// what is as wanted already, by inheritance too, stays as it is; a blocked
// package is added only by force; where only the owner of an inherited entry
// differs, no entry of the tag's own is made, and the owner stays the parent's.
func (e *Edit) AddPackage(ctx context.Context, tagName, pkg string, c PackageChange) error {
	tag, err := e.contentTag(ctx, tagName)
	if err != nil {
		return err
	}
	if err := e.requirePackageList(); err != nil {
		return err
	}
	return e.addPackage(ctx, tag, pkg, c)
}

// contentTag locks and looks up a tag whose content is to be changed.
func (e *Edit) contentTag(ctx context.Context, name string) (tagview.Tag, error) {
	for {
		tag, err := e.tag(ctx, name)
		if err != nil {
			return tagview.Tag{}, err
		}
		if err := e.lock(ctx, tag.ID); err != nil {
			return tagview.Tag{}, err
		}
		// Who waited for the lock may find the tag changed, or another of its name.
		locked, err := e.tag(ctx, name)
		if err != nil || locked.ID == tag.ID {
			return locked, err
		}
	}
}

func (e *Edit) addPackage(ctx context.Context, tag tagview.Tag, name string, c PackageChange) error {
	if err := checkName("package", name); err != nil {
		return err
	}
	arches, err := parseArchesOrNil(c.ExtraArches)
	if err != nil {
		return err
	}
	ownerID, err := e.owner(ctx, c.Owner)
	if err != nil {
		return err
	}
	pkg, err := e.q.UpsertPackage(ctx, name)
	if err != nil {
		return fmt.Errorf("tags: read package %s: %w", name, err)
	}
	before, there, err := e.entry(ctx, tag, pkg)
	if err != nil {
		return err
	}
	want := tagview.Package{ID: pkg, Name: name, ExtraArches: arches, OwnerID: ownerID, Blocked: c.Blocked != nil && *c.Blocked}
	if !there {
		return e.addNewPackage(ctx, tag, want, c)
	}
	if ownerID == 0 {
		want.OwnerID = before.OwnerID
	}
	if c.Blocked == nil {
		want.Blocked = before.Blocked
	}
	if arches == nil {
		want.ExtraArches = before.ExtraArches
	}
	changed := want.Blocked != before.Blocked || !sameText(want.ExtraArches, before.ExtraArches)
	switch {
	case !changed && want.OwnerID == before.OwnerID:
		return nil
	case before.Blocked && !want.Blocked && !c.Force:
		return refuse(FaultGeneric, "package %s is blocked in tag %s: unblock it, or use force", name, tag.Name)
	case changed:
		return e.writePackage(ctx, tag, want)
	default:
		return e.writeOwner(ctx, tag, want)
	}
}

func (e *Edit) addNewPackage(ctx context.Context, tag tagview.Tag, want tagview.Package, c PackageChange) error {
	if c.update && !c.Force {
		return refuse(FaultGeneric, "tag %s does not list package %s", tag.Name, want.Name)
	}
	if want.OwnerID == 0 {
		if !c.Force {
			return refuse(FaultGeneric, "package %s is new in tag %s: name its owner", want.Name, tag.Name)
		}
		want.OwnerID = e.User.ID
	}
	return e.writePackage(ctx, tag, want)
}

func sameText(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// owner looks up an owner who must exist; 0 when none is given.
func (e *Edit) owner(ctx context.Context, name *string) (int64, error) {
	if name == nil {
		return 0, nil
	}
	user, err := e.q.UserByName(ctx, *name)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, refuse(FaultGeneric, "no such user: %q", *name)
	}
	if err != nil {
		return 0, fmt.Errorf("tags: read user %s: %w", *name, err)
	}
	return user.ID, nil
}

// entry returns what a tag's list says of a package, by inheritance too.
func (e *Edit) entry(ctx context.Context, tag tagview.Tag, pkg int64) (tagview.Package, bool, error) {
	list, err := e.Read().Packages(ctx, tag.ID, tagview.PackageQuery{Inherit: true, PackageID: pkg})
	if err != nil || len(list) == 0 {
		return tagview.Package{}, false, err
	}
	return list[0], true, nil
}

// writePackage makes an entry of the tag's own, in place of the one it has.
func (e *Edit) writePackage(ctx context.Context, tag tagview.Tag, p tagview.Package) error {
	event, err := e.writeContent(ctx, tag.ID)
	if err != nil {
		return err
	}
	if _, err := e.q.RevokeTagPackage(ctx, db.RevokeTagPackageParams{TagID: tag.ID, PackageID: p.ID, RevokeEvent: &event}); err != nil {
		return fmt.Errorf("tags: list %s in %s: %w", p.Name, tag.Name, err)
	}
	err = e.q.InsertTagPackage(ctx, db.InsertTagPackageParams{
		TagID: tag.ID, PackageID: p.ID, Blocked: p.Blocked, ExtraArches: p.ExtraArches, CreateEvent: event,
	})
	if err != nil {
		return fmt.Errorf("tags: list %s in %s: %w", p.Name, tag.Name, err)
	}
	return e.writeOwner(ctx, tag, p)
}

// writeOwner gives the package its owner in the tag. Nobody's repository
// changes by that.
func (e *Edit) writeOwner(ctx context.Context, tag tagview.Tag, p tagview.Package) error {
	event, err := e.writeContent(ctx, 0)
	if err != nil {
		return err
	}
	if err := e.q.RevokeTagPackageOwner(ctx, db.RevokeTagPackageOwnerParams{TagID: tag.ID, PackageID: p.ID, RevokeEvent: &event}); err != nil {
		return fmt.Errorf("tags: set owner of %s in %s: %w", p.Name, tag.Name, err)
	}
	err = e.q.InsertTagPackageOwner(ctx, db.InsertTagPackageOwnerParams{TagID: tag.ID, PackageID: p.ID, OwnerID: p.OwnerID, CreateEvent: event})
	if err != nil {
		return fmt.Errorf("tags: set owner of %s in %s: %w", p.Name, tag.Name, err)
	}
	return nil
}

// knownPackage looks up a tag and a package that must exist.
func (e *Edit) knownPackage(ctx context.Context, tagName, name string) (tagview.Tag, db.Package, error) {
	tag, err := e.contentTag(ctx, tagName)
	if err != nil {
		return tagview.Tag{}, db.Package{}, err
	}
	pkg, err := e.q.PackageByName(ctx, name)
	if errors.Is(err, pgx.ErrNoRows) {
		return tagview.Tag{}, db.Package{}, refuse(FaultGeneric, "no such package: %q", name)
	}
	if err != nil {
		return tagview.Tag{}, db.Package{}, fmt.Errorf("tags: read package %s: %w", name, err)
	}
	return tag, pkg, nil
}

// BlockPackage blocks a package that the tag lists: no build of it appears there
// any more, nor in tags that inherit.
func (e *Edit) BlockPackage(ctx context.Context, tagName, name string, force bool) error {
	tag, pkg, err := e.knownPackage(ctx, tagName, name)
	if err != nil {
		return err
	}
	if _, there, err := e.entry(ctx, tag, pkg.ID); err != nil {
		return err
	} else if !there {
		return refuse(FaultGeneric, "package %s is not listed in tag %s", name, tagName)
	}
	if err := e.requirePackageList(); err != nil {
		return err
	}
	blocked := true
	return e.addPackage(ctx, tag, name, PackageChange{Blocked: &blocked, Force: force})
}

// UnblockPackage undoes a block. The tag's own is removed; where that leaves
// nothing, or another block, and where the block is inherited, an open entry is
// made.
func (e *Edit) UnblockPackage(ctx context.Context, tagName, name string) error {
	tag, pkg, err := e.knownPackage(ctx, tagName, name)
	if err != nil {
		return err
	}
	if err := e.requirePackageList(); err != nil {
		return err
	}
	before, there, err := e.entry(ctx, tag, pkg.ID)
	switch {
	case err != nil:
		return err
	case !there:
		return refuse(FaultGeneric, "package %s is not listed in tag %s", name, tagName)
	case !before.Blocked:
		return refuse(FaultGeneric, "package %s is not blocked in tag %s", name, tagName)
	}
	open := before
	open.Blocked = false
	if before.TagID != tag.ID {
		return e.writePackage(ctx, tag, open)
	}
	if err := e.revokePackage(ctx, tag, pkg); err != nil {
		return err
	}
	behind, there, err := e.entry(ctx, tag, pkg.ID)
	if err != nil || there && !behind.Blocked {
		return err
	}
	return e.writePackage(ctx, tag, open)
}

// RemovePackage removes the tag's own entry; its owner is remembered (Koji's
// rule). What the tag inherits appears again.
func (e *Edit) RemovePackage(ctx context.Context, tagName, name string) error {
	tag, pkg, err := e.knownPackage(ctx, tagName, name)
	if err != nil {
		return err
	}
	if err := e.requirePackageList(); err != nil {
		return err
	}
	return e.revokePackage(ctx, tag, pkg)
}

func (e *Edit) revokePackage(ctx context.Context, tag tagview.Tag, pkg db.Package) error {
	event, err := e.writeContent(ctx, tag.ID)
	if err != nil {
		return err
	}
	if _, err := e.q.RevokeTagPackage(ctx, db.RevokeTagPackageParams{TagID: tag.ID, PackageID: pkg.ID, RevokeEvent: &event}); err != nil {
		return fmt.Errorf("tags: remove %s from the list of %s: %w", pkg.Name, tag.Name, err)
	}
	return nil
}

// SetPackageOwner changes who owns a package that the tag lists.
func (e *Edit) SetPackageOwner(ctx context.Context, tag, pkg, owner string, force bool) error {
	return e.AddPackage(ctx, tag, pkg, PackageChange{Owner: &owner, Force: force, update: true})
}

// SetPackageArches changes the extra architectures of a package that the tag
// lists.
func (e *Edit) SetPackageArches(ctx context.Context, tag, pkg, arches string, force bool) error {
	return e.AddPackage(ctx, tag, pkg, PackageChange{ExtraArches: &arches, Force: force, update: true})
}
