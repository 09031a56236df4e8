package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/tagview"
)

const (
	// tagBuildRows is how many builds of a tag a page lists.
	tagBuildRows = 100
	// latestBuilds is how many builds of each package may be asked for.
	latestBuilds = 1000
)

// listTagBuilds reads the builds of a tag that a question asks for, by package,
// those of one package in the order in which they count. inherit is 0 for the
// tag's own, latest how many of each package, 0 for all; package is the whole
// name of one, name a part of an NVR.
func (s *server) listTagBuilds(ctx context.Context, head tagHead, q *query) ([]tagview.Build, error) {
	name, inherit, latest := strings.ToLower(orEmpty(q.text("name"))), q.oneOf("inherit", []string{"0", "1"}), q.number("latest", 0, latestBuilds)
	pkg := q.text("package")
	if q.err != nil {
		return nil, q.err
	}
	query := tagview.BuildQuery{Inherit: orEmpty(inherit) != "0", Latest: 1}
	if latest != nil {
		query.Latest = int(*latest)
	}
	if pkg != nil {
		found, err := s.queries.PackageByName(ctx, *pkg)
		switch {
		case isNoRows(err):
			return []tagview.Build{}, nil
		case err != nil:
			return nil, err
		}
		query.PackageID = found.ID
	}
	release, err := s.wholeList(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	builds, err := head.tags.Builds(ctx, head.ID, query)
	if err != nil {
		return nil, err
	}
	builds = slices.DeleteFunc(builds, func(b tagview.Build) bool { return !strings.Contains(strings.ToLower(b.NVR), name) })
	slices.SortStableFunc(builds, func(a, b tagview.Build) int { return cmp.Compare(a.Package, b.Package) })
	return builds, nil
}

// tagBuildsView is what the page of a tag's builds shows.
type tagBuildsView struct {
	tagHead
	listPart
	Builds                                   []tagview.Build
	NameAsked, PackageAsked, Inherit, Latest string
	Filtered                                 bool
}

// tagBuilds is the page of a tag's builds: of each package the latest, inherited
// ones too, unless it is asked for others.
func (s *server) tagBuilds(r *http.Request) (*view, error) {
	q := queryOf(r)
	head, err := s.tagHead(r, q, "builds")
	if err != nil {
		return nil, err
	}
	data := tagBuildsView{
		tagHead: head, NameAsked: orEmpty(q.text("name")), PackageAsked: orEmpty(q.text("package")),
		Inherit: orEmpty(q.text("inherit")), Latest: orEmpty(q.text("latest")),
	}
	data.Filtered = data.NameAsked != "" || data.PackageAsked != "" || data.Inherit == "0" || data.Latest != "" && data.Latest != "1"
	start := q.start()
	builds, err := s.listTagBuilds(r.Context(), head, q)
	if err != nil {
		return nil, err
	}
	// The API tells a build twice where Koji does; people want to see it once.
	type tagging struct{ tag, build int64 }
	seen := map[tagging]bool{}
	builds = slices.DeleteFunc(builds, func(b tagview.Build) bool {
		again := seen[tagging{b.TagID, b.ID}]
		seen[tagging{b.TagID, b.ID}] = true
		return again
	})
	data.Builds, data.listPart = partOf(builds, start, tagBuildRows, head.Path(), q.values)
	return head.view("tag_builds", data), nil
}
