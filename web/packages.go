package web

import (
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
	Older  string
	Newest string
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
	if _, err := s.queries.PackageByName(r.Context(), name); err != nil {
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
	if filter.BeforeID != nil {
		data.Newest = newest(path, q.values, "before_id")
	}
	return &view{page: "package", Title: name, Nav: "packages", Data: data}, nil
}
