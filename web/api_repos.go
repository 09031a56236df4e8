package web

import (
	"net/http"
	"net/url"
	"time"
)

// apiRepo is a tag's repository for programs.
type apiRepo struct {
	Tag    string   `json:"tag"`
	Arches []string `json:"arches"`
	// Generation is 0 before the first is published.
	Generation  int64      `json:"generation"`
	Packages    int32      `json:"packages"`
	PublishedAt *time.Time `json:"published_at"`
	// WantRev is above BuiltRev while a change is on its way.
	WantRev  int64  `json:"want_rev"`
	BuiltRev int64  `json:"built_rev"`
	URL      string `json:"url"`
	// Hold is null unless somebody went back to an older generation: then
	// nothing newer is published until that ends.
	Hold *apiHold `json:"hold"`
	// Trouble is null unless what the tag says can't be published: then Kind is
	// refused, until the tag changes, or failing: that is tried again.
	Trouble *apiTrouble `json:"trouble"`
}

// apiRepos answers with the repositories of all tags.
func (s *server) apiRepos(r *http.Request) (any, error) {
	rows, err := s.queries.ReposOverview(r.Context(), nil)
	if err != nil {
		return nil, err
	}
	repos := make([]apiRepo, len(rows))
	for i, row := range rows {
		trouble, err := troubleOf(row)
		if err != nil {
			return nil, err
		}
		repos[i] = apiRepo{
			Tag: row.Name, Arches: row.Arches, Generation: row.Generation, Packages: row.Packages, PublishedAt: utcOrNull(row.PublishedAt),
			WantRev: row.WantRev, BuiltRev: row.BuiltRev, URL: s.ExternalURL + "/repos/" + url.PathEscape(row.Name) + "/latest/",
			Hold: apiHoldOf(holdOf(row)), Trouble: apiTroubleOf(trouble),
		}
	}
	return struct {
		Repos []apiRepo `json:"repos"`
	}{repos}, nil
}
