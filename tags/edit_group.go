package tags

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
)

// GroupChange says what a group shall be in a tag; what is nil stays, or is what
// the tag inherits, or Koji's default.
type GroupChange struct {
	tagview.GroupConfig
	// Fields names those of GroupConfig that are set, by their JSON names, since
	// nil is a value of some of them.
	Fields []string
	// Force adds over a block.
	Force bool
}

// groupFields are the fields of a group's config by their names.
func groupFields(c *tagview.GroupConfig) map[string]any {
	return map[string]any{
		"display_name": &c.DisplayName, "is_default": &c.IsDefault, "uservisible": &c.UserVisible, "exported": &c.Exported,
		"langonly": &c.LangOnly, "biarchonly": &c.BiarchOnly, "description": &c.Description,
	}
}

// groupTag locks and looks up a tag whose groups are to be changed.
func (e *Edit) groupTag(ctx context.Context, name string) (tagview.Tag, error) {
	if err := e.requirePerm(PermTag); err != nil {
		return tagview.Tag{}, err
	}
	return e.contentTag(ctx, name)
}

// findGroup returns what a tag has of a group, blocked too: by itself, or with
// what it inherits.
func (e *Edit) findGroup(ctx context.Context, tag tagview.Tag, name string, inherit bool) (group tagview.Group, there bool, err error) {
	groups, err := e.Read().AllGroups(ctx, tag.ID, inherit)
	if err != nil {
		return tagview.Group{}, false, err
	}
	for _, group := range groups {
		if group.Name == name {
			return group, true, nil
		}
	}
	return tagview.Group{}, false, nil
}

// AddGroup adds a group to a tag, or changes it. What is as wanted already, by
// inheritance too, stays as it is.
func (e *Edit) AddGroup(ctx context.Context, tagName, name string, c GroupChange) error {
	tag, err := e.groupTag(ctx, tagName)
	if err != nil {
		return err
	}
	return e.putGroup(ctx, tag, name, false, c)
}

// BlockGroup hides a group that the tag inherits, or is to have no more.
func (e *Edit) BlockGroup(ctx context.Context, tagName, name string) error {
	tag, err := e.groupTag(ctx, tagName)
	if err != nil {
		return err
	}
	return e.putGroup(ctx, tag, name, true, GroupChange{})
}

func (e *Edit) putGroup(ctx context.Context, tag tagview.Tag, name string, block bool, c GroupChange) error {
	if err := checkName("group", name); err != nil {
		return err
	}
	old, there, err := e.findGroup(ctx, tag, name, true)
	if err != nil {
		return err
	}
	want := old.GroupConfig
	if !there {
		yes, no := true, false
		want = tagview.GroupConfig{DisplayName: &name, BiarchOnly: &no, Exported: &yes, UserVisible: &yes}
	}
	have, given := groupFields(&want), groupFields(&c.GroupConfig)
	for _, field := range c.Fields {
		to, ok := have[field]
		if !ok {
			return refuse(FaultGeneric, "groups have no field %q", field)
		}
		reflect.ValueOf(to).Elem().Set(reflect.ValueOf(given[field]).Elem())
	}
	if there {
		if old.Blocked && !c.Force {
			return refuse(FaultGeneric, "group %s is blocked in tag %s: unblock it, or use force", name, tag.Name)
		}
		if old.Blocked == block && reflect.DeepEqual(want, old.GroupConfig) {
			return nil
		}
	}
	return e.writeGroup(ctx, tag, name, block, want)
}

func (e *Edit) writeGroup(ctx context.Context, tag tagview.Tag, name string, block bool, c tagview.GroupConfig) error {
	event, err := e.write(ctx, tag.ID)
	if err != nil {
		return err
	}
	id, err := e.q.AddGroup(ctx, name)
	if err != nil {
		return fmt.Errorf("tags: add group %s to %s: %w", name, tag.Name, err)
	}
	if _, err := e.q.RevokeGroupConfig(ctx, db.RevokeGroupConfigParams{TagID: tag.ID, GroupID: id, RevokeEvent: &event}); err != nil {
		return fmt.Errorf("tags: add group %s to %s: %w", name, tag.Name, err)
	}
	err = e.q.InsertGroupConfig(ctx, db.InsertGroupConfigParams{
		TagID: tag.ID, GroupID: id, Blocked: block, Exported: c.Exported, DisplayName: c.DisplayName, IsDefault: c.IsDefault,
		Uservisible: c.UserVisible, Description: c.Description, Langonly: c.LangOnly, Biarchonly: c.BiarchOnly, CreateEvent: event,
	})
	if err != nil {
		return fmt.Errorf("tags: add group %s to %s: %w", name, tag.Name, err)
	}
	return nil
}

// group looks up the id of a group that must be known.
func (e *Edit) group(ctx context.Context, name string) (int64, error) {
	row, err := e.q.GroupByName(ctx, name)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, refuse(FaultGeneric, "no such group: %q", name)
	}
	if err != nil {
		return 0, fmt.Errorf("tags: read group %s: %w", name, err)
	}
	return row.ID, nil
}

// UnblockGroup removes the tag's own block of a group.
func (e *Edit) UnblockGroup(ctx context.Context, tagName, name string) error {
	tag, err := e.groupTag(ctx, tagName)
	if err != nil {
		return err
	}
	own, there, err := e.findGroup(ctx, tag, name, false)
	if err != nil {
		return err
	}
	if !there || !own.Blocked {
		return refuse(FaultGeneric, "group %s is not blocked in tag %s itself", name, tagName)
	}
	return e.revokeGroup(ctx, tag, own)
}

// RemoveGroup removes a group from the tag itself; what the tag inherits appears
// again.
func (e *Edit) RemoveGroup(ctx context.Context, tagName, name string) error {
	tag, err := e.groupTag(ctx, tagName)
	if err != nil {
		return err
	}
	own, there, err := e.findGroup(ctx, tag, name, false)
	if err != nil {
		return err
	}
	if !there {
		return refuse(FaultGeneric, "tag %s has no group %s of its own", tagName, name)
	}
	return e.revokeGroup(ctx, tag, own)
}

func (e *Edit) revokeGroup(ctx context.Context, tag tagview.Tag, group tagview.Group) error {
	event, err := e.write(ctx, tag.ID)
	if err != nil {
		return err
	}
	if _, err := e.q.RevokeGroupConfig(ctx, db.RevokeGroupConfigParams{TagID: tag.ID, GroupID: group.ID, RevokeEvent: &event}); err != nil {
		return fmt.Errorf("tags: remove group %s from %s: %w", group.Name, tag.Name, err)
	}
	return nil
}
