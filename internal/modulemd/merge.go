package modulemd

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Part is one of several indexes that are merged or used together.
type Part struct {
	// Name is the repository's, for errors and findings.
	Name  string
	Index *Index
	// Priority decides between defaults documents of one module: of the highest
	// only. Among parts of the same priority they are united.
	Priority int
}

// MergeOptions says how to merge.
type MergeOptions struct {
	// UnionSubsets takes the larger of two stream documents of one N:S:V:C:A if
	// the other lists a part of its artifacts and profiles' RPMs and is
	// otherwise equal, as a slim repository's document and its source's are.
	UnionSubsets bool
	// StrictDefaultStreams makes two default streams of equal age an error;
	// otherwise the module has none.
	StrictDefaultStreams bool
}

// ConflictError says which documents contradict each other, and in what.
type ConflictError struct {
	// Document is what both are about, such as "modulemd perl:5.30:1:c0ffee:x86_64".
	Document string
	// Parts are the names of the two parts.
	Parts [2]string
	// Fields are what differs.
	Fields []string
}

// Error names document, parts and fields.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("modulemd: merge %s: %q and %q differ in %s", e.Document, e.Parts[0], e.Parts[1], list(e.Fields))
}

// Unwrap is [ErrConflict].
func (e *ConflictError) Unwrap() error { return ErrConflict }

// Merge makes one index of several. Stream documents of one N:S:V:C:A must be
// equal, or one a part of the other if that is asked for; so must translations of
// one stream and age, and obsoletes of one stream, context and age. libmodulemd
// takes the first of such streams and translations, and the last of such
// obsoletes, and says nothing. All else is merged by its rules: defaults entry
// by entry, the newer document's entry wins; of translations the newest; all
// obsoletes. The order of parts matters only where the rules of libmodulemd make
// it.
//
// The error joins a *[ConflictError] for each conflict. Findings of the merged
// index tell what was decided; those of the parts are not repeated. A document
// that is taken over as it is keeps its Text.
func Merge(parts []Part, opts MergeOptions) (*Index, error) {
	parts = slices.Clone(parts)
	slices.SortStableFunc(parts, func(a, b Part) int { return cmp.Compare(a.Priority, b.Priority) })
	m := &merger{
		opts: opts, out: newBuilder(),
		streams:      map[NSVCA]merged[*Stream]{},
		defaults:     map[string]merged[*Defaults]{},
		obsoletes:    map[obsoletesKey]merged[*Obsoletes]{},
		translations: map[translationsKey]mergedTranslations{},
	}
	for len(parts) > 0 {
		n := slices.IndexFunc(parts, func(p Part) bool { return p.Priority != parts[0].Priority })
		if n < 0 {
			n = len(parts)
		}
		m.level(parts[:n])
		parts = parts[n:]
	}
	m.finishTranslations()
	if len(m.conflicts) > 0 {
		return nil, errors.Join(m.conflicts...)
	}
	for _, s := range m.streams {
		m.out.add(s.document)
	}
	for _, d := range m.defaults {
		m.out.add(d.document)
	}
	return m.out.finish(), nil
}

// merged is a document and the part it is from, of several the last.
type merged[D any] struct {
	document D
	part     string
}

type merger struct {
	opts      MergeOptions
	out       *builder // of obsoletes and findings, at first
	streams   map[NSVCA]merged[*Stream]
	defaults  map[string]merged[*Defaults]
	obsoletes map[obsoletesKey]merged[*Obsoletes] // that are in out
	// translations are the newest so far.
	translations map[translationsKey]mergedTranslations
	conflicts    []error
}

// level merges parts of the same priority into those of lower ones.
func (m *merger) level(parts []Part) {
	defaults := map[string]merged[*Defaults]{}
	for _, p := range parts {
		for _, s := range p.Index.Streams {
			m.stream(p.Name, s)
		}
		for _, d := range p.Index.Defaults {
			m.mergeDefaults(defaults, p.Name, d)
		}
		for _, t := range p.Index.Translations {
			m.mergeTranslations(p.Name, t)
		}
		for _, o := range p.Index.Obsoletes {
			m.mergeObsoletes(p.Name, o)
		}
	}
	for module, d := range defaults {
		m.defaults[module] = d
	}
}

func (m *merger) stream(part string, s *Stream) {
	old, twice := m.streams[s.NSVCA]
	if !twice {
		m.streams[s.NSVCA] = merged[*Stream]{s, part}
		return
	}
	differing := Differences(old.document, s)
	switch {
	case len(differing) == 0:
	case m.opts.UnionSubsets && IsPartOf(s, old.document):
		m.remarkUnion(old.document, part, old.part)
	case m.opts.UnionSubsets && IsPartOf(old.document, s):
		m.remarkUnion(s, old.part, part)
		m.streams[s.NSVCA] = merged[*Stream]{s, part}
	default:
		m.conflicts = append(m.conflicts, &ConflictError{s.title(), [2]string{old.part, part}, differing})
	}
}

func (m *merger) remarkUnion(larger *Stream, part, whole string) {
	m.out.index.Findings = append(m.out.index.Findings, finding(larger, Note, RuleDuplicateStream,
		"the document of %q lists a part of what that of %q does, which is taken", part, whole))
}

// IsPartOf reports whether small lists only artifacts and RPMs of profiles that
// large lists, too, and is otherwise equal.
func IsPartOf(small, large *Stream) bool {
	for _, field := range Differences(small, large) {
		switch field {
		case "artifacts.rpms":
			if !isSubset(small.Artifacts, large.Artifacts) {
				return false
			}
		case "artifacts.rpm-map":
			if !isPartOfRPMMap(small.RPMMap, large.RPMMap) {
				return false
			}
		case "profiles":
			if !isPartOfProfiles(small.Profiles, large.Profiles) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func isPartOfProfiles(small, large map[string]Profile) bool {
	for name, p := range small {
		q, ok := large[name]
		if !ok || p.Description != q.Description || p.Default != q.Default || !isSubset(p.RPMs, q.RPMs) {
			return false
		}
	}
	return true
}

func isPartOfRPMMap(small, large map[string]map[string]RPMMapEntry) bool {
	for digest, sums := range small {
		for sum, entry := range sums {
			if other, ok := large[digest][sum]; !ok || other != entry {
				return false
			}
		}
	}
	return true
}

// isSubset reports whether every entry of a is in b.
func isSubset(a, b []string) bool {
	a, b = asSet(a), asSet(b)
	for _, s := range a {
		i, ok := slices.BinarySearch(b, s)
		if !ok {
			return false
		}
		b = b[i:]
	}
	return true
}
