package modulemd

import (
	"gopkg.in/yaml.v3"
)

// stream reads a stream document of format 1 or 2. That of an author may be
// incomplete.
func (r *reader) stream(h header, from Origin, author bool) (document, *reader, error) {
	s := &Stream{Origin: from, Format: int(h.version)}
	if h.data.Kind != yaml.MappingNode {
		return nil, r, reject(h.data, RuleForm, "data is not a mapping")
	}
	if err := r.streamData(s, h.data); err != nil {
		return nil, r, err
	}
	s.Unknown = r.unknown
	err := r.checkStream(s, h.data)
	if author {
		r.incomplete(err)
		return s, r, nil
	}
	if err == nil && (s.Name == "" || s.Stream == "") {
		err = reject(h.data, RuleMissing, "a stream document needs a name and a stream")
	}
	return s, r, err
}

// streamData reads the mapping "data" of a stream or packager document.
func (r *reader) streamData(s *Stream, data *yaml.Node) error {
	return r.fields(data, "data", func(key string, v *yaml.Node) (bool, error) {
		if known, err := r.streamIdentity(s, key, v); known || err != nil {
			return true, err
		}
		if known, err := r.streamBody(s, key, v); known || err != nil {
			return true, err
		}
		var err error
		switch key {
		case "servicelevels":
			s.ServiceLevels, err = r.serviceLevels(s.ServiceLevels, v)
			return true, err
		case "xmd":
			return r.xmd(&s.XMD, v)
		case "buildopts":
			s.BuildOpts, err = r.buildOpts(v)
			return true, err
		case "artifacts":
			return true, r.artifacts(s, v)
		}
		if s.Format == 1 {
			return r.streamDataV1(s, key, v)
		}
		switch key {
		case "static_context":
			s.StaticContext, err = r.boolean(v, "data.static_context")
			return true, err
		case "dependencies":
			return true, r.dependencyBlocks(s, v)
		case "demodularized":
			return r.rpmSet(&s.Demodularized, v, "data.demodularized")
		}
		return false, nil
	})
}

// streamIdentity reads the keys that packagers leave to the build system.
func (r *reader) streamIdentity(s *Stream, key string, v *yaml.Node) (bool, error) {
	var err error
	switch key {
	case "name":
		return r.setText(&s.Name, v, "data.name")
	case "stream":
		return r.setText(&s.Stream, v, "data.stream")
	case "version":
		s.Version, err = r.number(v, "data.version")
		return true, err
	case "context":
		return r.setText(&s.Context, v, "data.context")
	case "arch":
		return r.setText(&s.Arch, v, "data.arch")
	}
	return false, nil
}

// streamBody reads the keys that all formats have, those of packagers, too.
func (r *reader) streamBody(s *Stream, key string, v *yaml.Node) (bool, error) {
	var err error
	switch key {
	case "summary":
		return r.setText(&s.Summary, v, "data.summary")
	case "description":
		return r.setText(&s.Description, v, "data.description")
	case "license":
		return true, r.licenses(s, v)
	case "references":
		return true, r.references(&s.References, v)
	case "profiles":
		s.Profiles, err = r.profiles(s.Profiles, v)
		return true, err
	case "api":
		return r.rpmSet(&s.API, v, "data.api")
	case "filter":
		return r.rpmSet(&s.Filter, v, "data.filter")
	case "components":
		return true, r.components(s, v)
	}
	return false, nil
}

// streamDataV1 reads what only format 1 has.
func (r *reader) streamDataV1(s *Stream, key string, v *yaml.Node) (bool, error) {
	switch key {
	case "dependencies":
		return true, r.dependenciesV1(s, v)
	case "eol":
		level := ServiceLevel{}
		if err := r.date(&level.EOL, v, "data.eol"); err != nil {
			return true, err
		}
		if s.ServiceLevels == nil {
			s.ServiceLevels = map[string]ServiceLevel{}
		}
		s.ServiceLevels["rawhide"] = level
		return true, nil
	}
	return false, nil
}

func (r *reader) licenses(s *Stream, n *yaml.Node) error {
	return r.fields(n, "data.license", func(key string, v *yaml.Node) (bool, error) {
		switch key {
		case "module":
			return r.setSet(&s.ModuleLicenses, v, "data.license.module")
		case "content":
			return r.setSet(&s.ContentLicenses, v, "data.license.content")
		}
		return false, nil
	})
}

func (r *reader) references(refs *References, n *yaml.Node) error {
	return r.fields(n, "data.references", func(key string, v *yaml.Node) (bool, error) {
		switch key {
		case "community":
			return r.setText(&refs.Community, v, "data.references.community")
		case "documentation":
			return r.setText(&refs.Documentation, v, "data.references.documentation")
		case "tracker":
			return r.setText(&refs.Tracker, v, "data.references.tracker")
		}
		return false, nil
	})
}

// profiles adds the profiles to those of an earlier key of the same name.
func (r *reader) profiles(profiles map[string]Profile, n *yaml.Node) (map[string]Profile, error) {
	if profiles == nil {
		profiles = map[string]Profile{}
	}
	err := r.pairs(n, "data.profiles", func(key, value *yaml.Node) error {
		path := "data.profiles." + key.Value
		var p Profile
		err := r.fields(value, path, func(key string, v *yaml.Node) (bool, error) {
			var err error
			switch key {
			case "rpms":
				return r.setSet(&p.RPMs, v, path+".rpms")
			case "description":
				return r.setText(&p.Description, v, path+".description")
			case "default":
				p.Default, err = r.boolean(v, path+".default")
				return true, err
			}
			return false, nil
		})
		profiles[key.Value] = p
		return err
	})
	return profiles, err
}

func (r *reader) serviceLevels(levels map[string]ServiceLevel, n *yaml.Node) (map[string]ServiceLevel, error) {
	if levels == nil {
		levels = map[string]ServiceLevel{}
	}
	err := r.pairs(n, "data.servicelevels", func(key, value *yaml.Node) error {
		path := "data.servicelevels." + key.Value
		var level ServiceLevel
		err := r.fields(value, path, func(key string, v *yaml.Node) (bool, error) {
			if key != "eol" {
				return false, nil
			}
			return true, r.date(&level.EOL, v, path+".eol")
		})
		levels[key.Value] = level
		return err
	})
	return levels, err
}

// dependencyBlocks adds the blocks of format 2.
func (r *reader) dependencyBlocks(s *Stream, n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		return reject(n, RuleForm, "data.dependencies is not a list")
	}
	for _, c := range n.Content {
		var d Dependencies
		err := r.fields(c, "data.dependencies", func(key string, v *yaml.Node) (bool, error) {
			var err error
			switch key {
			case "buildrequires":
				d.BuildRequires, err = r.nestedSet(v, "data.dependencies.buildrequires")
				return true, err
			case "requires":
				d.Requires, err = r.nestedSet(v, "data.dependencies.requires")
				return true, err
			}
			return false, nil
		})
		if err != nil {
			return err
		}
		s.Dependencies = append(s.Dependencies, d)
	}
	return nil
}

// dependenciesV1 reads format 1's dependencies, one stream per module, into one
// block.
func (r *reader) dependenciesV1(s *Stream, n *yaml.Node) error {
	d := Dependencies{map[string][]string{}, map[string][]string{}}
	err := r.fields(n, "data.dependencies", func(key string, v *yaml.Node) (bool, error) {
		var into map[string][]string
		switch key {
		case "buildrequires":
			into = d.BuildRequires
		case "requires":
			into = d.Requires
		default:
			return false, nil
		}
		path := "data.dependencies." + key
		return true, r.pairs(v, path, func(module, stream *yaml.Node) error {
			text, err := r.text(stream, path+"."+module.Value)
			into[module.Value] = []string{text}
			return err
		})
	})
	if err == nil && len(d.BuildRequires)+len(d.Requires) > 0 {
		s.Dependencies = []Dependencies{d}
	}
	return err
}

func (r *reader) artifacts(s *Stream, n *yaml.Node) error {
	return r.fields(n, "data.artifacts", func(key string, v *yaml.Node) (bool, error) {
		switch {
		case key == "rpms":
			if v.Kind == yaml.ScalarNode && v.Value == "" {
				return true, reject(v, RuleArtifact, "data.artifacts.rpms is empty; libmodulemd before 2.15 takes that for an artifact")
			}
			return r.setSet(&s.Artifacts, v, "data.artifacts.rpms")
		case key == "rpm-map" && s.Format == 2:
			return true, r.rpmMap(s, v)
		}
		return false, nil
	})
}
