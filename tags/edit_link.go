package tags

import (
	"context"
	"errors"
	"fmt"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
)

// LinkConfig is what a link of inheritance is, apart from its ends.
type LinkConfig struct {
	// Priority orders a child's parents, the lowest first; no two have the same.
	Priority int32
	// MaxDepth is how many generations may follow the parent; nil is any number.
	MaxDepth *int32
	// Intransitive makes only the child itself inherit, not its children.
	Intransitive bool
	// NoConfig keeps the parent's settings from being inherited.
	NoConfig bool
	// PkgFilter is the pattern a package must match, "" for all.
	PkgFilter string
}

// LinkChange says what to change of a link; what is nil stays.
type LinkChange struct {
	Priority *int32
	// MaxDepth is set, or with AnyDepth unlimited.
	MaxDepth     *int32
	AnyDepth     bool
	Intransitive *bool
	NoConfig     *bool
	PkgFilter    *string
}

// link looks up the ends of a link and the child's links.
func (e *Edit) link(ctx context.Context, child, parent string) (c, p tagview.Tag, links []tagview.Link, err error) {
	if err := e.lockLinks(ctx); err != nil {
		return c, p, nil, err
	}
	if c, err = e.tag(ctx, child); err != nil {
		return c, p, nil, err
	}
	if p, err = e.tag(ctx, parent); err != nil {
		return c, p, nil, err
	}
	links, err = e.Read().Parents(ctx, c.ID)
	return c, p, links, err
}

// AddLink makes a child inherit from a parent. Loops are allowed, walks end
// where they close.
func (e *Edit) AddLink(ctx context.Context, child, parent string, config LinkConfig) error {
	c, p, links, err := e.link(ctx, child, parent)
	if err != nil {
		return err
	}
	for _, link := range links {
		if link.ParentID == p.ID {
			return refuse(FaultGeneric, "tag %s inherits from %s already, with priority %d", child, parent, link.Priority)
		}
	}
	return e.insertLink(ctx, c, p, links, config)
}

// insertLink checks and writes a link beside the child's others.
func (e *Edit) insertLink(ctx context.Context, child, parent tagview.Tag, others []tagview.Link, config LinkConfig) error {
	for _, link := range others {
		if link.ParentID != parent.ID && link.Priority == config.Priority {
			return refuse(FaultGeneric, "priority %d of tag %s is taken by its parent %s", config.Priority, child.Name, link.Parent)
		}
	}
	if err := e.requirePerm(PermTag); err != nil {
		return err
	}
	if config.PkgFilter != "" {
		if _, err := tagview.CompileFilter(config.PkgFilter); err != nil {
			return refuse(FaultGeneric, "%v", err)
		}
		err := tagview.CheckFilter(ctx, e.tx, config.PkgFilter)
		if errors.Is(err, tagview.ErrSlowFilter) {
			return &RefusedError{Fault: FaultGeneric, Text: err.Error(), Err: err}
		}
		if err != nil {
			return err
		}
	}
	event, err := e.write(ctx, child.ID)
	if err != nil {
		return err
	}
	err = e.q.InsertLink(ctx, db.InsertLinkParams{
		TagID: child.ID, ParentID: parent.ID, Priority: config.Priority, Maxdepth: config.MaxDepth, Intransitive: config.Intransitive,
		Noconfig: config.NoConfig, PkgFilter: config.PkgFilter, CreateEvent: event,
	})
	if err != nil {
		return fmt.Errorf("tags: add link %s -> %s: %w", child.Name, parent.Name, err)
	}
	return nil
}

// EditLink changes a link.
func (e *Edit) EditLink(ctx context.Context, child, parent string, change LinkChange) error {
	c, p, links, err := e.link(ctx, child, parent)
	if err != nil {
		return err
	}
	old, ok := linkTo(links, p.ID)
	if !ok {
		return refuse(FaultGeneric, "tag %s does not inherit from %s", child, parent)
	}
	if err := e.requirePerm(PermTag); err != nil {
		return err
	}
	config := change.of(old)
	if sameLink(configOf(old), config) {
		return nil
	}
	if err := e.revokeLink(ctx, c, p); err != nil {
		return err
	}
	return e.insertLink(ctx, c, p, links, config)
}

func linkTo(links []tagview.Link, parent int64) (tagview.Link, bool) {
	for _, link := range links {
		if link.ParentID == parent {
			return link, true
		}
	}
	return tagview.Link{}, false
}

func configOf(link tagview.Link) LinkConfig {
	return LinkConfig{
		Priority: link.Priority, MaxDepth: link.MaxDepth, Intransitive: link.Intransitive, NoConfig: link.NoConfig, PkgFilter: link.PkgFilter,
	}
}

// of applies the change to a link.
func (c LinkChange) of(link tagview.Link) LinkConfig {
	config := configOf(link)
	if c.Priority != nil {
		config.Priority = *c.Priority
	}
	if c.MaxDepth != nil || c.AnyDepth {
		config.MaxDepth = c.MaxDepth
	}
	if c.Intransitive != nil {
		config.Intransitive = *c.Intransitive
	}
	if c.NoConfig != nil {
		config.NoConfig = *c.NoConfig
	}
	if c.PkgFilter != nil {
		config.PkgFilter = *c.PkgFilter
	}
	return config
}

func sameLink(a, b LinkConfig) bool {
	sameDepth := a.MaxDepth == nil && b.MaxDepth == nil || a.MaxDepth != nil && b.MaxDepth != nil && *a.MaxDepth == *b.MaxDepth
	a.MaxDepth, b.MaxDepth = nil, nil
	return sameDepth && a == b
}

// RemoveLink ends an inheritance.
func (e *Edit) RemoveLink(ctx context.Context, child, parent string) error {
	c, p, links, err := e.link(ctx, child, parent)
	if err != nil {
		return err
	}
	if _, ok := linkTo(links, p.ID); !ok {
		return refuse(FaultGeneric, "tag %s does not inherit from %s", child, parent)
	}
	if err := e.requirePerm(PermTag); err != nil {
		return err
	}
	return e.revokeLink(ctx, c, p)
}

func (e *Edit) revokeLink(ctx context.Context, child, parent tagview.Tag) error {
	event, err := e.write(ctx, child.ID)
	if err != nil {
		return err
	}
	if _, err := e.q.RevokeLink(ctx, db.RevokeLinkParams{TagID: child.ID, ParentID: parent.ID, RevokeEvent: &event}); err != nil {
		return fmt.Errorf("tags: remove link %s -> %s: %w", child.Name, parent.Name, err)
	}
	return nil
}
