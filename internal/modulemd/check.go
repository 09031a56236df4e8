package modulemd

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Check looks for what is wrong with the documents of one repository beyond what
// [Read] finds: what dnf or other tools misread or refuse although each document
// is valid, and documents that do not go together. Findings are in the order of
// [Index.Write].
func (x *Index) Check() []Finding {
	streams := map[string][]*Stream{} // by module
	for _, s := range x.Streams {
		streams[s.Name] = append(streams[s.Name], s)
	}
	var out []Finding
	for _, d := range x.documents() {
		switch d := d.(type) {
		case *Stream:
			c := streamCheck{Stream: d}
			out = append(out, c.check(streams)...)
		case *Defaults:
			out = append(out, checkDefaults(d, streams[d.Module])...)
		case *Obsoletes:
			if !hasStream(streams[d.Module], d.Stream) {
				out = append(out, finding(d, Note, RuleOrphan, "no document of that stream is here"))
			}
		case *Translations:
			if !hasStream(streams[d.Module], d.Stream) {
				out = append(out, finding(d, Note, RuleOrphan, "no document of that stream is here"))
			}
		}
	}
	return out
}

func hasStream(streams []*Stream, name string) bool {
	return slices.ContainsFunc(streams, func(s *Stream) bool { return s.Stream == name })
}

// streamCheck looks at one stream document.
type streamCheck struct {
	*Stream
	findings []Finding
}

func (c *streamCheck) add(severity Severity, rule Rule, format string, args ...any) {
	c.findings = append(c.findings, finding(c.Stream, severity, rule, format, args...))
}

func (c *streamCheck) check(streams map[string][]*Stream) []Finding {
	if c.Context == "" {
		c.add(Warning, RuleNoContext, "no context; Satellite and Pulp refuse the document")
	}
	if c.Arch == "" {
		c.add(Warning, RuleNoArch, "no architecture; Satellite and Pulp refuse the document")
	}
	c.artifacts()
	c.profiles()
	c.requires(streams)
	return c.findings
}

func (c *streamCheck) artifacts() {
	for _, a := range c.Artifacts {
		if _, err := ParseArtifact(a); err != nil {
			c.add(Warning, RuleArtifact, "artifact %q: no RPM can have that name", a)
			continue
		}
		if _, arch := artifactName(a); c.Arch != "" && !fitsArch(arch, c.Arch) {
			c.add(Warning, RuleArch, "artifact %q is not for %s", a, c.Arch)
		}
	}
}

// fitsArch reports whether an RPM of an architecture may be in a stream of
// another: its own, none, sources, and what runs beside it.
func fitsArch(rpm, stream string) bool {
	if rpm == stream || rpm == "noarch" || rpm == "src" || rpm == "nosrc" {
		return true
	}
	switch stream {
	case "x86_64":
		return slices.Contains([]string{"i386", "i486", "i586", "i686", "athlon"}, rpm)
	case "ppc64":
		return rpm == "ppc"
	case "s390x":
		return rpm == "s390"
	}
	return false
}

// profiles: dnf installs a profile whole or not at all.
func (c *streamCheck) profiles() {
	if len(c.Artifacts) == 0 {
		return
	}
	names := make(map[string]bool, len(c.Artifacts))
	for _, a := range c.Artifacts {
		name, _ := artifactName(a)
		names[name] = true
	}
	for _, profile := range slices.Sorted(maps.Keys(c.Profiles)) {
		var absent []string
		for _, rpm := range c.Profiles[profile].RPMs {
			if !names[rpm] {
				absent = append(absent, rpm)
			}
		}
		if len(absent) > 0 {
			c.add(Warning, RuleProfileRPM, "profile %q names %s, not among the artifacts of the stream; dnf cannot install the profile unless another repository has it",
				profile, list(absent))
		}
	}
}

func (c *streamCheck) requires(streams map[string][]*Stream) {
	for _, d := range c.Dependencies {
		for _, module := range slices.Sorted(maps.Keys(d.Requires)) {
			wanted := d.Requires[module]
			for _, stream := range wanted {
				if strings.LastIndexByte(stream, '-') > 0 {
					c.add(Warning, RuleDashStream, "requires %s:%s; libdnf reads a stream with '-' inside as one that is excluded", module, stream)
				}
			}
			if module == platform {
				continue
			}
			if !slices.ContainsFunc(streams[module], func(s *Stream) bool { return allows(wanted, s.Stream) }) {
				c.add(Note, RuleRequires, "requires %s, of which no document is here", formatRequirement(module, wanted))
			}
		}
	}
}

// formatRequirement is "MODULE:STREAM", or "MODULE:[STREAM, STREAM]".
func formatRequirement(module string, streams []string) string {
	if len(streams) == 1 {
		return module + ":" + streams[0]
	}
	return module + ":[" + strings.Join(streams, ", ") + "]"
}

// checkDefaults: what is to be installed by default must exist.
func checkDefaults(d *Defaults, streams []*Stream) []Finding {
	var out []Finding
	if d.Stream != "" && !hasStream(streams, d.Stream) {
		out = append(out, finding(d, Note, RuleDefaultStream, "the default stream %q has no document here", d.Stream))
	}
	for _, stream := range slices.Sorted(maps.Keys(d.Profiles)) {
		for _, s := range newest(streams, stream) {
			for _, profile := range d.Profiles[stream] {
				if _, ok := s.Profiles[profile]; !ok {
					out = append(out, finding(d, Error, RuleDefaultProfile,
						"the default profile %q of stream %q does not exist in %s; dnf fails to install the module", profile, stream, s))
				}
			}
		}
	}
	return out
}

// newest are the documents of the stream with the highest version of each
// context and architecture: profiles are taken from these.
func newest(streams []*Stream, stream string) []*Stream {
	type build struct{ context, arch string }
	byBuild := map[build]*Stream{}
	for _, s := range streams {
		key := build{s.Context, s.Arch}
		if old := byBuild[key]; s.Stream == stream && (old == nil || old.Version < s.Version) {
			byBuild[key] = s
		}
	}
	return slices.SortedFunc(maps.Values(byBuild), func(a, b *Stream) int { return cmp.Compare(a.String(), b.String()) })
}
