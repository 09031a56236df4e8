package web

import (
	"net/http"
	"net/url"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
)

// Answers about tags have the names of Koji's fields. query_event is the event
// whose state is told, null for what is now.

// maxEntries is the most packages or builds of a tag, or steps of a walk, that
// the API lists at a time.
const maxEntries = 5000

// apiTagList is the answer of /api/v1/tags.
type apiTagList struct {
	QueryEvent *int64        `json:"query_event"`
	Tags       []tagview.Tag `json:"tags"`
	// NextAfter is what after must be for the tags behind these; null at the end.
	NextAfter *string `json:"next_after"`
}

// apiTags answers with tags by name.
func (s *server) apiTags(r *http.Request) (any, error) {
	q := queryOf(r)
	at, err := s.asOf(r, q)
	if err != nil {
		return nil, err
	}
	name, after, limit := q.text("name"), q.text("after"), q.limit()
	if q.err != nil {
		return nil, q.err
	}
	list, err := s.listTags(r.Context(), at, orEmpty(name), orEmpty(after), int(limit))
	if err != nil {
		return nil, err
	}
	answer := apiTagList{QueryEvent: at.Event(), Tags: []tagview.Tag{}}
	for _, line := range list.Lines {
		answer.Tags = append(answer.Tags, line.Tag)
	}
	if list.More {
		answer.NextAfter = &answer.Tags[len(answer.Tags)-1].Name
	}
	return answer, nil
}

// apiTagDetail is the answer of /api/v1/tags/NAME. Arches and extra are
// effective, arches_from and extra_from say which of them are inherited.
type apiTagDetail struct {
	tagview.Config
	QueryEvent    *int64                 `json:"query_event"`
	Targets       []apiTarget            `json:"targets"`
	ExternalRepos []tagview.ExternalRepo `json:"external_repos"`
	// LastChange is of the tag itself, LastChangeInherited of those, too, that
	// it inherits from.
	LastChange          *tagview.Event `json:"last_change"`
	LastChangeInherited *tagview.Event `json:"last_change_inherited"`
	URL                 string         `json:"url"`
}

// apiTag answers with one tag.
func (s *server) apiTag(r *http.Request) (any, error) {
	head, err := s.tagHead(r, queryOf(r), "")
	if err != nil {
		return nil, err
	}
	sum, err := s.summarize(r.Context(), head)
	if err != nil {
		return nil, err
	}
	return apiTagDetail{
		Config: sum.Config, QueryEvent: head.Event(), Targets: s.apiTargetsOf(sum.Targets), ExternalRepos: sum.External,
		LastChange: eventUTC(sum.LastChange), LastChangeInherited: eventUTC(sum.InheritedChange),
		URL: s.ExternalURL + "/tags/" + url.PathEscape(head.Name),
	}, nil
}

// eventUTC is an event as the API tells it.
func eventUTC(event *tagview.Event) *tagview.Event {
	if event == nil {
		return nil
	}
	told := *event
	told.At = utc(told.At)
	return &told
}

// apiTagInheritance answers with whom a tag inherits from, as its walk meets
// them, and who inherits from it.
func (s *server) apiTagInheritance(r *http.Request) (any, error) {
	q := queryOf(r)
	head, err := s.tagHead(r, q, "inheritance")
	if err != nil {
		return nil, err
	}
	limit := q.limitUpTo(maxEntries)
	if q.err != nil {
		return nil, q.err
	}
	up, err := head.tags.Inheritance(r.Context(), head.ID)
	if err != nil {
		return nil, err
	}
	down, err := head.tags.Descendants(r.Context(), head.ID)
	if err != nil {
		return nil, err
	}
	return struct {
		QueryEvent       *int64         `json:"query_event"`
		Inheritance      []tagview.Step `json:"inheritance"`
		InheritanceTotal int            `json:"inheritance_total"`
		Descendants      []tagview.Step `json:"descendants"`
		DescendantsTotal int            `json:"descendants_total"`
	}{head.Event(), firstSteps(up, limit), len(up), firstSteps(down, limit), len(down)}, nil
}

// firstSteps is the beginning of a walk, without nulls where there are lists.
func firstSteps(steps []tagview.Step, limit int64) []tagview.Step {
	first := append([]tagview.Step{}, steps[:min(int64(len(steps)), limit)]...)
	for i := range first {
		if first[i].Filters == nil {
			first[i].Filters = []string{}
		}
	}
	return first
}

// apiPart is what is told with a part of a list.
type apiPart struct {
	QueryEvent *int64 `json:"query_event"`
	Total      int    `json:"total"`
	// NextStart is what start must be for the rest; null at the end.
	NextStart *int64 `json:"next_start"`
}

// apiTagPackages answers with the package list of a tag, inherited entries too.
func (s *server) apiTagPackages(r *http.Request) (any, error) {
	q := queryOf(r)
	head, err := s.tagHead(r, q, "packages")
	if err != nil {
		return nil, err
	}
	start, limit := q.start(), q.limitUpTo(maxEntries)
	packages, err := s.listTagPackages(r.Context(), head, q)
	if err != nil {
		return nil, err
	}
	packages, part := partOf(packages, start, limit, "", nil)
	return struct {
		apiPart
		Packages []tagview.Package `json:"packages"`
	}{apiPart{head.Event(), part.Total, part.next}, packages}, nil
}

// apiTagBuilds answers with builds of a tag.
func (s *server) apiTagBuilds(r *http.Request) (any, error) {
	q := queryOf(r)
	head, err := s.tagHead(r, q, "builds")
	if err != nil {
		return nil, err
	}
	start, limit := q.start(), q.limitUpTo(maxEntries)
	builds, err := s.listTagBuilds(r.Context(), head, q)
	if err != nil {
		return nil, err
	}
	builds, part := partOf(builds, start, limit, "", nil)
	for i := range builds {
		builds[i].TaggedAt, builds[i].FinishedAt = utc(builds[i].TaggedAt), utcOrNull(builds[i].FinishedAt)
	}
	return struct {
		apiPart
		Builds []tagview.Build `json:"builds"`
	}{apiPart{head.Event(), part.Total, part.next}, builds}, nil
}

// apiTagGroups answers with the groups of a tag, blocked entries too.
func (s *server) apiTagGroups(r *http.Request) (any, error) {
	q := queryOf(r)
	head, err := s.tagHead(r, q, "groups")
	if err != nil {
		return nil, err
	}
	start, limit := q.start(), q.limit()
	groups, err := s.listTagGroups(r.Context(), head, q)
	if err != nil {
		return nil, err
	}
	groups, part := partOf(groups, start, limit, "", nil)
	return struct {
		apiPart
		Groups []tagview.Group `json:"groups"`
	}{apiPart{head.Event(), part.Total, part.next}, groups}, nil
}

// apiTarget is a target for programs.
type apiTarget struct {
	ID           int64    `json:"id"`
	Name         string   `json:"name"`
	BuildTag     int64    `json:"build_tag"`
	BuildTagName string   `json:"build_tag_name"`
	DestTag      int64    `json:"dest_tag"`
	DestTagName  string   `json:"dest_tag_name"`
	Branches     []string `json:"branches"`
	// RepoLag is for how many seconds after the build tag changed builds may
	// begin with its repository from before.
	RepoLag int64 `json:"repo_lag_seconds"`
	// LastBuild is the newest build for it, null before the first.
	LastBuild *apiLastBuild `json:"last_build"`
}

// apiLastBuild is the newest build for a target.
type apiLastBuild struct {
	ID    int64   `json:"id"`
	NVR   *string `json:"nvr"`
	State string  `json:"state"`
	URL   string  `json:"url"`
}

// apiTargetsOf is rows as the API tells them.
func (s *server) apiTargetsOf(rows []db.TargetsOverviewRow) []apiTarget {
	told := make([]apiTarget, len(rows))
	for i, row := range rows {
		told[i] = apiTarget{
			ID: row.ID, Name: row.Name, BuildTag: row.BuildTag, BuildTagName: row.BuildTagName,
			DestTag: row.DestTag, DestTagName: row.DestTagName, Branches: row.Branches, RepoLag: row.RepoLagSeconds,
		}
		if row.BuildID != nil {
			told[i].LastBuild = &apiLastBuild{ID: *row.BuildID, NVR: row.Nvr, State: orEmpty(row.State), URL: s.buildURL(*row.BuildID)}
		}
	}
	return told
}

// apiTargets answers with targets by name.
func (s *server) apiTargets(r *http.Request) (any, error) {
	q := queryOf(r)
	at, err := s.asOf(r, q)
	if err != nil {
		return nil, err
	}
	after, limit := q.text("after"), q.limit()
	if q.err != nil {
		return nil, q.err
	}
	rows, more, err := s.listTargets(r.Context(), at, after, limit)
	if err != nil {
		return nil, err
	}
	answer := struct {
		QueryEvent *int64      `json:"query_event"`
		Targets    []apiTarget `json:"targets"`
		NextAfter  *string     `json:"next_after"`
	}{QueryEvent: at.Event(), Targets: s.apiTargetsOf(rows)}
	if more {
		answer.NextAfter = &rows[len(rows)-1].Name
	}
	return answer, nil
}
