package tags

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
)

// The operations of this file make things exactly as they are told. Koji's verbs
// merge with what is there or inherited, which a file can't know.

// addOwner makes a user who owns packages, if there is none of the name.
func (e *Edit) addOwner(ctx context.Context, name string) error {
	if err := e.requirePerm(PermAdmin); err != nil {
		return err
	}
	if err := e.q.AddOwner(ctx, name); err != nil {
		return fmt.Errorf("tags: add user %s: %w", name, err)
	}
	return nil
}

// dropExtra removes a tag's own settings, blocks of settings as well.
func (e *Edit) dropExtra(ctx context.Context, name string, keys []string) error {
	if err := e.requirePerm(PermTag); err != nil || len(keys) == 0 {
		return err
	}
	tag, err := e.contentTag(ctx, name)
	if err != nil {
		return err
	}
	event, err := e.write(ctx, tag.ID)
	if err != nil {
		return err
	}
	e.settings = true
	for _, key := range keys {
		if _, err := e.q.RevokeTagExtra(ctx, db.RevokeTagExtraParams{TagID: tag.ID, Key: key, RevokeEvent: &event}); err != nil {
			return fmt.Errorf("tags: remove extra %s of %s: %w", key, tag.Name, err)
		}
	}
	return nil
}

// AddExternalRepo has buildroots of a tag installed from a repository made
// elsewhere, too. Of several the one with the lowest priority comes first, and no
// two have the same. The tag's own repository does not change by that.
func (e *Edit) AddExternalRepo(ctx context.Context, tagName, name, url string, priority int32) error {
	if err := checkName("external repository", name); err != nil {
		return err
	}
	tag, repos, err := e.externalRepos(ctx, tagName)
	if err != nil {
		return err
	}
	for _, repo := range repos {
		switch {
		case repo.Name == name:
			return refuse(FaultGeneric, "tag %s has an external repository %s already, with priority %d", tagName, name, repo.Priority)
		case repo.Priority == priority:
			return refuse(FaultGeneric, "priority %d of tag %s is taken by its external repository %s", priority, tagName, repo.Name)
		}
	}
	event, err := e.write(ctx, 0)
	if err != nil {
		return err
	}
	err = e.q.InsertExternalRepo(ctx, db.InsertExternalRepoParams{TagID: tag.ID, Name: name, Url: url, Priority: priority, CreateEvent: event})
	if err != nil {
		return fmt.Errorf("tags: add external repository %s to %s: %w", name, tagName, err)
	}
	return nil
}

// RemoveExternalRepo undoes AddExternalRepo.
func (e *Edit) RemoveExternalRepo(ctx context.Context, tagName, name string) error {
	_, repos, err := e.externalRepos(ctx, tagName)
	if err != nil {
		return err
	}
	for _, repo := range repos {
		if repo.Name != name {
			continue
		}
		event, err := e.write(ctx, 0)
		if err != nil {
			return err
		}
		if err := e.q.RevokeExternalRepo(ctx, db.RevokeExternalRepoParams{ID: repo.ID, RevokeEvent: &event}); err != nil {
			return fmt.Errorf("tags: remove external repository %s from %s: %w", name, tagName, err)
		}
		return nil
	}
	return refuse(FaultGeneric, "tag %s has no external repository %s", tagName, name)
}

// externalRepos locks a tag and returns its own external repositories.
func (e *Edit) externalRepos(ctx context.Context, tagName string) (tagview.Tag, []db.TagExternalRepo, error) {
	if err := e.requirePerm(PermTag); err != nil {
		return tagview.Tag{}, nil, err
	}
	tag, err := e.contentTag(ctx, tagName)
	if err != nil {
		return tag, nil, err
	}
	repos, err := e.q.ExternalReposOfTag(ctx, tag.ID)
	if err != nil {
		return tag, nil, fmt.Errorf("tags: read external repositories of %s: %w", tagName, err)
	}
	return tag, repos, nil
}

// groupChange says how a tag's own group changes.
type groupChange struct {
	// config changes to to, which is nil for none.
	config bool
	to     *groupConfig
	// packages and requires are set, those to drop are removed.
	packages, requires         map[string]memberModel
	dropPackages, dropRequires []string
}

func (e *Edit) setGroup(ctx context.Context, tagName, name string, c groupChange) error {
	tag, err := e.groupTag(ctx, tagName)
	if err != nil {
		return err
	}
	id, err := e.q.AddGroup(ctx, name)
	if err != nil {
		return fmt.Errorf("tags: add group %s: %w", name, err)
	}
	group := tagview.Group{ID: id, Name: name}
	switch {
	case c.config && c.to != nil:
		err = e.writeGroup(ctx, tag, name, c.to.blocked, c.to.row())
	case c.config:
		err = e.revokeGroup(ctx, tag, group)
	}
	if err != nil {
		return err
	}
	if err := e.setGroupPackages(ctx, tag, group, c); err != nil {
		return err
	}
	return e.setGroupRequires(ctx, tag, group, c)
}

func (e *Edit) setGroupPackages(ctx context.Context, tag tagview.Tag, group tagview.Group, c groupChange) error {
	for _, pkg := range c.dropPackages {
		if err := e.revokeGroupPackage(ctx, tag, group.ID, pkg); err != nil {
			return err
		}
	}
	for _, pkg := range sortedKeys(c.packages) {
		m := c.packages[pkg]
		config := tagview.GroupPackageConfig{Type: &m.kind, Requires: textOrNil(m.requires)}
		if m.baseArchOnly {
			config.BaseArchOnly = &m.baseArchOnly
		}
		if err := e.writeGroupPackage(ctx, tag, group, pkg, m.blocked, config); err != nil {
			return err
		}
	}
	return nil
}

func (e *Edit) setGroupRequires(ctx context.Context, tag tagview.Tag, group tagview.Group, c groupChange) error {
	for _, name := range c.dropRequires {
		req, err := e.group(ctx, name)
		if err != nil {
			return err
		}
		event, err := e.write(ctx, tag.ID)
		if err != nil {
			return err
		}
		_, err = e.q.RevokeGroupRequire(ctx, db.RevokeGroupRequireParams{TagID: tag.ID, GroupID: group.ID, ReqID: req, RevokeEvent: &event})
		if err != nil {
			return fmt.Errorf("tags: remove requirement %s of group %s of %s: %w", name, group.Name, tag.Name, err)
		}
	}
	for _, name := range sortedKeys(c.requires) {
		m := c.requires[name]
		req, err := e.q.AddGroup(ctx, name)
		if err != nil {
			return fmt.Errorf("tags: add group %s: %w", name, err)
		}
		if err := e.writeGroupRequire(ctx, tag, group, tagview.GroupRequire{ReqID: req, Name: name, Type: &m.kind}, m.blocked); err != nil {
			return err
		}
	}
	return nil
}

// listChange says how a tag's own package list changes. Owners are given apart:
// nobody's repository changes by them.
type listChange struct {
	entries, owners map[string]packageModel
	drop            []string
}

// setPackages changes a package list in a few statements, however long it is.
// Owners must be users.
func (e *Edit) setPackages(ctx context.Context, tagName string, c listChange) error {
	if err := e.requirePackageList(); err != nil {
		return err
	}
	tag, err := e.contentTag(ctx, tagName)
	if err != nil {
		return err
	}
	if err := e.q.AddPackages(ctx, sortedKeys(c.entries)); err != nil {
		return fmt.Errorf("tags: add packages: %w", err)
	}
	if err := e.setEntries(ctx, tag, c); err != nil {
		return fmt.Errorf("tags: change package list of %s: %w", tagName, err)
	}
	if err := e.setOwners(ctx, tag, c.owners); err != nil {
		return fmt.Errorf("tags: change owners of packages of %s: %w", tagName, err)
	}
	return nil
}

func (e *Edit) setEntries(ctx context.Context, tag tagview.Tag, c listChange) error {
	if len(c.entries)+len(c.drop) == 0 {
		return nil
	}
	event, err := e.write(ctx, tag.ID)
	if err != nil {
		return err
	}
	type entry struct {
		Name        string  `json:"name"`
		Blocked     bool    `json:"blocked"`
		ExtraArches *string `json:"extra_arches"`
	}
	list := []entry{}
	for _, name := range sortedKeys(c.entries) {
		list = append(list, entry{name, c.entries[name].blocked, c.entries[name].extraArches})
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	gone := append(sortedKeys(c.entries), c.drop...)
	if err := e.q.RevokeTagPackages(ctx, db.RevokeTagPackagesParams{TagID: tag.ID, Names: gone, RevokeEvent: &event}); err != nil {
		return err
	}
	return e.q.InsertTagPackages(ctx, db.InsertTagPackagesParams{TagID: tag.ID, Entries: text, CreateEvent: event})
}

func (e *Edit) setOwners(ctx context.Context, tag tagview.Tag, owners map[string]packageModel) error {
	if len(owners) == 0 {
		return nil
	}
	event, err := e.write(ctx, 0)
	if err != nil {
		return err
	}
	type entry struct {
		Name  string `json:"name"`
		Owner string `json:"owner"`
	}
	list := []entry{}
	for _, name := range sortedKeys(owners) {
		list = append(list, entry{name, owners[name].owner})
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	err = e.q.RevokeTagPackageOwners(ctx, db.RevokeTagPackageOwnersParams{TagID: tag.ID, Names: sortedKeys(owners), RevokeEvent: &event})
	if err != nil {
		return err
	}
	return e.q.InsertTagPackageOwners(ctx, db.InsertTagPackageOwnersParams{TagID: tag.ID, Entries: text, CreateEvent: event})
}

// setIgnoredBranches replaces the globs of ignored branches.
func (e *Edit) setIgnoredBranches(ctx context.Context, globs []string) error {
	if err := e.requirePerm(PermTarget); err != nil {
		return err
	}
	if _, err := e.write(ctx, 0); err != nil {
		return err
	}
	if err := e.q.ReplaceIgnoredBranches(ctx, globs); err != nil {
		return fmt.Errorf("tags: set ignored branches: %w", err)
	}
	return nil
}
