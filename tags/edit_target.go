package tags

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
)

// TargetConfig is what a target is, apart from its name.
type TargetConfig struct {
	BuildTag, DestTag string
	// Branches of dist-git whose pushes are built for the target.
	Branches []string
	// Lagging and BestEffort are the architectures whose failure does not fail a
	// build; see queue.PolicyLagging. All others are blocking.
	Lagging, BestEffort []string
	// NoarchContent is NoarchWarn or NoarchFail; empty is NoarchWarn.
	NoarchContent string
	// RepoLag is how long after its build tag changed a build may still begin
	// with the repository from before, in whole seconds up to MaxRepoLag; 0 is
	// never.
	RepoLag time.Duration
}

// TargetChange says what to change of a target; what is nil stays.
type TargetChange struct {
	Name, BuildTag, DestTag *string
	Branches                []string
	Lagging, BestEffort     []string
	NoarchContent           *string
	RepoLag                 *time.Duration
}

// target looks up a target that must be known. Koji knows those that were
// removed, too: there says whether it is in use.
func (e *Edit) target(ctx context.Context, name string) (row db.TargetByNameRow, there bool, err error) {
	row, err = e.q.TargetByName(ctx, name)
	if errors.Is(err, pgx.ErrNoRows) {
		return row, false, refuse(FaultGeneric, "no such target: %q", name)
	}
	if err != nil {
		return row, false, fmt.Errorf("tags: read target %s: %w", name, err)
	}
	return row, row.RevokeEvent == nil, nil
}

// freeTarget refuses a target's name that is in use.
func (e *Edit) freeTarget(ctx context.Context, name string) error {
	_, there, err := e.target(ctx, name)
	switch {
	case there:
		return refuse(FaultGeneric, "a target with the name %q already exists", name)
	case err != nil && !refused(err):
		return err
	}
	return nil
}

// AddTarget makes a target.
func (e *Edit) AddTarget(ctx context.Context, name string, config TargetConfig) error {
	if err := e.requirePerm(PermTarget); err != nil {
		return err
	}
	if err := checkName("target", name); err != nil {
		return err
	}
	if err := e.lockLinks(ctx); err != nil {
		return err
	}
	if err := e.freeTarget(ctx, name); err != nil {
		return err
	}
	return e.insertTarget(ctx, name, config)
}

func (e *Edit) insertTarget(ctx context.Context, name string, config TargetConfig) error {
	config.NoarchContent = cmp.Or(config.NoarchContent, NoarchWarn)
	if err := cmp.Or(config.checkPolicies(), config.checkLag()); err != nil {
		return err
	}
	buildTag, err := e.tag(ctx, config.BuildTag)
	if err != nil {
		return err
	}
	destTag, err := e.tag(ctx, config.DestTag)
	if err != nil {
		return err
	}
	event, err := e.write(ctx, 0)
	if err != nil {
		return err
	}
	for _, list := range []*[]string{&config.Branches, &config.Lagging, &config.BestEffort} {
		if *list == nil {
			*list = []string{}
		}
	}
	err = e.q.InsertTarget(ctx, db.InsertTargetParams{
		Name: name, BuildTag: buildTag.ID, DestTag: destTag.ID, Branches: config.Branches, CreateEvent: event,
		Lagging: config.Lagging, BestEffort: config.BestEffort, NoarchContent: config.NoarchContent,
		RepoLagSeconds: int64(config.RepoLag / time.Second),
	})
	if err != nil {
		return fmt.Errorf("tags: add target %s: %w", name, err)
	}
	return nil
}

// EditTarget changes a target. A rename renames its past, too. One that was
// removed is there again (Koji's rule).
func (e *Edit) EditTarget(ctx context.Context, name string, c TargetChange) error {
	if err := e.requirePerm(PermTarget); err != nil {
		return err
	}
	if err := e.lockLinks(ctx); err != nil {
		return err
	}
	old, _, err := e.target(ctx, name)
	if err != nil {
		return err
	}
	config := TargetConfig{
		BuildTag: old.BuildTagName, DestTag: old.DestTagName, Branches: old.Branches,
		Lagging: old.Lagging, BestEffort: old.BestEffort, NoarchContent: old.NoarchContent,
		RepoLag: time.Duration(old.RepoLagSeconds) * time.Second,
	}
	if c.BuildTag != nil {
		config.BuildTag = *c.BuildTag
	}
	if c.DestTag != nil {
		config.DestTag = *c.DestTag
	}
	if c.Branches != nil {
		config.Branches = c.Branches
	}
	if c.Lagging != nil {
		config.Lagging = c.Lagging
	}
	if c.BestEffort != nil {
		config.BestEffort = c.BestEffort
	}
	if c.NoarchContent != nil {
		config.NoarchContent = *c.NoarchContent
	}
	if c.RepoLag != nil {
		config.RepoLag = *c.RepoLag
	}
	if c.Name != nil && *c.Name != name {
		if err := e.renameTarget(ctx, name, *c.Name); err != nil {
			return err
		}
		name = *c.Name
	}
	event, err := e.write(ctx, 0)
	if err != nil {
		return err
	}
	if _, err := e.q.RevokeTarget(ctx, db.RevokeTargetParams{Name: name, RevokeEvent: &event}); err != nil {
		return fmt.Errorf("tags: edit target %s: %w", name, err)
	}
	return e.insertTarget(ctx, name, config)
}

func (e *Edit) renameTarget(ctx context.Context, name, to string) error {
	if err := checkName("target", to); err != nil {
		return err
	}
	if err := e.freeTarget(ctx, to); err != nil {
		return err
	}
	if err := e.q.RenameTarget(ctx, db.RenameTargetParams{Name: name, NewName: to}); err != nil {
		return fmt.Errorf("tags: rename target %s: %w", name, err)
	}
	return nil
}

// RemoveTarget removes a target. To remove it twice is no mistake (Koji's rule).
func (e *Edit) RemoveTarget(ctx context.Context, name string) error {
	if err := e.requirePerm(PermTarget); err != nil {
		return err
	}
	if err := e.lockLinks(ctx); err != nil {
		return err
	}
	_, there, err := e.target(ctx, name)
	if err != nil || !there {
		return err
	}
	event, err := e.write(ctx, 0)
	if err != nil {
		return err
	}
	if _, err := e.q.RevokeTarget(ctx, db.RevokeTargetParams{Name: name, RevokeEvent: &event}); err != nil {
		return fmt.Errorf("tags: remove target %s: %w", name, err)
	}
	return nil
}
