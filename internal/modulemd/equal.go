package modulemd

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Differences are the fields in which two stream documents differ, such as
// "artifacts.rpms", in a fixed order; none if they mean the same. Comments,
// styles, the order of keys and of lists that are sets, and the format version
// play no part; fields that the format does not have do.
func Differences(a, b *Stream) []string {
	if len(a.Text) > 0 && string(a.Text) == string(b.Text) {
		return nil
	}
	var fields []string
	note := func(name string, equal bool) {
		if !equal {
			fields = append(fields, name)
		}
	}
	note("name", a.Name == b.Name)
	note("stream", a.Stream == b.Stream)
	note("version", a.Version == b.Version)
	note("context", a.Context == b.Context)
	note("arch", a.Arch == b.Arch)
	note("static_context", a.StaticContext == b.StaticContext)
	note("summary", a.Summary == b.Summary)
	note("description", a.Description == b.Description)
	note("servicelevels", maps.Equal(a.ServiceLevels, b.ServiceLevels))
	note("license.module", sameSet(a.ModuleLicenses, b.ModuleLicenses))
	note("license.content", sameSet(a.ContentLicenses, b.ContentLicenses))
	note("xmd", a.XMD.Equal(b.XMD))
	note("dependencies", slices.EqualFunc(a.Dependencies, b.Dependencies, func(x, y Dependencies) bool {
		return sameSets(x.BuildRequires, y.BuildRequires) && sameSets(x.Requires, y.Requires)
	}))
	note("references", a.References == b.References)
	note("profiles", maps.EqualFunc(a.Profiles, b.Profiles, func(x, y Profile) bool {
		return x.Description == y.Description && x.Default == y.Default && sameSet(x.RPMs, y.RPMs)
	}))
	note("api", sameSet(a.API, b.API))
	note("filter", sameSet(a.Filter, b.Filter))
	note("demodularized", sameSet(a.Demodularized, b.Demodularized))
	note("buildopts", sameBuildOpts(a.BuildOpts, b.BuildOpts))
	note("components.rpms", maps.EqualFunc(a.RPMComponents, b.RPMComponents, sameRPMComponent))
	note("components.modules", maps.Equal(a.ModuleComponents, b.ModuleComponents))
	note("artifacts.rpms", sameSet(a.Artifacts, b.Artifacts))
	note("artifacts.rpm-map", maps.EqualFunc(a.RPMMap, b.RPMMap, maps.Equal))
	return append(fields, unknownDifferences(a.Unknown, b.Unknown)...)
}

// unknownDifferences are the paths whose values differ, sorted. Of a path that
// occurs twice the last counts.
func unknownDifferences(a, b []UnknownField) []string {
	values := func(fields []UnknownField) map[string]Value {
		m := map[string]Value{}
		for _, f := range fields {
			m[f.Path] = f.Value
		}
		return m
	}
	inA, inB := values(a), values(b)
	var paths []string
	for path, v := range inA {
		if w, ok := inB[path]; !ok || !v.Equal(w) {
			paths = append(paths, path)
		}
	}
	for path := range inB {
		if _, ok := inA[path]; !ok {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

func sameSet(a, b []string) bool { return slices.Equal(asSet(a), asSet(b)) }

func sameSets(a, b map[string][]string) bool { return maps.EqualFunc(a, b, sameSet) }

func sameBuildOpts(a, b *BuildOpts) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Macros == b.Macros && sameSet(a.Whitelist, b.Whitelist) && sameSet(a.Arches, b.Arches)
}

func sameRPMComponent(a, b RPMComponent) bool {
	if !sameSet(a.BuildAfter, b.BuildAfter) || !sameSet(a.Arches, b.Arches) || !sameSet(a.Multilib, b.Multilib) {
		return false
	}
	a.BuildAfter, a.Arches, a.Multilib = nil, nil, nil
	b.BuildAfter, b.Arches, b.Multilib = nil, nil, nil
	return reflect.DeepEqual(a, b)
}

// list joins words for people: "a, b and c".
func list(words []string) string {
	switch len(words) {
	case 0:
		return "nothing"
	case 1:
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
