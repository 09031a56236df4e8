package tags

import (
	"math"

	"gopkg.in/yaml.v3"
)

// distroReader reads the nodes of distro.yaml.
type distroReader struct {
	yamlReader
}

func (r *distroReader) distro(root *yaml.Node) *Distro {
	d := &Distro{
		ExternalRepos: map[string]ExternalRepo{}, Tags: map[string]Tag{}, Targets: map[string]Target{}, Packages: map[string]PackageList{},
	}
	r.fields(
		root,
		field{"arches", r.textsInto(&d.Arches)},
		field{"external_repos", func(node *yaml.Node) {
			r.pairs(node, func(key, value *yaml.Node) { d.ExternalRepos[key.Value] = r.externalRepo(key, value) })
		}},
		field{"tags", func(node *yaml.Node) {
			r.pairs(node, func(key, value *yaml.Node) { d.Tags[key.Value] = r.tag(key, value) })
		}},
		field{"packages", func(node *yaml.Node) {
			r.pairs(node, func(key, value *yaml.Node) { d.Packages[key.Value] = r.packageList(key, value) })
		}},
		field{"targets", func(node *yaml.Node) {
			r.pairs(node, func(key, value *yaml.Node) { d.Targets[key.Value] = r.target(key, value) })
		}},
		field{"ignore_branches", r.textsInto(&d.IgnoreBranches)},
	)
	return d
}

func (r *distroReader) externalRepo(key, node *yaml.Node) ExternalRepo {
	repo := ExternalRepo{line: key.Line}
	r.fields(node, field{"url", r.textInto(&repo.URL)})
	return repo
}

func (r *distroReader) tag(key, node *yaml.Node) Tag {
	tag := Tag{line: key.Line, Groups: map[string]Group{}, Extra: map[string]Setting{}}
	r.fields(
		node,
		field{"arches", func(node *yaml.Node) {
			if node.Kind == yaml.ScalarNode && node.Value == "inherit" {
				tag.InheritArches = true
				return
			}
			tag.Arches = r.texts(node)
		}},
		field{"perm", r.textInto(&tag.Perm)},
		field{"locked", r.flag(&tag.Locked)},
		field{"inherit", func(node *yaml.Node) {
			r.items(node, func(item *yaml.Node) { tag.Inherit = append(tag.Inherit, r.parent(item)) })
		}},
		field{"external_repos", func(node *yaml.Node) {
			r.items(node, func(item *yaml.Node) { tag.ExternalRepos = append(tag.ExternalRepos, r.tagRepo(item)) })
		}},
		field{"groups", func(node *yaml.Node) {
			r.pairs(node, func(key, value *yaml.Node) { tag.Groups[key.Value] = r.group(key, value) })
		}},
		field{"extra", func(node *yaml.Node) {
			r.pairs(node, func(key, value *yaml.Node) {
				tag.Extra[key.Value] = Setting{Value: r.setting(key.Value, value), line: key.Line}
			})
		}},
		field{"extra_blocked", r.textsInto(&tag.ExtraBlocked)},
	)
	return tag
}

// nameOr reads an item that may be a name alone, or else a mapping.
func (r *distroReader) nameOr(node *yaml.Node, name *Text, fields ...field) {
	if node.Kind == yaml.ScalarNode {
		*name = r.text(node)
		return
	}
	name.line = node.Line
	r.fields(node, fields...)
}

func (r *distroReader) parent(node *yaml.Node) Parent {
	p := Parent{line: node.Line}
	r.nameOr(
		node, &p.Parent,
		field{"parent", r.textInto(&p.Parent)},
		field{"priority", func(node *yaml.Node) { p.Priority = r.number(node, math.MinInt32) }},
		field{"maxdepth", func(node *yaml.Node) { p.MaxDepth = r.number(node, 0) }},
		field{"intransitive", r.flag(&p.Intransitive)},
		field{"noconfig", r.flag(&p.NoConfig)},
		field{"pkg_filter", r.textInto(&p.PkgFilter)},
	)
	return p
}

func (r *distroReader) tagRepo(node *yaml.Node) TagRepo {
	var repo TagRepo
	r.nameOr(
		node, &repo.Name,
		field{"name", r.textInto(&repo.Name)},
		field{"url", r.textInto(&repo.URL)},
		field{"priority", func(node *yaml.Node) { repo.Priority = r.number(node, math.MinInt32) }},
	)
	return repo
}

func (r *distroReader) group(key, node *yaml.Node) Group {
	g := Group{line: key.Line, UserVisible: true, Exported: true}
	packages := func(node *yaml.Node) {
		r.items(node, func(item *yaml.Node) { g.Packages = append(g.Packages, r.groupPackage(item)) })
	}
	if node.Kind == yaml.SequenceNode {
		packages(node)
		return g
	}
	described := func(read func(*yaml.Node)) func(*yaml.Node) {
		return func(node *yaml.Node) {
			g.described = true
			read(node)
		}
	}
	r.fields(
		node,
		field{"display_name", described(r.textInto(&g.DisplayName))},
		field{"description", described(r.textInto(&g.Description))},
		field{"default", described(r.flag(&g.Default))},
		field{"uservisible", described(r.flag(&g.UserVisible))},
		field{"exported", described(r.flag(&g.Exported))},
		field{"langonly", described(r.textInto(&g.LangOnly))},
		field{"biarchonly", described(r.flag(&g.BiarchOnly))},
		field{"inherited", r.flag(&g.Inherited)},
		field{"blocked", described(r.flag(&g.Blocked))},
		field{"packages", packages},
		field{"requires", func(node *yaml.Node) {
			r.items(node, func(item *yaml.Node) { g.Requires = append(g.Requires, r.groupRequire(item)) })
		}},
	)
	return g
}

func (r *distroReader) groupPackage(node *yaml.Node) GroupPackage {
	var p GroupPackage
	r.nameOr(
		node, &p.Name,
		field{"name", r.textInto(&p.Name)},
		field{"type", r.textInto(&p.Type)},
		field{"requires", r.textInto(&p.Requires)},
		field{"basearchonly", r.flag(&p.BaseArchOnly)},
		field{"blocked", r.flag(&p.Blocked)},
	)
	return p
}

func (r *distroReader) groupRequire(node *yaml.Node) GroupRequire {
	var q GroupRequire
	r.nameOr(
		node, &q.Group,
		field{"group", r.textInto(&q.Group)},
		field{"type", r.textInto(&q.Type)},
		field{"blocked", r.flag(&q.Blocked)},
	)
	return q
}

func (r *distroReader) packageList(key, node *yaml.Node) PackageList {
	list := PackageList{line: key.Line, Entries: []PackageEntry{}}
	if isNull(node) {
		// Whoever forgot the packages would lose the list.
		r.add(key.Line, "packages of %s: write [] for none", key.Value)
	}
	r.items(node, func(item *yaml.Node) {
		var p PackageEntry
		r.nameOr(
			item, &p.Package,
			field{"package", r.textInto(&p.Package)},
			field{"owner", r.textInto(&p.Owner)},
			field{"extra_arches", r.textsInto(&p.ExtraArches)},
			field{"blocked", r.flag(&p.Blocked)},
		)
		list.Entries = append(list.Entries, p)
	})
	return list
}

func (r *distroReader) target(key, node *yaml.Node) Target {
	target := Target{line: key.Line}
	r.fields(
		node,
		field{"build_tag", r.textInto(&target.BuildTag)},
		field{"dest_tag", r.textInto(&target.DestTag)},
		field{"branches", r.textsInto(&target.Branches)},
		field{"arch_policy", r.archPolicies(&target.ArchPolicy)},
		field{"noarch_content", r.textInto(&target.NoarchContent)},
		field{"repo_lag", r.textInto(&target.RepoLag)},
	)
	return target
}
