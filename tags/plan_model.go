package tags

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/queue"
)

// model is what a distribution file can say of the tag model, of the file and of
// the database alike. What means the same is written in one way: an absent
// boolean is false, an absent text empty.
type model struct {
	tags    map[string]*tagModel
	targets map[string]TargetConfig
	ignored []string
}

// tagModel is a tag with its own settings and content, apart from builds.
type tagModel struct {
	// arches are nil when they are inherited.
	arches *string
	perm   string
	locked bool
	links  map[string]LinkConfig
	repos  map[string]repoModel
	// extra holds nil for what is blocked.
	extra  map[string]json.RawMessage
	groups map[string]*groupModel
	// packages is nil when the file leaves the list as it is.
	packages map[string]packageModel
	// builds counts the tagged builds; only the database knows.
	builds int64
}

type repoModel struct {
	url      string
	priority int32
}

type packageModel struct {
	owner   string
	blocked bool
	// extraArches are nil when nothing is said of them.
	extraArches *string
}

// equal reports whether two entries say the same.
func (p packageModel) equal(q packageModel) bool { return p.owner == q.owner && p.sameEntry(q) }

// sameEntry is equal apart from the owner.
func (p packageModel) sameEntry(q packageModel) bool {
	return p.blocked == q.blocked && sameText(p.extraArches, q.extraArches)
}

// groupModel is what a tag itself says of a group.
type groupModel struct {
	// config is nil when the tag only adds to an inherited group.
	config   *groupConfig
	packages map[string]memberModel
	requires map[string]memberModel
}

// groupConfig is comparable, unlike tagview.GroupConfig.
type groupConfig struct {
	blocked                                      bool
	displayName, description, langOnly           string
	isDefault, userVisible, exported, biarchOnly bool
}

// memberModel is how a package or a group belongs to a group.
type memberModel struct {
	kind, requires        string
	baseArchOnly, blocked bool
}

func newTagModel() *tagModel {
	return &tagModel{
		links: map[string]LinkConfig{}, repos: map[string]repoModel{}, extra: map[string]json.RawMessage{}, groups: map[string]*groupModel{},
	}
}

// machineArches writes a list of architectures in one way: each once, and
// without those that no machine has.
func machineArches(list []string) string {
	var arches []string
	for _, a := range list {
		if !slices.Contains(packageArches, a) && !slices.Contains(arches, a) {
			arches = append(arches, a)
		}
	}
	return strings.Join(arches, " ")
}

// branchList writes a list of branches in one way; their order means nothing.
func branchList(list []string) []string {
	branches := append([]string{}, list...)
	slices.Sort(branches)
	return slices.Compact(branches)
}

// model is what the file says.
func (d *Distro) model() *model {
	m := &model{tags: map[string]*tagModel{}, targets: map[string]TargetConfig{}, ignored: branchList(values(d.IgnoreBranches))}
	for name, tag := range d.Tags {
		m.tags[name] = d.tagModel(tag)
	}
	for name, list := range d.Packages {
		m.tags[name].packages = list.model()
	}
	for name, target := range d.Targets {
		m.setTarget(name, TargetConfig{
			BuildTag: target.BuildTag.Value, DestTag: target.DestTag.Value, Branches: values(target.Branches),
			Lagging: target.with(queue.PolicyLagging), BestEffort: target.with(queue.PolicyBestEffort), NoarchContent: target.NoarchContent.Value,
			RepoLag: target.repoLag(),
		})
	}
	return m
}

func (d *Distro) tagModel(tag Tag) *tagModel {
	t := newTagModel()
	if !tag.InheritArches {
		arches := machineArches(d.arches(tag))
		t.arches = &arches
	}
	t.perm, t.locked = tag.Perm.Value, tag.Locked
	for i, p := range tag.Inherit {
		t.links[p.Parent.Value] = LinkConfig{
			Priority: p.priority(i), MaxDepth: p.MaxDepth, Intransitive: p.Intransitive, NoConfig: p.NoConfig, PkgFilter: p.PkgFilter.Value,
		}
	}
	for i, repo := range tag.ExternalRepos {
		url := repo.URL.Value
		if url == "" {
			url = d.ExternalRepos[repo.Name.Value].URL.Value
		}
		t.repos[repo.Name.Value] = repoModel{url, repo.priority(i)}
	}
	for key, setting := range tag.Extra {
		t.extra[key] = setting.Value
	}
	for _, key := range tag.ExtraBlocked {
		t.extra[key.Value] = nil
	}
	for name, group := range tag.Groups {
		t.groups[name] = group.model(name)
	}
	return t
}

func (g Group) model(name string) *groupModel {
	m := newGroupModel()
	if !g.Inherited {
		m.config = &groupConfig{
			blocked: g.Blocked, displayName: g.DisplayName.Value, description: g.Description.Value, langOnly: g.LangOnly.Value,
			isDefault: g.Default, userVisible: g.UserVisible, exported: g.Exported, biarchOnly: g.BiarchOnly,
		}
		if m.config.displayName == "" {
			m.config.displayName = name
		}
	}
	for _, p := range g.Packages {
		m.packages[p.Name.Value] = p.config()
	}
	for _, q := range g.Requires {
		m.requires[q.Group.Value] = memberModel{kind: orMandatory(q.Type.Value), blocked: q.Blocked}
	}
	return m
}

func newGroupModel() *groupModel {
	return &groupModel{packages: map[string]memberModel{}, requires: map[string]memberModel{}}
}

func (p GroupPackage) config() memberModel {
	return memberModel{kind: orMandatory(p.Type.Value), requires: p.Requires.Value, baseArchOnly: p.BaseArchOnly, blocked: p.Blocked}
}

func orMandatory(kind string) string {
	if kind == "" {
		return typeMandatory
	}
	return kind
}

func (l PackageList) model() map[string]packageModel {
	list := map[string]packageModel{}
	for _, entry := range l.Entries {
		p := packageModel{owner: entry.Owner.Value, blocked: entry.Blocked}
		if p.owner == "" {
			p.owner = System
		}
		if entry.ExtraArches != nil {
			arches := machineArches(values(entry.ExtraArches))
			p.extraArches = &arches
		}
		list[entry.Package.Value] = p
	}
	return list
}

// defaultGroup is the config of a group of which a file says nothing but what is
// in it.
func defaultGroup(name string) groupConfig {
	return groupConfig{displayName: name, userVisible: true, exported: true}
}

// row is the config as the database has it.
func (c groupConfig) row() tagview.GroupConfig {
	row := tagview.GroupConfig{
		DisplayName: &c.displayName, UserVisible: &c.userVisible, Exported: &c.exported, BiarchOnly: &c.biarchOnly,
	}
	// Koji leaves these out where nobody asked for them.
	if c.isDefault {
		row.IsDefault = &c.isDefault
	}
	row.LangOnly, row.Description = textOrNil(c.langOnly), textOrNil(c.description)
	return row
}

func textOrNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// isSideTag reports whether a tag is somebody's side tag.
func (m *model) isSideTag(name string) bool {
	tag := m.tags[name]
	return tag != nil && string(tag.extra["sidetag"]) == "true"
}
