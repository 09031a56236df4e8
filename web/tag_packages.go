package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/tagview"
)

// listTagPackages reads the packages of a tag that a question asks for, by name: name is
// a part of their names, blocked yes or no, inherit 0 for the tag's own alone.
func (s *server) listTagPackages(ctx context.Context, head tagHead, q *query) ([]tagview.Package, error) {
	name, blocked, inherit := strings.ToLower(orEmpty(q.text("name"))), q.oneOf("blocked", []string{"yes", "no"}), q.oneOf("inherit", []string{"0", "1"})
	if q.err != nil {
		return nil, q.err
	}
	release, err := s.wholeList(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	all, err := head.tags.Packages(ctx, head.ID, tagview.PackageQuery{Inherit: orEmpty(inherit) != "0"})
	if err != nil {
		return nil, err
	}
	asked := []tagview.Package{}
	for _, p := range all {
		if strings.Contains(strings.ToLower(p.Name), name) && (blocked == nil || p.Blocked == (*blocked == "yes")) {
			asked = append(asked, p)
		}
	}
	slices.SortStableFunc(asked, func(a, b tagview.Package) int { return cmp.Compare(a.Name, b.Name) })
	return asked, nil
}

// tagPackagesView is what the page of a tag's packages shows.
type tagPackagesView struct {
	tagHead
	listPart
	Packages                         []tagview.Package
	NameAsked, BlockedAsked, Inherit string
	Filtered                         bool
}

// tagPackages is the page of a tag's package list.
func (s *server) tagPackages(r *http.Request) (*view, error) {
	q := queryOf(r)
	head, err := s.tagHead(r, q, "packages")
	if err != nil {
		return nil, err
	}
	data := tagPackagesView{
		tagHead: head, NameAsked: orEmpty(q.text("name")), BlockedAsked: orEmpty(q.text("blocked")), Inherit: orEmpty(q.text("inherit")),
	}
	data.Filtered = data.NameAsked != "" || data.BlockedAsked != "" || data.Inherit == "0"
	start := q.start()
	packages, err := s.listTagPackages(r.Context(), head, q)
	if err != nil {
		return nil, err
	}
	data.Packages, data.listPart = partOf(packages, start, packageRows, head.Path(), q.values)
	return head.view("tag_packages", data), nil
}
