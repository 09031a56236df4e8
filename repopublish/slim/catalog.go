package slim

import (
	"context"
	"fmt"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/repopublish/snapshot"
)

// catalog is what repositories have.
type catalog struct {
	sources  []*snapshot.Snapshot
	packages []available
	named    map[string][]int // packages by name
	artifact map[string][]int // by N-E:V-R.A
	modules  []modulemd.Part  // one for each source
}

// available is a package of a source.
type available struct {
	repomd.PrimaryPackage
	source int
}

func read(ctx context.Context, sources []*snapshot.Snapshot) (*catalog, error) {
	c := &catalog{sources: sources, named: map[string][]int{}, artifact: map[string][]int{}}
	for i, s := range sources {
		err := s.Packages(ctx, func(p repomd.PrimaryPackage) error {
			id := len(c.packages)
			// Names are all that is needed of it; the rest is read of the RPM.
			p.Dependencies, p.Files = repomd.Dependencies{}, nil
			c.packages = append(c.packages, available{p, i})
			c.named[p.Name] = append(c.named[p.Name], id)
			artifact := modulemd.FormatArtifact(p.NEVRA)
			c.artifact[artifact] = append(c.artifact[artifact], id)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("slim: %w", err)
		}
		index, err := s.Modules()
		if err != nil {
			return nil, fmt.Errorf("slim: %w", err)
		}
		c.modules = append(c.modules, modulemd.Part{Name: s.Name, Index: index})
	}
	return c, nil
}

// listing are the stream documents that list an artifact, of all sources.
func (c *catalog) listing() map[string][]*modulemd.Stream {
	all := map[string][]*modulemd.Stream{}
	for _, part := range c.modules {
		for artifact, streams := range part.Index.ByArtifact() {
			all[artifact] = append(all[artifact], streams...)
		}
	}
	return all
}
