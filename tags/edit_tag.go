package tags

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
)

// maxName bounds the names of tags, targets and groups: as in Koji, but for the
// one character that a file name may not have.
const maxName = 255

// namePattern is Koji's for internal names without the slash: tags name
// directories.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9_+][A-Za-z0-9_.+-]*$`)

// checkName refuses names that can't be file names and parts of URLs.
func checkName(what, name string) error {
	switch {
	case name == "":
		return refuse(FaultGeneric, "a %s needs a name", what)
	case len(name) > maxName:
		return refuse(FaultGeneric, "the name of a %s may have %d characters, this one has %d", what, maxName, len(name))
	case !namePattern.MatchString(name):
		return refuse(FaultGeneric, "%q is no name for a %s: letters, digits and _ . + - are allowed, the first one no dot or dash", name, what)
	}
	return nil
}

// archPattern is what Koji takes for an architecture.
var archPattern = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

// parseArches reads a list of architectures separated by blanks.
func parseArches(list string) (string, error) {
	arches := strings.Fields(list)
	for _, arch := range arches {
		if !archPattern.MatchString(arch) || len(arch) > 32 {
			return "", refuse(FaultGeneric, "%q is no architecture", arch)
		}
	}
	return strings.Join(arches, " "), nil
}

// NewTag is a tag to be made.
type NewTag struct {
	Name string
	// Parent is inherited from with priority 0, if it is given.
	Parent string
	// Arches are separated by blanks. Unlike nil, "" does not inherit any.
	Arches *string
	Perm   string
	Locked bool
	Extra  map[string]json.RawMessage
}

// requirePerm refuses users without a permission.
func (e *Edit) requirePerm(perm string) error {
	if !e.User.Has(perm) {
		return refuse(FaultNotAllowed, "%s permission required (logged in as %s)", perm, e.User.Name)
	}
	return nil
}

// tag looks up a tag that must exist.
func (e *Edit) tag(ctx context.Context, name string) (tagview.Tag, error) {
	tag, err := e.Read().Tag(ctx, name)
	if errors.Is(err, tagview.ErrNoTag) {
		return tagview.Tag{}, refuse(FaultGeneric, "no such tag: %q", name)
	}
	return tag, err
}

// perm looks up a permission that must exist; nil for none.
func (e *Edit) perm(ctx context.Context, name string) (*int64, error) {
	if name == "" {
		return nil, nil
	}
	perm, err := e.q.PermissionByName(ctx, name)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, refuse(FaultGeneric, "no such permission: %q", name)
	}
	if err != nil {
		return nil, fmt.Errorf("tags: read permission %s: %w", name, err)
	}
	return &perm.ID, nil
}

// AddTag makes a tag. The name of a removed one may be used again, and none of
// what it held comes back.
func (e *Edit) AddTag(ctx context.Context, t NewTag) error {
	if err := e.requirePerm(PermTag); err != nil {
		return err
	}
	if err := checkName("tag", t.Name); err != nil {
		return err
	}
	arches, err := parseArchesOrNil(t.Arches)
	if err != nil {
		return err
	}
	perm, err := e.perm(ctx, t.Perm)
	if err != nil {
		return err
	}
	if err := e.lockLinks(ctx); err != nil {
		return err
	}
	if _, err := e.tag(ctx, t.Name); err == nil {
		return refuse(FaultGeneric, "a tag with the name %q already exists", t.Name)
	} else if !refused(err) {
		return err
	}
	event, err := e.write(ctx, 0)
	if err != nil {
		return err
	}
	id, err := e.q.AddTag(ctx, db.AddTagParams{Name: t.Name, CreateEvent: event})
	if err != nil {
		return fmt.Errorf("tags: add tag %s: %w", t.Name, err)
	}
	e.touched[id], e.settings = true, true
	err = e.q.InsertTagConfig(ctx, db.InsertTagConfigParams{TagID: id, Arches: arches, PermID: perm, Locked: t.Locked, CreateEvent: event})
	if err != nil {
		return fmt.Errorf("tags: add tag %s: %w", t.Name, err)
	}
	if err := e.setExtra(ctx, tagview.Tag{ID: id, Name: t.Name}, t.Extra); err != nil {
		return err
	}
	if t.Parent == "" {
		return nil
	}
	return e.AddLink(ctx, t.Name, t.Parent, LinkConfig{})
}

func parseArchesOrNil(list *string) (*string, error) {
	if list == nil {
		return nil, nil
	}
	arches, err := parseArches(*list)
	return &arches, err
}

// refused reports whether an error is a rule's, not a failure.
func refused(err error) bool {
	var refusal *RefusedError
	return errors.As(err, &refusal)
}

// TagChange says what to change of a tag; what is nil stays.
type TagChange struct {
	Name   *string
	Locked *bool
	// Perm requires a permission for tagging; "" none.
	Perm *string
	// Arches is set, or with InheritArches left to the parents.
	Arches        *string
	InheritArches bool
	Extra         map[string]json.RawMessage
	// RemoveExtra removes the tag's own settings, BlockExtra hides inherited ones.
	RemoveExtra, BlockExtra []string
}

// EditTag changes a tag's name or settings. A rename renames its past, too.
func (e *Edit) EditTag(ctx context.Context, name string, c TagChange) error {
	if err := e.requirePerm(PermTag); err != nil {
		return err
	}
	if err := e.lockLinks(ctx); err != nil {
		return err
	}
	tag, err := e.tag(ctx, name)
	if err != nil {
		return err
	}
	if err := e.renameTag(ctx, &tag, c.Name); err != nil {
		return err
	}
	if err := e.setConfig(ctx, tag, c); err != nil {
		return err
	}
	for _, key := range slices.Concat(c.RemoveExtra, c.BlockExtra) {
		if _, both := c.Extra[key]; both {
			return refuse(FaultGeneric, "can not both set and remove the extra setting %q", key)
		}
	}
	if err := e.setExtra(ctx, tag, c.Extra); err != nil {
		return err
	}
	if err := e.removeExtra(ctx, tag, c.RemoveExtra); err != nil {
		return err
	}
	return e.blockExtra(ctx, tag, c.BlockExtra)
}

func (e *Edit) renameTag(ctx context.Context, tag *tagview.Tag, name *string) error {
	if name == nil || *name == tag.Name {
		return nil
	}
	if err := checkName("tag", *name); err != nil {
		return err
	}
	other, err := e.q.AnyTag(ctx, *name)
	if err == nil {
		return refuse(FaultGeneric, "the name %s is taken by tag %d", *name, other.ID)
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("tags: rename %s: %w", tag.Name, err)
	}
	if _, err := e.write(ctx, tag.ID); err != nil {
		return err
	}
	if err := e.q.RenameTag(ctx, db.RenameTagParams{ID: tag.ID, Name: *name}); err != nil {
		return fmt.Errorf("tags: rename %s: %w", tag.Name, err)
	}
	tag.Name = *name
	return nil
}

func (e *Edit) setConfig(ctx context.Context, tag tagview.Tag, c TagChange) error {
	want := tag
	if c.Perm != nil {
		want.Perm = c.Perm
		if *c.Perm == "" {
			want.Perm = nil
		}
	}
	if c.Locked != nil {
		want.Locked = *c.Locked
	}
	arches, err := parseArchesOrNil(c.Arches)
	if err != nil {
		return err
	}
	if arches != nil || c.InheritArches {
		want.Arches = arches
	}
	permName := ""
	if want.Perm != nil {
		permName = *want.Perm
	}
	perm, err := e.perm(ctx, permName)
	if err != nil || reflect.DeepEqual(want, tag) {
		return err
	}
	event, err := e.write(ctx, tag.ID)
	if err != nil {
		return err
	}
	if _, err := e.q.RevokeTagConfig(ctx, db.RevokeTagConfigParams{TagID: tag.ID, RevokeEvent: &event}); err != nil {
		return fmt.Errorf("tags: edit %s: %w", tag.Name, err)
	}
	err = e.q.InsertTagConfig(ctx, db.InsertTagConfigParams{TagID: tag.ID, Arches: want.Arches, PermID: perm, Locked: want.Locked, CreateEvent: event})
	if err != nil {
		return fmt.Errorf("tags: edit %s: %w", tag.Name, err)
	}
	return nil
}

// RemoveTag removes a tag with all it holds, the links to it, and the targets
// that use it.
func (e *Edit) RemoveTag(ctx context.Context, name string) error {
	if err := e.requirePerm(PermTag); err != nil {
		return err
	}
	if err := e.lockLinks(ctx); err != nil {
		return err
	}
	tag, err := e.tag(ctx, name)
	if err != nil {
		return err
	}
	children, err := e.Read().Children(ctx, tag.ID)
	if err != nil {
		return err
	}
	event, err := e.write(ctx, tag.ID)
	if err != nil {
		return err
	}
	for _, link := range children {
		e.touched[link.ChildID] = true
	}
	if err := e.revokeContents(ctx, tag, event); err != nil {
		return err
	}
	if err := e.q.EndTag(ctx, db.EndTagParams{ID: tag.ID, RevokeEvent: &event}); err != nil {
		return fmt.Errorf("tags: remove tag %s: %w", name, err)
	}
	return nil
}

// revokeContents ends every row that is about a tag.
func (e *Edit) revokeContents(ctx context.Context, tag tagview.Tag, event int64) error {
	about := map[string]string{
		"tag_inheritance": "(tag_id = $2 or parent_id = $2)",
		"build_targets":   "(build_tag = $2 or dest_tag = $2)",
	}
	for _, table := range []string{
		"tag_config", "tag_extra", "tag_inheritance", "build_targets", "tag_builds", "tag_packages", "tag_package_owners",
		"group_config", "group_package_listing", "group_req_listing", "tag_external_repos", "tag_modules",
	} {
		where := cmp.Or(about[table], "tag_id = $2")
		if _, err := e.tx.Exec(ctx, "update "+table+" set revoke_event = $1 where "+where+" and revoke_event is null", event, tag.ID); err != nil {
			return fmt.Errorf("tags: remove tag %s: empty %s: %w", tag.Name, table, err)
		}
	}
	return nil
}
