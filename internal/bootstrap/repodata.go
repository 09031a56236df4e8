package bootstrap

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
)

// artifact is a finished RPM: where the cache has it, and what the
// repository's metadata and record say of it.
type artifact struct {
	file  string
	built int64 // seconds since 1970
	entry repomd.Entry
	rpm   Package
}

// readArtifact reads an RPM of the cache. What is recorded comes from the RPM,
// not from what rpmbuild was asked for.
func readArtifact(file string, source deb) (artifact, error) {
	p, digest, err := rpmfile.ReadFile(file)
	if err != nil {
		return artifact{}, fmt.Errorf("bootstrap: read finished rpm: %w", err)
	}
	name := p.NVRA() + ".rpm"
	fragments, err := repomd.Render(p, repomd.File{Href: name, SHA256: digest.SHA256, Size: digest.Size, Time: p.BuildTime})
	if err != nil {
		return artifact{}, fmt.Errorf("bootstrap: describe finished rpm: %w", err)
	}
	return artifact{
		file:  file,
		built: p.BuildTime,
		entry: repomd.Entry{NEVRA: p.NEVRA, SHA256: digest.SHA256, Fragments: fragments},
		rpm: Package{
			NEVRA: p.NEVRA, File: name, SHA256: digest.SHA256, Size: digest.Size,
			Source: source.Name, SourceSHA256: source.SHA256,
		},
	}, nil
}

// writeRepodata describes artifacts, which are in order, in dir. Revision and
// timestamp are the newest build time among them, so that the same packages
// give the same metadata and newer ones a newer revision.
func writeRepodata(ctx context.Context, dir string, artifacts []artifact, groups []Group) error {
	comps, err := repomd.Comps(compsGroups(groups))
	if err != nil {
		return fmt.Errorf("bootstrap: write comps: %w", err)
	}
	var newest int64
	for _, a := range artifacts {
		newest = max(newest, a.built)
	}
	entries := func(yield func(repomd.Entry, error) bool) {
		for _, a := range artifacts {
			if !yield(a.entry, nil) {
				return
			}
		}
	}
	_, err = repomd.Write(ctx, dir, len(artifacts), entries, repomd.Options{
		Revision: strconv.FormatInt(newest, 10), Timestamp: newest, Comps: comps,
	})
	if err != nil {
		return fmt.Errorf("bootstrap: write repodata: %w", err)
	}
	return nil
}

// compsGroups makes every package of a group mandatory.
func compsGroups(groups []Group) []repomd.Group {
	var out []repomd.Group
	for _, g := range groups {
		comps := repomd.Group{ID: g.ID, Name: g.Name, Description: g.Description, UserVisible: true}
		for _, name := range g.Packages {
			comps.Packages = append(comps.Packages, repomd.GroupPackage{Name: name, Type: repomd.Mandatory})
		}
		out = append(out, comps)
	}
	return out
}

// sortArtifacts puts artifacts into the order repomd.Write wants.
func sortArtifacts(artifacts []artifact) {
	slices.SortFunc(artifacts, func(a, b artifact) int { return repomd.Compare(a.entry, b.entry) })
}
