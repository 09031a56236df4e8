package web

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// buildStates are the states a build can be asked for by.
func buildStates() []string {
	return []string{queue.BuildBuilding, queue.BuildComplete, queue.BuildFailed, queue.BuildCanceled, queue.BuildDeleted}
}

// buildLine is a build in a list.
type buildLine struct {
	db.BuildSummariesRow
	NVRText string
	Origin  origin
	Parts   []buildPart
}

// buildPart is the state of a build's source package or of one architecture.
type buildPart struct {
	Task   int64
	Method string
	Name   string // srpm, or the architecture
	State  string
}

// buildFilter says which builds are asked for.
type buildFilter struct {
	Package, State, Target *string
	BeforeID               *int64
	Limit                  int64
}

func filterOf(q *query) buildFilter {
	filter := buildFilter{
		Package: q.text("package"), State: q.oneOf("state", buildStates()), Target: q.text("target"),
		BeforeID: q.number("before_id", 1, 1<<62), Limit: pageRows,
	}
	return filter
}

// listBuilds reads builds, newest first, and whether there are older ones.
func (s *server) listBuilds(ctx context.Context, filter buildFilter) (lines []buildLine, more bool, err error) {
	rows, err := s.queries.BuildSummaries(ctx, db.BuildSummariesParams{
		Package: filter.Package, State: filter.State, Target: filter.Target, BeforeID: filter.BeforeID, MaxRows: int32(filter.Limit) + 1,
	})
	if err != nil {
		return nil, false, err
	}
	if more = len(rows) > int(filter.Limit); more {
		rows = rows[:filter.Limit]
	}
	ids := make([]int64, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	tasks, err := s.queries.PartsOfBuilds(ctx, ids)
	if err != nil {
		return nil, false, err
	}
	parts := map[int64][]buildPart{}
	for _, task := range tasks {
		parts[task.BuildID] = append(parts[task.BuildID], buildPart{
			Task: task.ID, Method: task.Method, Name: partName(task.Method, task.Arch), State: task.State,
		})
	}
	for _, row := range rows {
		lines = append(lines, buildLine{
			BuildSummariesRow: row, NVRText: nvrOf(row.Nvr, row.PlannedNvr, row.Package), Parts: parts[row.ID],
			Origin: originOf(row.Forge, row.ForgeRepoID, row.FullName, row.CloneUrl, row.Ref, row.CommitID, row.PullNumber),
		})
	}
	return lines, more, nil
}

// partName is what the part of a build that a task makes is called.
func partName(method, arch string) string {
	if method == queue.MethodBuildSRPM {
		return "srpm"
	}
	return arch
}

// nvrOf is the best name there is for a build.
func nvrOf(nvr *string, planned, pkg string) string {
	switch {
	case nvr != nil:
		return *nvr
	case planned != "":
		return planned
	}
	return pkg
}

// buildListView is what the front page shows.
type buildListView struct {
	Builds   []buildLine
	Targets  []string
	States   []string
	Package  string
	State    string
	Target   string
	Filtered bool
	Older    string
	Newest   string
}

// buildList is the front page: the newest builds.
func (s *server) buildList(r *http.Request) (*view, error) {
	q := queryOf(r)
	filter := filterOf(q)
	if q.err != nil {
		return nil, q.err
	}
	targets, err := s.queries.TargetNames(r.Context())
	if err != nil {
		return nil, err
	}
	lines, more, err := s.listBuilds(r.Context(), filter)
	if err != nil {
		return nil, err
	}
	data := buildListView{
		Builds: lines, Targets: targets, States: buildStates(),
		Package: orEmpty(filter.Package), State: orEmpty(filter.State), Target: orEmpty(filter.Target),
		Filtered: filter.Package != nil || filter.State != nil || filter.Target != nil,
	}
	if more {
		data.Older = older("/", q.values, "before_id", strconv.FormatInt(lines[len(lines)-1].ID, 10))
	}
	if filter.BeforeID != nil {
		data.Newest = newest("/", q.values, "before_id")
	}
	return &view{page: "builds", Title: "Builds", Nav: "builds", Data: data}, nil
}

// toBuilds leads to the front page from where people look for it.
func toBuilds(w http.ResponseWriter, r *http.Request) {
	to := url.URL{Path: "/", RawQuery: r.URL.RawQuery}
	http.Redirect(w, r, to.String(), http.StatusMovedPermanently)
}
