package tags

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/tagview"
)

// maxSideTags is how many side tags somebody may have at a time who has no
// permission for tags (the rule Koji's documentation suggests).
const maxSideTags = 10

// AddSideTag makes a side tag of a base, in which its maker builds without
// anybody else seeing it: BASE-side-ID inherits from the base with priority 0,
// has its architectures and Koji's extra settings of side tags, and a target of
// the same name that builds into it. The base must be what a target builds
// with. It returns the name.
func (e *Edit) AddSideTag(ctx context.Context, base string) (name string, err error) {
	if err := e.lockLinks(ctx); err != nil {
		return "", err
	}
	tag, err := e.tag(ctx, base)
	if err != nil {
		return "", err
	}
	if err := e.maySideTag(ctx, tag); err != nil {
		return "", err
	}
	event, err := e.write(ctx, 0)
	if err != nil {
		return "", err
	}
	name = base + "-side-" + strconv.FormatInt(event, 10)
	var arches []string
	if err := e.tx.QueryRow(ctx, "select arches from tags where id = $1", tag.ID).Scan(&arches); err != nil {
		return "", fmt.Errorf("tags: architectures of %s: %w", base, err)
	}
	list := strings.Join(arches, " ")
	user, err := json.Marshal(e.User.Name)
	if err != nil {
		return "", fmt.Errorf("tags: name of the owner: %w", err)
	}
	defer e.lend(PermTag, PermTarget)()
	err = e.AddTag(ctx, NewTag{Name: name, Parent: base, Arches: &list, Extra: map[string]json.RawMessage{
		"sidetag": json.RawMessage("true"), "sidetag_user": user, "sidetag_user_id": json.RawMessage(strconv.FormatInt(e.User.ID, 10)),
	}})
	if err != nil {
		return "", err
	}
	return name, e.AddTarget(ctx, name, TargetConfig{BuildTag: name, DestTag: name})
}

// maySideTag refuses a base that nothing is built with, and users who have as
// many side tags as they may.
func (e *Edit) maySideTag(ctx context.Context, base tagview.Tag) error {
	targets := 0
	err := e.tx.QueryRow(ctx, "select count(*) from build_targets where build_tag = $1 and revoke_event is null", base.ID).Scan(&targets)
	if err != nil {
		return fmt.Errorf("tags: targets of %s: %w", base.Name, err)
	}
	if targets == 0 {
		return refuse(FaultGeneric, "tag %s is no base of a side tag: no target builds with it", base.Name)
	}
	all, err := e.q.SideTags(ctx)
	if err != nil {
		return fmt.Errorf("tags: read side tags: %w", err)
	}
	own := 0
	for _, side := range all {
		if side.Name == base.Name {
			return refuse(FaultGeneric, "tag %s is a side tag itself", base.Name)
		}
		if side.Owner == e.User.Name {
			own++
		}
	}
	if own >= maxSideTags && !e.User.Has(PermTag) {
		return refuse(FaultNotAllowed, "%s has %d side tags: remove one first", e.User.Name, own)
	}
	return nil
}

// RemoveSideTag removes a side tag with its target. Its owner may, and an admin.
func (e *Edit) RemoveSideTag(ctx context.Context, name string) error {
	if err := e.lockLinks(ctx); err != nil {
		return err
	}
	tag, err := e.tag(ctx, name)
	if err != nil {
		return err
	}
	all, err := e.q.SideTags(ctx)
	if err != nil {
		return fmt.Errorf("tags: read side tags: %w", err)
	}
	for _, side := range all {
		if side.ID != tag.ID {
			continue
		}
		if side.Owner != e.User.Name && !e.User.Has(PermAdmin) {
			return refuse(FaultNotAllowed, "side tag %s belongs to %s (logged in as %s)", name, side.Owner, e.User.Name)
		}
		children, err := e.Read().Children(ctx, tag.ID)
		if err != nil {
			return err
		}
		if len(children) > 0 {
			return refuse(FaultGeneric, "tag %s inherits from side tag %s", children[0].Child, name)
		}
		if err := e.noBuildFor(ctx, tag); err != nil {
			return err
		}
		defer e.lend(PermTag)()
		return e.RemoveTag(ctx, name)
	}
	return refuse(FaultGeneric, "tag %s is no side tag", name)
}

// noBuildFor refuses while something is being built into a tag: it would have
// nowhere to go.
func (e *Edit) noBuildFor(ctx context.Context, tag tagview.Tag) error {
	var build int64
	err := e.tx.QueryRow(ctx, "select id from builds where dest_tag = $1 and state = 'BUILDING' and not scratch order by id limit 1", tag.ID).Scan(&build)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("tags: builds for %s: %w", tag.Name, err)
	}
	return refuse(FaultGeneric, "build %d is being made for %s: cancel it, or wait for its end", build, tag.Name)
}

// lend gives the change permissions until the function that it returns is
// called, for what follows from a rule that allowed it.
func (e *Edit) lend(perms ...string) (end func()) {
	own := e.User.Perms
	e.User.Perms = slices.Concat(own, perms)
	return func() { e.User.Perms = own }
}
