package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/reproduce"
	"github.com/distbot/distbot/queue"
)

// chainView is what the page of a chain shows.
type chainView struct {
	db.GetChainRow
	Groups []chainGroup
}

// chainGroup is a group of a chain's builds.
type chainGroup struct {
	Number int32
	Builds []db.ChainBuildsRow
}

// chain is the page of what somebody asked to be built by hand.
func (s *server) chain(r *http.Request) (*view, error) {
	id, err := pathID(r, "id")
	if err != nil {
		return nil, err
	}
	chain, err := s.queries.GetChain(r.Context(), id)
	if err != nil {
		return nil, err
	}
	builds, err := s.queries.ChainBuilds(r.Context(), id)
	if err != nil {
		return nil, err
	}
	data := chainView{GetChainRow: chain}
	for _, build := range builds {
		if n := len(data.Groups); n == 0 || data.Groups[n-1].Number != build.GroupNumber {
			data.Groups = append(data.Groups, chainGroup{Number: build.GroupNumber})
		}
		last := &data.Groups[len(data.Groups)-1]
		last.Builds = append(last.Builds, build)
	}
	return &view{page: "chain", Title: fmt.Sprintf("Chain %d", id), Nav: "builds", Data: data, Refresh: chain.FinishedAt == nil}, nil
}

// rebuildLine is a rebuild of a build in its recorded buildroots.
type rebuildLine struct {
	db.Rebuild
	Result reproduce.Result
}

// maxRebuilds is how many rebuilds a build's page shows.
const maxRebuilds = 10

// rebuildsOf reads the newest rebuilds of a build.
func (s *server) rebuildsOf(ctx context.Context, build int64) ([]rebuildLine, error) {
	rows, err := s.queries.RebuildsOfBuild(ctx, db.RebuildsOfBuildParams{OriginalID: build, MaxRows: maxRebuilds})
	if err != nil {
		return nil, err
	}
	lines := make([]rebuildLine, len(rows))
	for i, row := range rows {
		lines[i].Rebuild = row
		if row.Result == nil {
			continue
		}
		if err := json.Unmarshal(row.Result, &lines[i].Result); err != nil {
			return nil, fmt.Errorf("web: read the result of rebuild %d: %w", row.ID, err)
		}
	}
	return lines, nil
}

// rootDiffView is what the page of two buildroots shows.
type rootDiffView struct {
	A, B           db.GetBuildRow
	NameA, NameB   string
	Roots          []rootDiff
	Others         []string // architectures of only one of the builds
	SamePackageSet bool
}

// rootDiff is how the buildroots for an architecture differ.
type rootDiff struct {
	Arch string
	reproduce.RootDifference
}

// buildrootDiff compares the buildroots of two builds, architecture by
// architecture.
func (s *server) buildrootDiff(r *http.Request) (*view, error) {
	data := rootDiffView{SamePackageSet: true}
	var roots [2]map[string][]reproduce.Package
	for i, side := range []struct {
		param string
		build *db.GetBuildRow
		name  *string
	}{{"id", &data.A, &data.NameA}, {"other", &data.B, &data.NameB}} {
		id, err := pathID(r, side.param)
		if err != nil {
			return nil, err
		}
		if *side.build, err = s.queries.GetBuild(r.Context(), id); err != nil {
			return nil, err
		}
		*side.name = nvrOf(side.build.Nvr, side.build.PlannedNvr, side.build.Package)
		if roots[i], err = s.rootsOf(r.Context(), id); err != nil {
			return nil, err
		}
	}
	for arch, before := range roots[0] {
		after, both := roots[1][arch]
		if !both {
			data.Others = append(data.Others, arch)
			continue
		}
		d := rootDiff{Arch: arch, RootDifference: reproduce.Roots(before, after)}
		data.SamePackageSet = data.SamePackageSet && d.Empty()
		data.Roots = append(data.Roots, d)
	}
	for arch := range roots[1] {
		if _, both := roots[0][arch]; !both {
			data.Others = append(data.Others, arch)
		}
	}
	slices.Sort(data.Others)
	slices.SortFunc(data.Roots, func(a, b rootDiff) int { return strings.Compare(a.Arch, b.Arch) })
	return &view{page: "buildroot_diff", Title: "Buildroots of " + data.NameA + " and " + data.NameB, Nav: "builds", Data: data}, nil
}

// rootsOf reads the buildroots of a build by architecture.
func (s *server) rootsOf(ctx context.Context, build int64) (map[string][]reproduce.Package, error) {
	rows, err := s.queries.BuildrootsForArches(ctx, build)
	if err != nil {
		return nil, err
	}
	roots := map[string][]reproduce.Package{}
	for _, row := range rows {
		if row.Method != queue.MethodBuildArch {
			continue
		}
		content, err := s.queries.BuildrootContent(ctx, row.BuildrootID)
		if err != nil {
			return nil, err
		}
		list := make([]reproduce.Package, len(content))
		for i, p := range content {
			list[i] = reproduce.Package{NEVRA: p.Nevra, Digest: p.Digest}
		}
		roots[row.Arch] = list
	}
	return roots, nil
}
