package tags

import (
	"context"
	"fmt"
	"strings"
)

// groups plans the comps groups that a tag has itself.
func (p *planner) groups(tag string) {
	have, want := p.existing(tag).groups, p.want.tags[tag].groups
	for _, name := range sortedKeys(have) {
		if want[name] == nil {
			p.removeGroup(tag, name, have[name])
		}
	}
	for _, name := range sortedKeys(want) {
		old := have[name]
		if old == nil {
			old = newGroupModel()
		}
		p.group(tag, name, old, want[name])
	}
}

func (p *planner) removeGroup(tag, name string, old *groupModel) {
	p.step(Remove, "group", name+" in "+tag, "")
	p.do(func(ctx context.Context, e *Edit) error {
		return e.setGroup(ctx, tag, name, groupChange{
			config: old.config != nil, dropPackages: sortedKeys(old.packages), dropRequires: sortedKeys(old.requires),
		})
	})
}

// group plans one group. A new one is one step with all that is in it, in others
// each package and each required group is a step.
func (p *planner) group(tag, name string, old, now *groupModel) {
	change := groupChange{
		config: !sameConfig(old.config, now.config), to: now.config,
		packages: map[string]memberModel{}, requires: map[string]memberModel{},
	}
	fresh := old.config == nil && len(old.packages) == 0 && len(old.requires) == 0
	if fresh && (now.config != nil || len(now.packages)+len(now.requires) > 0) {
		p.step(Create, "group", name+" in "+tag, afterColon(now.words(name)))
	} else if change.config {
		p.step(Change, "group", name+" in "+tag, afterColon(configChanges(name, old.config, now.config)))
	}
	for _, side := range []struct {
		kind      string
		have, now map[string]memberModel
		set       map[string]memberModel
		drop      *[]string
	}{
		{"package", old.packages, now.packages, change.packages, &change.dropPackages},
		{"required group", old.requires, now.requires, change.requires, &change.dropRequires},
	} {
		for _, member := range sortedKeys(side.have) {
			if _, stays := side.now[member]; !stays {
				*side.drop = append(*side.drop, member)
				p.step(Remove, "group", name+" in "+tag, ": "+side.kind+" "+member)
			}
		}
		for _, member := range sortedKeys(side.now) {
			was, there := side.have[member]
			is := side.now[member]
			switch {
			case there && was == is:
				continue
			case there:
				p.step(Change, "group", name+" in "+tag, ": "+side.kind+" "+member+inBrackets(is.changes(was)))
			case !fresh:
				p.step(Create, "group", name+" in "+tag, ": "+side.kind+" "+member+inBrackets(is.words()))
			}
			side.set[member] = is
		}
	}
	if change.config || len(change.packages)+len(change.requires)+len(change.dropPackages)+len(change.dropRequires) > 0 {
		p.do(func(ctx context.Context, e *Edit) error { return e.setGroup(ctx, tag, name, change) })
	}
}

func sameConfig(a, b *groupConfig) bool { return a == b || a != nil && b != nil && *a == *b }

// words describes a new group.
func (g *groupModel) words(name string) []string {
	var words []string
	if g.config == nil {
		words = append(words, "added to what is inherited")
	} else {
		standard := defaultGroup(name)
		words = append(words, configChanges(name, &standard, g.config)...)
	}
	if list := memberWords(g.packages); list != "" {
		words = append(words, "packages "+list)
	}
	if list := memberWords(g.requires); list != "" {
		words = append(words, "requires "+list)
	}
	return words
}

func memberWords(members map[string]memberModel) string {
	var list []string
	for _, name := range sortedKeys(members) {
		list = append(list, name+inBrackets(members[name].words()))
	}
	return strings.Join(list, " ")
}

// words describes a member that is not as most are.
func (m memberModel) words() []string { return m.changes(memberModel{kind: typeMandatory}) }

func (m memberModel) changes(was memberModel) []string {
	var words []string
	if m.kind != was.kind {
		words = append(words, m.kind)
	}
	words = append(words, textChange("requires", was.requires, m.requires)...)
	words = append(words, flagChange("basearchonly", was.baseArchOnly, m.baseArchOnly)...)
	return append(words, flagChange("blocked", was.blocked, m.blocked)...)
}

// configChanges describes how a group changes. nil is a group that the parents
// describe.
func configChanges(name string, old, now *groupConfig) []string {
	if now == nil {
		return []string{"described by the parents"}
	}
	var words []string
	if old == nil {
		words = append(words, "described by the tag itself")
		standard := defaultGroup(name)
		old = &standard
	}
	words = append(words, quotedChange("display_name", old.displayName, now.displayName)...)
	words = append(words, quotedChange("description", old.description, now.description)...)
	words = append(words, quotedChange("langonly", old.langOnly, now.langOnly)...)
	for _, f := range []struct {
		name     string
		old, now bool
	}{
		{"default", old.isDefault, now.isDefault},
		{"uservisible", old.userVisible, now.userVisible},
		{"exported", old.exported, now.exported},
		{"biarchonly", old.biarchOnly, now.biarchOnly},
		{"blocked", old.blocked, now.blocked},
	} {
		words = append(words, flagChange(f.name, f.old, f.now)...)
	}
	return words
}

// packages plans a tag's own package list, if the file has it.
func (p *planner) packages(tag string) {
	have, want := p.existing(tag).packages, p.want.tags[tag].packages
	if want == nil {
		return
	}
	change := listChange{entries: map[string]packageModel{}, owners: map[string]packageModel{}}
	for _, name := range sortedKeys(have) {
		if _, stays := want[name]; !stays {
			change.drop = append(change.drop, name)
			p.step(Remove, "package", name+" in "+tag, "")
		}
	}
	for _, name := range sortedKeys(want) {
		old, there := have[name]
		now := want[name]
		switch {
		case !there:
			p.step(Create, "package", name+" in "+tag, inBrackets(append([]string{"owner " + now.owner}, now.words(packageModel{})...)))
			change.entries[name], change.owners[name] = now, now
		case old.equal(now):
		default:
			words := append(textChange("owner", old.owner, now.owner), now.words(old)...)
			p.step(Change, "package", name+" in "+tag, afterColon(words))
			if !old.sameEntry(now) {
				change.entries[name] = now
			}
			if old.owner != now.owner {
				change.owners[name] = now
			}
		}
	}
	if len(change.drop)+len(change.entries)+len(change.owners) > 0 {
		p.do(func(ctx context.Context, e *Edit) error { return e.setPackages(ctx, tag, change) })
	}
}

// words describes how an entry differs from another, apart from the owner.
func (p packageModel) words(old packageModel) []string {
	words := flagChange("blocked", old.blocked, p.blocked)
	if !sameText(old.extraArches, p.extraArches) {
		switch {
		case p.extraArches == nil:
			words = append(words, "no extra arches named")
		case *p.extraArches == "":
			words = append(words, "extra arches none")
		default:
			words = append(words, fmt.Sprintf("extra arches %s", *p.extraArches))
		}
	}
	return words
}
