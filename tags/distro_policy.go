package tags

import (
	"cmp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/queue"
)

// ArchPolicy is what a target says of an architecture.
type ArchPolicy struct {
	Arch, Policy Text
}

// What a target can ask of noarch packages that several architectures make alike
// but for the content of files.
const (
	NoarchWarn = "warn"
	NoarchFail = "fail"
)

// archPolicies reads a mapping of architectures to policies.
func (r *distroReader) archPolicies(into *[]ArchPolicy) func(*yaml.Node) {
	return func(node *yaml.Node) {
		r.pairs(node, func(key, value *yaml.Node) {
			*into = append(*into, ArchPolicy{Arch: Text{Value: key.Value, line: key.Line}, Policy: r.text(value)})
		})
	}
}

// archPolicies checks what a target says of architectures: they must be such
// that its build tag can have.
func (c *checker) archPolicies(name string, target Target) {
	known := c.machines(target.BuildTag.Value)
	for _, p := range target.ArchPolicy {
		switch a := p.Arch.Value; {
		case slices.Contains(packageArches, a):
			c.add(p.Arch.line, "target %s: arch_policy: %s packages are part of every architecture, and always blocking", name, a)
		case !archPattern.MatchString(a) || len(a) > maxArch:
			c.add(p.Arch.line, "target %s: arch_policy: %q is no architecture", name, a)
		case len(known) > 0 && !slices.Contains(known, arch.Canonical(a)):
			c.add(p.Arch.line, "target %s: arch_policy: %s is no architecture of tag %s", name, a, target.BuildTag.Value)
		}
		switch p.Policy.Value {
		case queue.PolicyBlocking, queue.PolicyLagging, queue.PolicyBestEffort:
		default:
			c.add(max(p.Policy.line, p.Arch.line), "target %s: arch_policy of %s: %q is none of blocking, lagging and best-effort", name, p.Arch.Value, p.Policy.Value)
		}
	}
	if content := target.NoarchContent; content.Value != "" && content.Value != NoarchWarn && content.Value != NoarchFail {
		c.add(content.line, "target %s: noarch_content: %q is neither warn nor fail", name, content.Value)
	}
}

// machines lists the architectures that a tag of the file can have.
func (c *checker) machines(name string) []string {
	m := &model{tags: map[string]*tagModel{}}
	for name, tag := range c.distro.Tags {
		m.tags[name] = newTagModel()
		if !tag.InheritArches {
			arches := machineArches(c.distro.arches(tag))
			m.tags[name].arches = &arches
		}
	}
	return m.machines(name)
}

// machines lists the architectures that a tag can have, by canonical names: its
// own, or those of all tags where it inherits them. None are not known.
func (m *model) machines(name string) []string {
	tag := m.tags[name]
	if tag == nil {
		return nil
	}
	var list []string
	if tag.arches != nil {
		list = strings.Fields(*tag.arches)
	} else {
		for _, name := range sortedKeys(m.tags) {
			list = append(list, strings.Fields(value(m.tags[name].arches))...)
		}
	}
	for i, a := range list {
		list[i] = arch.Canonical(a)
	}
	return list
}

// setTarget adds a target to the model, in the one way in which it is written.
// What it says of architectures that its build tag can't have means nothing, and
// is left out: a tag may have lost them since.
func (m *model) setTarget(name string, t TargetConfig) {
	known := m.machines(t.BuildTag)
	ofTag := func(list []string) []string {
		list = branchList(list)
		return slices.DeleteFunc(list, func(a string) bool { return len(known) > 0 && !slices.Contains(known, arch.Canonical(a)) })
	}
	t.Branches, t.Lagging, t.BestEffort = branchList(t.Branches), ofTag(t.Lagging), ofTag(t.BestEffort)
	t.NoarchContent = cmp.Or(t.NoarchContent, NoarchWarn)
	m.targets[name] = t
}

// with lists the architectures of a target of the file that have a policy.
func (t Target) with(policy string) []string {
	var list []string
	for _, p := range t.ArchPolicy {
		if p.Policy.Value == policy {
			list = append(list, p.Arch.Value)
		}
	}
	return list
}

// policyWords says what a target says of architectures, as a file does, and of
// noarch packages; what is as it would be without is left out.
func (t TargetConfig) policyWords() []string {
	var words []string
	for _, list := range []struct {
		policy string
		arches []string
	}{{queue.PolicyLagging, t.Lagging}, {queue.PolicyBestEffort, t.BestEffort}} {
		if len(list.arches) > 0 {
			words = append(words, list.policy+" "+strings.Join(list.arches, " "))
		}
	}
	if t.NoarchContent != NoarchWarn {
		words = append(words, "noarch_content "+t.NoarchContent)
	}
	return words
}

// policyChanges describes how these change.
func policyChanges(old, now TargetConfig) []string {
	words := textChange(queue.PolicyLagging, strings.Join(old.Lagging, " "), strings.Join(now.Lagging, " "))
	words = append(words, textChange(queue.PolicyBestEffort, strings.Join(old.BestEffort, " "), strings.Join(now.BestEffort, " "))...)
	return append(words, textChange("noarch_content", old.NoarchContent, now.NoarchContent)...)
}

// setPolicies writes what a target says of architectures and noarch packages.
func (m *mapping) setPolicies(t TargetConfig) {
	policies := &mapping{}
	for _, a := range t.Lagging {
		policies.set(a, text(queue.PolicyLagging))
	}
	for _, a := range t.BestEffort {
		policies.set(a, text(queue.PolicyBestEffort))
	}
	if len(policies.content) > 0 {
		m.set("arch_policy", policies.flow())
	}
	if t.NoarchContent != NoarchWarn {
		m.set("noarch_content", text(t.NoarchContent))
	}
}

// checkPolicies refuses what no target can say.
func (t TargetConfig) checkPolicies() error {
	seen := map[string]bool{}
	for _, a := range slices.Concat(t.Lagging, t.BestEffort) {
		switch {
		case !archPattern.MatchString(a) || len(a) > maxArch || slices.Contains(packageArches, a):
			return refuse(FaultGeneric, "%q is no architecture that can have a policy", a)
		case seen[a]:
			return refuse(FaultGeneric, "%s has two policies", a)
		}
		seen[a] = true
	}
	if t.NoarchContent != NoarchWarn && t.NoarchContent != NoarchFail {
		return refuse(FaultGeneric, "noarch_content is warn or fail, not %q", t.NoarchContent)
	}
	return nil
}
