package closure

import (
	"errors"
	"slices"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/solv"
)

// usable is an index without the streams that are for other machines. To dnf a
// stream is a package: one that is noarch is for all, and one of another
// architecture for machines that run its packages.
func usable(x *modulemd.Index, pool *solv.Pool) *modulemd.Index {
	streams := slices.DeleteFunc(slices.Clone(x.Streams), func(s *modulemd.Stream) bool { return s.Arch != "" && !pool.Compatible(s.Arch) })
	return modulemd.NewIndex(streams, x.Defaults, x.Obsoletes, nil)
}

// unite makes one index of the documents of several repositories as a client
// sees them: of documents of one N:S:V:C:A all artifacts count, and if defaults
// clash there are none at all. Clashes are told.
func unite(repos []Repo) (*modulemd.Index, []modulemd.Finding, error) {
	var parts, defaults []modulemd.Part
	streams := map[modulemd.NSVCA]*modulemd.Stream{}
	var order []modulemd.NSVCA // of those that lack something the first is used
	var obsoletes []*modulemd.Obsoletes
	var findings []modulemd.Finding
	for _, r := range repos {
		if r.Modules == nil {
			continue
		}
		// Documents that clients throw away or die of: what is found without
		// them is not all.
		findings = append(findings, modulemd.AtLeast(r.Modules.Findings, modulemd.Error)...)
		parts = append(parts, modulemd.Part{Name: r.Name, Index: r.Modules})
		defaults = append(defaults, modulemd.Part{Name: r.Name, Index: &modulemd.Index{Defaults: r.Modules.Defaults}})
		obsoletes = append(obsoletes, r.Modules.Obsoletes...)
		for _, s := range r.Modules.Streams {
			if streams[s.NSVCA] == nil {
				order = append(order, s.NSVCA)
			}
			streams[s.NSVCA] = withArtifacts(streams[s.NSVCA], s)
		}
	}
	findings = append(findings, modulemd.AtLeast(modulemd.Clashes(parts), modulemd.Warning)...)
	merged, err := modulemd.Merge(defaults, modulemd.MergeOptions{})
	if errors.Is(err, modulemd.ErrConflict) {
		merged, err = &modulemd.Index{}, nil // told as a clash
	}
	if err != nil {
		return nil, nil, err
	}
	united := make([]*modulemd.Stream, len(order))
	for i, of := range order {
		united[i] = streams[of]
	}
	return modulemd.NewIndex(united, merged.Defaults, obsoletes, nil), findings, nil
}

// withArtifacts is a document with the artifacts of another one of the same
// N:S:V:C:A as well.
func withArtifacts(s, other *modulemd.Stream) *modulemd.Stream {
	if s == nil {
		return other
	}
	both := *s
	both.Text = nil
	both.Artifacts = slices.Concat(s.Artifacts, other.Artifacts)
	slices.Sort(both.Artifacts)
	both.Artifacts = slices.Compact(both.Artifacts)
	return &both
}
