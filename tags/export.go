package tags

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
)

// Export writes the tag model at the reader's moment as a distribution file;
// ignored branches, which have no history, as they are now. To plan the text of
// now plans nothing. Tags come after their parents, and all else by name, so that
// two exports differ only where the model does. The reader's connection is a
// transaction with one snapshot, where others may change the model meanwhile.
//
// What no file may say, such as tags that inherit in a circle, is a *DistroError:
// its lines are those of the text, which is returned beside it.
func Export(ctx context.Context, r tagview.Reader) (text []byte, err error) {
	m, err := readModel(ctx, db.New(r.Conn), r.At.Event())
	if err != nil {
		return nil, err
	}
	if text, err = m.export(); err != nil {
		return nil, err
	}
	d, err := ReadDistro(bytes.NewReader(text))
	if err != nil {
		return text, err
	}
	// A file that would change something must not leave the house.
	p := &planner{have: m, want: d.model(), plan: &Plan{}}
	if p.compare(); len(p.plan.Steps) > 0 {
		return text, fmt.Errorf("tags: export: the text does not say all that is there: %s", p.plan.Steps[0])
	}
	return text, nil
}

// export writes a model.
func (m *model) export() ([]byte, error) {
	x := &exporter{common: m.commonArches(), urls: m.commonURLs()}
	root, tags, packages, targets := &mapping{}, &mapping{}, &mapping{}, &mapping{}
	for _, name := range m.parentsFirst() {
		tag, err := x.tag(m.tags[name])
		if err != nil {
			return nil, err
		}
		tags.set(name, tag)
		packages.set(name, packageItems(m.tags[name].packages))
	}
	for _, name := range sortedKeys(m.targets) {
		t := m.targets[name]
		target := &mapping{}
		target.set("build_tag", text(t.BuildTag))
		target.set("dest_tag", text(t.DestTag))
		target.set("branches", texts(t.Branches))
		target.setPolicies(t)
		target.setLag(t)
		targets.set(name, target.flow())
	}
	if x.common != "" {
		root.set("arches", texts(strings.Fields(x.common)))
	}
	root.set("external_repos", x.externalRepos())
	root.set("tags", tags.block())
	root.set("packages", packages.block())
	root.set("targets", targets.block())
	root.set("ignore_branches", texts(m.ignored))
	var out bytes.Buffer
	out.WriteString("# Written by distbot tag export. What applying it would change, distbot plan tells.\n")
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(root.block()), encoder.Close()); err != nil {
		return nil, fmt.Errorf("tags: export: %w", err)
	}
	return out.Bytes(), nil
}

// exporter writes what the file says once for all and leaves it out elsewhere.
type exporter struct {
	// common are the arches that most tags have.
	common string
	// urls are the external repositories by their names.
	urls map[string]string
}

// most is the key that was counted most often, the first by name of several.
func most(counts map[string]int) string {
	keys := sortedKeys(counts)
	slices.SortStableFunc(keys, func(a, b string) int { return counts[b] - counts[a] })
	if len(keys) == 0 {
		return ""
	}
	return keys[0]
}

// commonArches are those that most tags have.
func (m *model) commonArches() string {
	counts := map[string]int{}
	for _, tag := range m.tags {
		if tag.arches != nil && *tag.arches != "" {
			counts[*tag.arches]++
		}
	}
	return most(counts)
}

// commonURLs are those that most tags have for an external repository's name.
func (m *model) commonURLs() map[string]string {
	counts := map[string]map[string]int{}
	for _, tag := range m.tags {
		for name, repo := range tag.repos {
			if counts[name] == nil {
				counts[name] = map[string]int{}
			}
			counts[name][repo.url]++
		}
	}
	urls := map[string]string{}
	for name := range counts {
		urls[name] = most(counts[name])
	}
	return urls
}

// parentsFirst orders tags: by name, but parents before their children.
func (m *model) parentsFirst() []string {
	var order []string
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if seen[name] || m.tags[name] == nil {
			return
		}
		seen[name] = true
		for _, parent := range sortedKeys(m.tags[name].links) {
			visit(parent)
		}
		order = append(order, name)
	}
	for _, name := range sortedKeys(m.tags) {
		visit(name)
	}
	return order
}

func (x *exporter) externalRepos() *yaml.Node {
	repos := &mapping{}
	for _, name := range sortedKeys(x.urls) {
		repo := &mapping{}
		repo.set("url", text(x.urls[name]))
		repos.set(name, repo.flow())
	}
	return repos.block()
}

func (x *exporter) tag(t *tagModel) (*yaml.Node, error) {
	tag := &mapping{}
	switch {
	case t.arches == nil:
		tag.set("arches", text("inherit"))
	case *t.arches != x.common || x.common == "":
		tag.set("arches", texts(strings.Fields(*t.arches)))
	}
	tag.setText("perm", t.perm)
	tag.setFlag("locked", t.locked, false)
	if len(t.links) > 0 {
		tag.set("inherit", links(t.links))
	}
	if len(t.repos) > 0 {
		tag.set("external_repos", x.tagRepos(t.repos))
	}
	if len(t.groups) > 0 {
		groups := &mapping{}
		for _, name := range sortedKeys(t.groups) {
			groups.set(name, group(name, t.groups[name]))
		}
		tag.set("groups", groups.block())
	}
	if err := settings(tag, t.extra); err != nil {
		return nil, err
	}
	return tag.block(), nil
}

// settings writes values and blocks apart.
func settings(tag *mapping, all map[string]json.RawMessage) error {
	extra := &mapping{}
	var blocked []string
	for _, key := range sortedKeys(all) {
		if all[key] == nil {
			blocked = append(blocked, key)
			continue
		}
		value, err := setting(key, all[key])
		if err != nil {
			return err
		}
		extra.set(key, value)
	}
	if len(extra.content) > 0 {
		tag.set("extra", extra.block())
	}
	if len(blocked) > 0 {
		tag.set("extra_blocked", texts(blocked))
	}
	return nil
}

// links writes parents by priority, without one where their place says it.
func links(m map[string]LinkConfig) *yaml.Node {
	parents := sortedKeys(m)
	slices.SortStableFunc(parents, func(a, b string) int { return int(m[a].Priority) - int(m[b].Priority) })
	var items []*yaml.Node
	for i, name := range parents {
		config := m[name]
		entry := &mapping{}
		entry.set("parent", text(name))
		if config.Priority != priority(nil, i) {
			entry.set("priority", number(config.Priority))
		}
		if config.MaxDepth != nil {
			entry.set("maxdepth", number(*config.MaxDepth))
		}
		entry.setFlag("intransitive", config.Intransitive, false)
		entry.setFlag("noconfig", config.NoConfig, false)
		entry.setText("pkg_filter", config.PkgFilter)
		items = append(items, entry.item())
	}
	return list(items)
}

func (x *exporter) tagRepos(m map[string]repoModel) *yaml.Node {
	names := sortedKeys(m)
	slices.SortStableFunc(names, func(a, b string) int { return int(m[a].priority) - int(m[b].priority) })
	var items []*yaml.Node
	for i, name := range names {
		entry := &mapping{}
		entry.set("name", text(name))
		if m[name].url != x.urls[name] {
			entry.set("url", text(m[name].url))
		}
		if m[name].priority != priority(nil, i) {
			entry.set("priority", number(m[name].priority))
		}
		items = append(items, entry.item())
	}
	return list(items)
}

func packageItems(m map[string]packageModel) *yaml.Node {
	var items []*yaml.Node
	for _, name := range sortedKeys(m) {
		p := m[name]
		entry := &mapping{}
		entry.set("package", text(name))
		if p.owner != System {
			entry.set("owner", text(p.owner))
		}
		if p.extraArches != nil {
			entry.set("extra_arches", texts(strings.Fields(*p.extraArches)))
		}
		entry.setFlag("blocked", p.blocked, false)
		items = append(items, entry.item())
	}
	return list(items)
}

// group writes a list of packages where that says all.
func group(name string, g *groupModel) *yaml.Node {
	packages := members("name", g.packages)
	if g.config != nil && *g.config == defaultGroup(name) && len(g.requires) == 0 {
		return packages
	}
	m := &mapping{}
	if c := g.config; c == nil {
		m.setFlag("inherited", true, false)
	} else {
		if c.displayName != name {
			m.set("display_name", text(c.displayName))
		}
		m.setText("description", c.description)
		m.setFlag("default", c.isDefault, false)
		m.setFlag("uservisible", c.userVisible, true)
		m.setFlag("exported", c.exported, true)
		m.setText("langonly", c.langOnly)
		m.setFlag("biarchonly", c.biarchOnly, false)
		m.setFlag("blocked", c.blocked, false)
	}
	if len(g.packages) > 0 {
		m.set("packages", packages)
	}
	if len(g.requires) > 0 {
		m.set("requires", members("group", g.requires))
	}
	return m.block()
}

// members writes what is in a group; key is what its name goes by.
func members(key string, m map[string]memberModel) *yaml.Node {
	var items []*yaml.Node
	for _, name := range sortedKeys(m) {
		member := m[name]
		entry := &mapping{}
		entry.set(key, text(name))
		if member.kind != typeMandatory {
			entry.set("type", text(member.kind))
		}
		entry.setText("requires", member.requires)
		entry.setFlag("basearchonly", member.baseArchOnly, false)
		entry.setFlag("blocked", member.blocked, false)
		items = append(items, entry.item())
	}
	return list(items)
}
