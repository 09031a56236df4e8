package web

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/distbot/distbot/internal/db"
)

// packageRows is how many packages a page lists.
const packageRows = 200

// packageListView is what the page of all packages shows.
type packageListView struct {
	Packages []db.PackagesOverviewRow
	Older    string
	Newest   string
}

// packageList lists the packages that were ever built.
func (s *server) packageList(r *http.Request) (*view, error) {
	q := queryOf(r)
	after := q.text("after")
	if q.err != nil {
		return nil, q.err
	}
	rows, err := s.queries.PackagesOverview(r.Context(), db.PackagesOverviewParams{After: after, MaxRows: packageRows + 1})
	if err != nil {
		return nil, err
	}
	data := packageListView{Packages: rows}
	if len(rows) > packageRows {
		data.Packages = rows[:packageRows]
		data.Older = older("/packages", q.values, "after", data.Packages[packageRows-1].Name)
	}
	if after != nil {
		data.Newest = "/packages"
	}
	return &view{page: "packages", Title: "Packages", Nav: "packages", Data: data}, nil
}

// packageView is what a package's page shows.
type packageView struct {
	Name   string
	Builds []buildLine
	// Tags are those that have the package now.
	Tags     []db.TagsOfPackageRow
	MoreTags bool
	At       asOf
	Older    string
	Newest   string
}

// tagsOfPackageShown is how many tags a package's page lists.
const tagsOfPackageShown = 200

// tagsOfPackage reads which tags have a package now, and whether there are more.
func (s *server) tagsOfPackage(ctx context.Context, packageID int64) (tags []db.TagsOfPackageRow, more bool, err error) {
	tags, err = s.queries.TagsOfPackage(ctx, db.TagsOfPackageParams{PackageID: packageID, MaxRows: tagsOfPackageShown + 1})
	if more = len(tags) > tagsOfPackageShown; more {
		tags = tags[:tagsOfPackageShown]
	}
	return tags, more, err
}

// packageBuilds lists the builds of one package.
func (s *server) packageBuilds(r *http.Request) (*view, error) {
	name, err := pathName(r, "name")
	if err != nil {
		return nil, err
	}
	q := queryOf(r)
	filter := buildFilter{Package: &name, BeforeID: q.number("before_id", 1, 1<<62), Limit: pageRows}
	if q.err != nil {
		return nil, q.err
	}
	pkg, err := s.queries.PackageByName(r.Context(), name)
	if err != nil {
		return nil, err
	}
	lines, more, err := s.listBuilds(r.Context(), filter)
	if err != nil {
		return nil, err
	}
	data, path := packageView{Name: name, Builds: lines}, "/packages/"+url.PathEscape(name)
	if more {
		data.Older = older(path, q.values, "before_id", strconv.FormatInt(lines[len(lines)-1].ID, 10))
	}
	if data.Tags, data.MoreTags, err = s.tagsOfPackage(r.Context(), pkg.ID); err != nil {
		return nil, err
	}
	if filter.BeforeID != nil {
		data.Newest = newest(path, q.values, "before_id")
	}
	return &view{page: "package", Title: name, Nav: "packages", Data: data}, nil
}
