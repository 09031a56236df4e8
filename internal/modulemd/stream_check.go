package modulemd

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxStaticContext is how long a static context may be.
const maxStaticContext = 13

// checkStream applies the rules that concern a whole stream document: those of
// libmodulemd as rejections, others as remarks.
func (r *reader) checkStream(s *Stream, data *yaml.Node) error {
	if s.Format == 2 && s.StaticContext && hasKey(data, "context") {
		if err := checkStaticContext(s, data); err != nil {
			return err
		}
	}
	for _, key := range []string{"summary", "description"} {
		if !hasKey(data, key) {
			return reject(data, RuleMissing, "%s is missing", key)
		}
	}
	if len(s.ModuleLicenses) == 0 {
		return reject(data, RuleMissing, "the licence of the module (license.module) is missing")
	}
	if err := checkComponents(s, data); err != nil {
		return err
	}
	for _, a := range s.Artifacts {
		if !IsArtifact(a) {
			return reject(valueAt(data, "artifacts", "rpms"), RuleArtifact, "artifact %q is not N-E:V-R.A", a)
		}
	}
	return r.checkDependencies(s, data)
}

func checkStaticContext(s *Stream, data *yaml.Node) error {
	at := valueAt(data, "context")
	if s.Context == "" || len(s.Context) > maxStaticContext {
		return reject(at, RuleContext, "static context %q must have 1 to %d characters", s.Context, maxStaticContext)
	}
	for _, c := range []byte(s.Context) {
		if !isAlnum(c) && c != '_' {
			return reject(at, RuleContext, "static context %q may only have letters, digits and '_'", s.Context)
		}
	}
	return nil
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// checkComponents: orders and names given to components make sense together.
func checkComponents(s *Stream, data *yaml.Node) error {
	at := valueAt(data, "components", "rpms")
	ordered, after := false, false
	names := slices.Sorted(maps.Keys(s.RPMComponents))
	for _, name := range names {
		c := s.RPMComponents[name]
		ordered = ordered || c.BuildOrder != 0
		after = after || len(c.BuildAfter) > 0
	}
	if ordered && after {
		return reject(at, RuleComponents, "buildorder and buildafter cannot both be used in one stream")
	}
	for _, name := range names {
		c := s.RPMComponents[name]
		for _, other := range c.BuildAfter {
			if _, ok := s.RPMComponents[other]; !ok {
				return reject(at, RuleComponents, "component %q is built after %q, which is no component", name, other)
			}
		}
	}
	if err := s.checkArches(); err != nil {
		return reject(at, RuleComponents, "%s", err)
	}
	return nil
}

// checkArches: components ask for no architecture that the module is not built
// for. The error wraps ErrInvalid.
func (s *Stream) checkArches() error {
	if s.BuildOpts == nil || len(s.BuildOpts.Arches) == 0 || s.Format == 1 {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.RPMComponents)) {
		for _, arch := range s.RPMComponents[name].Arches {
			if !slices.Contains(s.BuildOpts.Arches, arch) {
				return &componentArchError{name, arch}
			}
		}
	}
	return nil
}

// componentArchError: a component has an architecture that buildopts.arches has
// not.
type componentArchError struct{ component, arch string }

func (e *componentArchError) Error() string {
	return fmt.Sprintf("component %q has architecture %q, which buildopts.arches has not", e.component, e.arch)
}

func (e *componentArchError) Unwrap() error { return ErrInvalid }

func (r *reader) checkDependencies(s *Stream, data *yaml.Node) error {
	if s.Format == 1 {
		return nil
	}
	at := valueAt(data, "dependencies")
	for _, d := range s.Dependencies {
		for _, list := range []struct {
			what    string
			modules map[string][]string
		}{{"runtime", d.Requires}, {"build", d.BuildRequires}} {
			for _, module := range slices.Sorted(maps.Keys(list.modules)) {
				negative := 0
				for _, stream := range list.modules[module] {
					if strings.HasPrefix(stream, "-") {
						negative++
					}
				}
				if negative > 0 && negative < len(list.modules[module]) {
					return reject(at, RuleDependency, "%s dependency %s mixes positive and negative streams", list.what, module)
				}
			}
		}
	}
	return nil
}

// hasKey reports whether the mapping has the key.
func hasKey(n *yaml.Node, key string) bool { return valueAt(n, key) != nil }

// valueAt is the value under the keys, one mapping within the other, the last
// where a key occurs twice; nil if there is none.
func valueAt(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		if n == nil || n.Kind != yaml.MappingNode {
			return nil
		}
		var value *yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Kind == yaml.ScalarNode && n.Content[i].Value == key {
				value = n.Content[i+1]
			}
		}
		n = value
	}
	return n
}
