package slim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/modulemd"
)

// documents are the module documents of the repository, as the sources have
// them, merged by N:S:V:C:A: those streams that the chosen packages need, and of
// their modules the defaults, obsoletes and translations. Documents that the
// repository does not need may contradict each other.
func (c *catalog) documents(chosen selection) (*modulemd.Index, error) {
	needed := c.needed(chosen)
	modules := map[string]bool{}
	for n := range needed {
		modules[n.Name] = true
	}
	var parts []modulemd.Part
	for _, part := range c.modules {
		if err := ambiguous(part.Index, needed); err != nil {
			return nil, err
		}
		parts = append(parts, modulemd.Part{Name: part.Name, Index: pick(part.Index, needed, modules)})
	}
	merged, err := modulemd.Merge(parts, modulemd.MergeOptions{UnionSubsets: true, StrictDefaultStreams: true})
	if err != nil {
		return nil, fmt.Errorf("slim: %w: the sources contradict each other: %w", ErrRefused, err)
	}
	return merged, nil
}

// ambiguous refuses a source with two different documents of a stream that is
// needed. dnf uses the first, others the last.
func ambiguous(x *modulemd.Index, needed map[modulemd.NSVCA]bool) error {
	for _, f := range x.Findings {
		for _, s := range x.Streams {
			if f.Rule == modulemd.RuleDuplicateStream && needed[s.NSVCA] && strings.HasSuffix(f.Document, " "+s.String()) {
				return fmt.Errorf("slim: %w: a source contradicts itself: %w", ErrRefused, &modulemd.FindingsError{Findings: []modulemd.Finding{f}})
			}
		}
	}
	return nil
}

// needed are the streams that list a chosen package, and later documents of these
// that take packages out of the module again: dnf believes the latest of a
// stream, and without it would go on hiding what is no more in the module.
func (c *catalog) needed(chosen selection) map[modulemd.NSVCA]bool {
	listing := c.listing()
	needed := map[modulemd.NSVCA]bool{}
	latest := map[modulemd.NSVCA]uint64{} // by all but the version
	for id := range chosen {
		for _, s := range listing[modulemd.FormatArtifact(c.packages[id].NEVRA)] {
			needed[s.NSVCA] = true
			latest[anyVersion(s)] = max(latest[anyVersion(s)], s.Version)
		}
	}
	for _, part := range c.modules {
		for _, s := range part.Index.Streams {
			if than, ok := latest[anyVersion(s)]; ok && s.Version > than && len(s.Demodularized) > 0 {
				needed[s.NSVCA] = true
			}
		}
	}
	return needed
}

// anyVersion is a stream without its version.
func anyVersion(s *modulemd.Stream) modulemd.NSVCA {
	n := s.NSVCA
	n.Version = 0
	return n
}

// pick are the documents of an index that belong to streams and modules.
func pick(x *modulemd.Index, streams map[modulemd.NSVCA]bool, modules map[string]bool) *modulemd.Index {
	return &modulemd.Index{
		Streams:      keep(x.Streams, func(s *modulemd.Stream) bool { return streams[s.NSVCA] }),
		Defaults:     keep(x.Defaults, func(d *modulemd.Defaults) bool { return modules[d.Module] }),
		Obsoletes:    keep(x.Obsoletes, func(o *modulemd.Obsoletes) bool { return modules[o.Module] }),
		Translations: keep(x.Translations, func(t *modulemd.Translations) bool { return modules[t.Module] }),
	}
}

func keep[D any](all []D, wanted func(D) bool) (kept []D) {
	for _, d := range all {
		if wanted(d) {
			kept = append(kept, d)
		}
	}
	return kept
}

// complete takes the packages that profiles of the streams name, until nothing
// is new: a package may belong to further documents, with further profiles. It
// returns those it took.
func (c *catalog) complete(chosen selection) (added []string) {
	for {
		before := len(chosen)
		needed := c.needed(chosen)
		for _, part := range c.modules {
			for _, s := range part.Index.Streams {
				if needed[s.NSVCA] {
					added = append(added, c.completeStream(s, chosen)...)
				}
			}
		}
		if len(chosen) == before {
			slices.Sort(added)
			return slices.Compact(added)
		}
	}
}

func (c *catalog) completeStream(s *modulemd.Stream, chosen selection) (added []string) {
	wanted := map[string]bool{}
	for _, p := range s.Profiles {
		for _, rpm := range p.RPMs {
			wanted[rpm] = true
		}
	}
	for _, artifact := range s.Artifacts {
		for _, id := range c.artifact[artifact] {
			if p := c.packages[id]; wanted[p.Name] && p.Arch != "src" && p.Arch != "nosrc" && !chosen[id] {
				chosen[id] = true
				added = append(added, p.String())
			}
		}
	}
	return added
}
