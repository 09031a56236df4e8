package tags

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// planner compares what is with what shall be.
type planner struct {
	have, want *model
	prune      bool
	newUsers   []string
	plan       *Plan
}

// compare plans in the order in which things can be done: tags exist before
// links lead to them, and all links that go or change are removed before the
// first is added, so that parents can change places; so can external
// repositories.
func (p *planner) compare() {
	p.users()
	tags := sortedKeys(p.want.tags)
	for _, name := range tags {
		p.tag(name)
	}
	for _, name := range tags {
		p.removeLinks(name)
	}
	for _, name := range tags {
		p.addLinks(name)
	}
	for _, name := range tags {
		p.removeRepos(name)
		p.addRepos(name)
	}
	for _, name := range tags {
		p.groups(name)
	}
	for _, name := range tags {
		p.packages(name)
	}
	p.targets()
	p.otherTags()
	p.ignored()
}

// step adds a step. What it says of the thing follows its name.
func (p *planner) step(action Action, kind, name, says string) {
	p.plan.Steps = append(p.plan.Steps, Step{Action: action, Kind: kind, Text: kind + " " + name + says})
}

// do adds what does one or more steps.
func (p *planner) do(do func(context.Context, *Edit) error) { p.plan.do = append(p.plan.do, do) }

// inBrackets and afterColon join what is said of a thing.
func inBrackets(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return " (" + strings.Join(words, ", ") + ")"
}

func afterColon(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return ": " + strings.Join(words, ", ")
}

func (p *planner) users() {
	for _, name := range p.newUsers {
		p.step(Create, "user", name, " (owner of packages)")
		p.do(func(ctx context.Context, e *Edit) error { return e.addOwner(ctx, name) })
	}
}

// existing is what there is of a tag; nothing for a new one.
func (p *planner) existing(name string) *tagModel {
	if t := p.have.tags[name]; t != nil {
		return t
	}
	return newTagModel()
}

func (p *planner) removeLinks(name string) {
	have, want := p.existing(name).links, p.want.tags[name].links
	for _, parent := range sortedKeys(have) {
		config, stays := want[parent]
		if stays && sameLink(have[parent], config) {
			continue
		}
		if !stays {
			p.step(Remove, "link", name+" -> "+parent, "")
		}
		p.do(func(ctx context.Context, e *Edit) error { return e.RemoveLink(ctx, name, parent) })
	}
}

func (p *planner) addLinks(name string) {
	have, want := p.existing(name).links, p.want.tags[name].links
	parents := sortedKeys(want)
	slices.SortStableFunc(parents, func(a, b string) int { return int(want[a].Priority) - int(want[b].Priority) })
	for _, parent := range parents {
		config := want[parent]
		old, there := have[parent]
		switch {
		case !there:
			p.step(Create, "link", name+" -> "+parent, inBrackets(linkWords(config)))
		case sameLink(old, config):
			continue
		default:
			p.step(Change, "link", name+" -> "+parent, afterColon(linkChanges(old, config)))
		}
		p.do(func(ctx context.Context, e *Edit) error { return e.AddLink(ctx, name, parent, config) })
	}
}

// linkWords describes a link.
func linkWords(c LinkConfig) []string {
	words := []string{fmt.Sprintf("priority %d", c.Priority)}
	if c.MaxDepth != nil {
		words = append(words, fmt.Sprintf("maxdepth %d", *c.MaxDepth))
	}
	if c.Intransitive {
		words = append(words, "intransitive")
	}
	if c.NoConfig {
		words = append(words, "noconfig")
	}
	if c.PkgFilter != "" {
		words = append(words, fmt.Sprintf("pkg_filter %q", c.PkgFilter))
	}
	return words
}

// linkChanges describes how a link changes.
func linkChanges(old, c LinkConfig) []string {
	depth := func(d *int32) string {
		if d == nil {
			return "any"
		}
		return fmt.Sprint(*d)
	}
	var words []string
	if old.Priority != c.Priority {
		words = append(words, fmt.Sprintf("priority %d -> %d", old.Priority, c.Priority))
	}
	if depth(old.MaxDepth) != depth(c.MaxDepth) {
		words = append(words, "maxdepth "+depth(old.MaxDepth)+" -> "+depth(c.MaxDepth))
	}
	words = append(words, flagChange("intransitive", old.Intransitive, c.Intransitive)...)
	words = append(words, flagChange("noconfig", old.NoConfig, c.NoConfig)...)
	return append(words, quotedChange("pkg_filter", old.PkgFilter, c.PkgFilter)...)
}

func flagChange(name string, old, now bool) []string {
	switch {
	case old == now:
		return nil
	case now:
		return []string{name}
	}
	return []string{"not " + name}
}

func quotedChange(name, old, now string) []string {
	if old == now {
		return nil
	}
	return []string{fmt.Sprintf("%s %q -> %q", name, old, now)}
}

func textChange(name, old, now string) []string {
	none := func(s string) string {
		if s == "" {
			return "none"
		}
		return s
	}
	if old == now {
		return nil
	}
	return []string{name + " " + none(old) + " -> " + none(now)}
}

func (p *planner) removeRepos(name string) {
	have, want := p.existing(name).repos, p.want.tags[name].repos
	for _, repo := range sortedKeys(have) {
		now, stays := want[repo]
		if stays && now == have[repo] {
			continue
		}
		if !stays {
			p.step(Remove, "external repository", repo+" in "+name, "")
		}
		p.do(func(ctx context.Context, e *Edit) error { return e.RemoveExternalRepo(ctx, name, repo) })
	}
}

func (p *planner) addRepos(name string) {
	have, want := p.existing(name).repos, p.want.tags[name].repos
	for _, repo := range sortedKeys(want) {
		old, there := have[repo]
		now := want[repo]
		switch {
		case !there:
			p.step(Create, "external repository", repo+" in "+name, inBrackets([]string{now.url, fmt.Sprintf("priority %d", now.priority)}))
		case old == now:
			continue
		default:
			words := textChange("url", old.url, now.url)
			words = append(words, textChange("priority", fmt.Sprint(old.priority), fmt.Sprint(now.priority))...)
			p.step(Change, "external repository", repo+" in "+name, afterColon(words))
		}
		p.do(func(ctx context.Context, e *Edit) error {
			return e.AddExternalRepo(ctx, name, repo, now.url, now.priority)
		})
	}
}

func (p *planner) targets() {
	for _, name := range sortedKeys(p.have.targets) {
		if _, stays := p.want.targets[name]; stays {
			continue
		}
		t := p.have.targets[name]
		if p.have.isSideTag(t.BuildTag) {
			continue // it comes and goes with its tag
		}
		p.step(Remove, "target", name, " ("+t.BuildTag+" -> "+t.DestTag+")")
		p.do(func(ctx context.Context, e *Edit) error { return e.RemoveTarget(ctx, name) })
	}
	for _, name := range sortedKeys(p.want.targets) {
		old, there := p.have.targets[name]
		now := p.want.targets[name]
		if !there {
			p.step(Create, "target", name, ": "+now.BuildTag+" -> "+now.DestTag+inBrackets(slices.Concat([]string{branchWords(now.Branches)}, now.policyWords(), lagWords(now))))
			p.do(func(ctx context.Context, e *Edit) error { return e.AddTarget(ctx, name, now) })
			continue
		}
		words := textChange("build_tag", old.BuildTag, now.BuildTag)
		words = append(words, textChange("dest_tag", old.DestTag, now.DestTag)...)
		words = append(words, textChange("branches", strings.Join(old.Branches, " "), strings.Join(now.Branches, " "))...)
		words = append(append(words, policyChanges(old, now)...), lagChange(old, now)...)
		if len(words) == 0 {
			continue
		}
		p.step(Change, "target", name, afterColon(words))
		change := TargetChange{
			BuildTag: &now.BuildTag, DestTag: &now.DestTag, Branches: now.Branches,
			Lagging: now.Lagging, BestEffort: now.BestEffort, NoarchContent: &now.NoarchContent, RepoLag: &now.RepoLag,
		}
		p.do(func(ctx context.Context, e *Edit) error { return e.EditTarget(ctx, name, change) })
	}
}

func branchWords(branches []string) string {
	switch len(branches) {
	case 0:
		return "no branches"
	case 1:
		return "branch " + branches[0]
	}
	return "branches " + strings.Join(branches, " ")
}

// otherTags are those the file does not have.
func (p *planner) otherTags() {
	var left []string
	for _, name := range sortedKeys(p.have.tags) {
		if p.want.tags[name] != nil {
			continue
		}
		if !p.prune {
			left = append(left, name)
			continue
		}
		says := ""
		if n := p.have.tags[name].builds; n > 0 {
			says = fmt.Sprintf(" (builds tagged into it: %d)", n)
		}
		p.step(Remove, "tag", name, says)
		p.do(func(ctx context.Context, e *Edit) error { return e.RemoveTag(ctx, name) })
	}
	if len(left) > 0 {
		p.plan.Notes = append(p.plan.Notes, "not in the file and left alone (pruning removes them): "+strings.Join(left, " "))
	}
}

func (p *planner) ignored() {
	changed := false
	for _, glob := range p.want.ignored {
		if !slices.Contains(p.have.ignored, glob) {
			changed = true
			p.step(Create, "ignored branch", glob, "")
		}
	}
	for _, glob := range p.have.ignored {
		if !slices.Contains(p.want.ignored, glob) {
			changed = true
			p.step(Remove, "ignored branch", glob, "")
		}
	}
	if changed {
		p.do(func(ctx context.Context, e *Edit) error { return e.setIgnoredBranches(ctx, p.want.ignored) })
	}
}
