package modulemd

import "gopkg.in/yaml.v3"

func (r *reader) components(s *Stream, n *yaml.Node) error {
	return r.fields(n, "data.components", func(key string, v *yaml.Node) (bool, error) {
		switch key {
		case "rpms":
			return true, r.rpmComponents(s, v)
		case "modules":
			return true, r.moduleComponents(s, v)
		}
		return false, nil
	})
}

func (r *reader) rpmComponents(s *Stream, n *yaml.Node) error {
	if s.RPMComponents == nil {
		s.RPMComponents = map[string]RPMComponent{}
	}
	return r.pairs(n, "data.components.rpms", func(key, value *yaml.Node) error {
		path := "data.components.rpms." + key.Value
		var c RPMComponent
		err := r.fields(value, path, func(key string, v *yaml.Node) (bool, error) {
			return r.rpmComponentField(&c, key, v, path+"."+key)
		})
		if err == nil && c.BuildOrder != 0 && len(c.BuildAfter) > 0 {
			err = reject(value, RuleComponents, "%s has both buildorder and buildafter", path)
		}
		s.RPMComponents[key.Value] = c
		return err
	})
}

func (r *reader) rpmComponentField(c *RPMComponent, key string, v *yaml.Node, path string) (bool, error) {
	var err error
	switch key {
	case "name":
		return r.setText(&c.Name, v, path)
	case "rationale":
		return r.setText(&c.Rationale, v, path)
	case "repository":
		return r.setText(&c.Repository, v, path)
	case "cache":
		return r.setText(&c.Cache, v, path)
	case "ref":
		return r.setText(&c.Ref, v, path)
	case "buildroot":
		c.Buildroot, err = r.boolean(v, path)
	case "srpm-buildroot":
		c.SRPMBuildroot, err = r.boolean(v, path)
	case "buildonly":
		c.BuildOnly, err = r.boolean(v, path)
	case "buildorder":
		c.BuildOrder, err = r.signed(v, path)
	case "buildafter":
		return r.setSet(&c.BuildAfter, v, path)
	case "arches":
		return r.setSet(&c.Arches, v, path)
	case "multilib":
		return r.setSet(&c.Multilib, v, path)
	default:
		return false, nil
	}
	return true, err
}

func (r *reader) moduleComponents(s *Stream, n *yaml.Node) error {
	if s.ModuleComponents == nil {
		s.ModuleComponents = map[string]ModuleComponent{}
	}
	return r.pairs(n, "data.components.modules", func(key, value *yaml.Node) error {
		path := "data.components.modules." + key.Value
		var c ModuleComponent
		err := r.fields(value, path, func(key string, v *yaml.Node) (bool, error) {
			var err error
			switch key {
			case "rationale":
				return r.setText(&c.Rationale, v, path+".rationale")
			case "repository":
				return r.setText(&c.Repository, v, path+".repository")
			case "ref":
				return r.setText(&c.Ref, v, path+".ref")
			case "buildorder":
				c.BuildOrder, err = r.signed(v, path+".buildorder")
				return true, err
			case "buildonly":
				c.BuildOnly, err = r.boolean(v, path+".buildonly")
				return true, err
			}
			return false, nil
		})
		s.ModuleComponents[key.Value] = c
		return err
	})
}

func (r *reader) buildOpts(n *yaml.Node) (*BuildOpts, error) {
	b := &BuildOpts{}
	err := r.fields(n, "data.buildopts", func(key string, v *yaml.Node) (bool, error) {
		switch key {
		case "arches":
			return r.setSet(&b.Arches, v, "data.buildopts.arches")
		case "rpms":
			return true, r.fields(v, "data.buildopts.rpms", func(key string, v *yaml.Node) (bool, error) {
				switch key {
				case "macros":
					return r.setText(&b.Macros, v, "data.buildopts.rpms.macros")
				case "whitelist":
					return r.setSet(&b.Whitelist, v, "data.buildopts.rpms.whitelist")
				}
				return false, nil
			})
		}
		return false, nil
	})
	return b, err
}

// rpmMap reads which RPM has which checksum, by digest algorithm.
func (r *reader) rpmMap(s *Stream, n *yaml.Node) error {
	if s.RPMMap == nil {
		s.RPMMap = map[string]map[string]RPMMapEntry{}
	}
	return r.pairs(n, "data.artifacts.rpm-map", func(digest, sums *yaml.Node) error {
		path := "data.artifacts.rpm-map." + digest.Value
		entries := s.RPMMap[digest.Value]
		if entries == nil {
			entries = map[string]RPMMapEntry{}
			s.RPMMap[digest.Value] = entries
		}
		return r.pairs(sums, path, func(sum, value *yaml.Node) error {
			entry, err := r.rpmMapEntry(value, path+"."+sum.Value)
			entries[sum.Value] = entry
			return err
		})
	})
}

// rpmMapEntry reads one entry: all six values must be there and agree.
func (r *reader) rpmMapEntry(n *yaml.Node, path string) (RPMMapEntry, error) {
	var e RPMMapEntry
	var nevra string
	seen := map[string]bool{}
	err := r.fields(n, path, func(key string, v *yaml.Node) (bool, error) {
		seen[key] = true
		switch key {
		case "name":
			return r.setText(&e.Name, v, path+".name")
		case "version":
			return r.setText(&e.Version, v, path+".version")
		case "release":
			return r.setText(&e.Release, v, path+".release")
		case "arch":
			return r.setText(&e.Arch, v, path+".arch")
		case "nevra":
			return r.setText(&nevra, v, path+".nevra")
		case "epoch":
			var err error
			e.Epoch, err = r.number(v, path+".epoch")
			return true, err
		}
		return false, nil
	})
	if err != nil {
		return e, err
	}
	for _, key := range []string{"name", "epoch", "version", "release", "arch", "nevra"} {
		if !seen[key] {
			return e, reject(n, RuleRPMMap, "%s has no %q", path, key)
		}
	}
	if nevra != e.NEVRA() {
		return e, reject(n, RuleRPMMap, "%s: nevra is %q, its parts make %q", path, nevra, e.NEVRA())
	}
	return e, nil
}
