package modulemd

import (
	"strconv"
)

func (s *Stream) canonical() *emitNode { return s.canonicalAs(max(s.Format, 1)) }

// canonicalAs is the document in the given format version.
func (s *Stream) canonicalAs(format int) *emitNode {
	data := mapping()
	s.putIdentity(data, format)
	if format == 1 { // libmodulemd quotes no numbers here
		data.put("summary", plain(s.Summary))
	} else {
		data.put("summary", str(s.Summary))
	}
	data.put("description", folded(s.Description))
	putMap(data, "servicelevels", s.ServiceLevels, func(l ServiceLevel) *emitNode {
		n := mapping()
		if l.EOL != "" {
			n.put("eol", plain(l.EOL))
		}
		return n
	})
	license := mapping()
	license.putSet("module", s.ModuleLicenses, false)
	license.putSet("content", s.ContentLicenses, false)
	data.put("license", license)
	if s.XMD.Kind != None {
		data.put("xmd", valueNode(s.XMD))
	}
	s.putDependencies(data, format)
	s.putReferences(data)
	putMap(data, "profiles", s.Profiles, profileNode)
	putRPMs(data, "api", s.API)
	putRPMs(data, "filter", s.Filter)
	if format > 1 {
		putRPMs(data, "demodularized", s.Demodularized)
	}
	s.putBuildOpts(data)
	s.putComponents(data)
	s.putArtifacts(data, format)
	return documentNode(typeStream, format, data)
}

func (s *Stream) putIdentity(data *emitNode, format int) {
	data.putText("name", s.Name)
	if s.Stream != "" {
		data.put("stream", quoted(s.Stream))
	}
	if s.Version != 0 {
		data.put("version", plain(strconv.FormatUint(s.Version, 10)))
	}
	data.putText("context", s.Context)
	if format > 1 && s.StaticContext {
		data.put("static_context", plain("true"))
	}
	data.putText("arch", s.Arch)
}

// putRPMs adds a mapping with the only key "rpms".
func putRPMs(data *emitNode, key string, rpms []string) {
	if len(rpms) > 0 {
		n := mapping()
		n.putSet("rpms", rpms, false)
		data.put(key, n)
	}
}

func (s *Stream) putDependencies(data *emitNode, format int) {
	if len(s.Dependencies) == 0 {
		return
	}
	if format == 1 { // one block, one stream for each module
		one := func(streams []string) *emitNode { return plain(append(streams, "")[0]) }
		n := mapping()
		putMap(n, "buildrequires", s.Dependencies[0].BuildRequires, one)
		putMap(n, "requires", s.Dependencies[0].Requires, one)
		data.put("dependencies", n)
		return
	}
	blocks := &emitNode{kind: emitList}
	for _, d := range s.Dependencies {
		n := mapping()
		putMap(n, "buildrequires", d.BuildRequires, flowSet)
		putMap(n, "requires", d.Requires, flowSet)
		blocks.items = append(blocks.items, n)
	}
	data.put("dependencies", blocks)
}

func (s *Stream) putReferences(data *emitNode) {
	n := mapping()
	n.putText("community", s.References.Community)
	n.putText("documentation", s.References.Documentation)
	n.putText("tracker", s.References.Tracker)
	if len(n.items) > 0 {
		data.put("references", n)
	}
}

func profileNode(p Profile) *emitNode {
	n := mapping()
	n.putText("description", p.Description)
	n.putSet("rpms", p.RPMs, false)
	if p.Default {
		n.put("default", plain("true"))
	}
	return n
}

func (s *Stream) putBuildOpts(data *emitNode) {
	if s.BuildOpts == nil {
		return
	}
	rpms := mapping()
	if s.BuildOpts.Macros != "" {
		rpms.put("macros", folded(s.BuildOpts.Macros))
	}
	rpms.putSet("whitelist", s.BuildOpts.Whitelist, false)
	n := mapping()
	n.put("rpms", rpms)
	n.putSet("arches", s.BuildOpts.Arches, true)
	data.put("buildopts", n)
}

func (s *Stream) putComponents(data *emitNode) {
	n := mapping()
	putMap(n, "rpms", s.RPMComponents, rpmComponentNode)
	putMap(n, "modules", s.ModuleComponents, func(c ModuleComponent) *emitNode {
		n := mapping()
		n.putText("rationale", c.Rationale)
		n.putText("repository", c.Repository)
		n.putText("ref", c.Ref)
		putBuild(n, c.BuildOrder, nil, c.BuildOnly)
		return n
	})
	if len(n.items) > 0 {
		data.put("components", n)
	}
}

func rpmComponentNode(c RPMComponent) *emitNode {
	n := mapping()
	n.putText("rationale", c.Rationale)
	n.putText("name", c.Name)
	n.putText("repository", c.Repository)
	n.putText("cache", c.Cache)
	n.putText("ref", c.Ref)
	if c.Buildroot {
		n.put("buildroot", plain("true"))
	}
	if c.SRPMBuildroot {
		n.put("srpm-buildroot", plain("true"))
	}
	putBuild(n, c.BuildOrder, c.BuildAfter, c.BuildOnly)
	n.putSet("arches", c.Arches, true)
	n.putSet("multilib", c.Multilib, true)
	return n
}

// putBuild adds what RPM and module components have in common.
func putBuild(n *emitNode, order int64, after []string, only bool) {
	if order != 0 {
		n.put("buildorder", plain(strconv.FormatInt(order, 10)))
	}
	if len(after) > 0 {
		list := &emitNode{kind: emitList}
		for _, name := range asSet(after) {
			list.items = append(list.items, plain(name))
		}
		n.put("buildafter", list)
	}
	if only {
		n.put("buildonly", plain("true"))
	}
}

func (s *Stream) putArtifacts(data *emitNode, format int) {
	n := mapping()
	n.putSet("rpms", s.Artifacts, false)
	if format > 1 {
		putMap(n, "rpm-map", s.RPMMap, func(sums map[string]RPMMapEntry) *emitNode {
			return mapNode(sums, func(e RPMMapEntry) *emitNode {
				n := mapping()
				n.put("name", str(e.Name))
				n.put("epoch", plain(strconv.FormatUint(e.Epoch, 10)))
				n.put("version", str(e.Version))
				n.put("release", str(e.Release))
				n.put("arch", str(e.Arch))
				n.put("nevra", str(e.NEVRA()))
				return n
			})
		})
	}
	if len(n.items) > 0 {
		data.put("artifacts", n)
	}
}
