package web

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/generations"
	"github.com/distbot/distbot/internal/tagview"
)

const (
	// generationRows is how many packages of a generation a page lists.
	generationRows = 100
	// changeRows is how many changes a page lists, allChangeRows one that is asked
	// for all; eventRows is how many events.
	changeRows, allChangeRows, eventRows = 50, 5000, 50
)

// generation answers below /repos/TAG/ to a name without a slash: a generation's
// number is its page, NUMBER.repo its .repo file.
func (s *server) generation(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("generation")
	text, isFile := strings.CutSuffix(name, ".repo")
	if !generationNumber.MatchString(text) {
		r.SetPathValue("path", name)
		return s.repoFile(w, r)
	}
	tag, err := pathName(r, "tag")
	if err != nil {
		return err
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return errNotFound
	}
	if isFile {
		return s.dnfRepo(w, r, tag, number)
	}
	v, err := withTimeout(r, func(r *http.Request) (*view, error) { return s.generationPage(r, tag, number) })
	if err != nil {
		return err
	}
	s.render(w, r, http.StatusOK, v)
	return nil
}

// generationView is what the page of a generation shows.
type generationView struct {
	generationLine
	Repo repoLine
	// Difference is to the one before, nil for the first.
	Difference  *generations.Difference
	MoreChanges int
	// AllChanges is the page that shows them all, empty for that page itself.
	AllChanges string
	Events     []generations.Event
	MoreEvents int
	Groups     []generationGroup
	Modules    []moduleLine
	// ModulesTell says why modules can't be told.
	ModulesTell           string
	RepoFile              *repoSnippet
	Found                 []db.PackagesOfGenerationRow
	Part                  listPart
	NameAsked, ArchAsked  string
	Filtered              bool
	Older, Newest, Clear  string
	DifferenceURL, GoBack string
}

// generationGroup is a comps group of a generation.
type generationGroup struct {
	tagview.Group
	Listed int
	URL    string
}

// generationPage is the page of one generation: what it holds and what it
// changed.
func (s *server) generationPage(r *http.Request, tag string, number int64) (*view, error) {
	q, ctx := queryOf(r), r.Context()
	repo, err := s.repoNamed(ctx, tag)
	if err != nil {
		return nil, err
	}
	row, err := s.generationOf(ctx, repo.ID, number)
	if err != nil {
		return nil, err
	}
	data := generationView{generationLine: lineOf(repo, row), Repo: repo}
	if err := s.searchPackages(ctx, q, &data); err != nil {
		return nil, err
	}
	if err := s.compareGeneration(ctx, q, &data); err != nil {
		return nil, err
	}
	if data.Groups, err = s.groupsOfGeneration(ctx, repo.ID, data.generationLine); err != nil {
		return nil, err
	}
	if data.Files() {
		data.Modules, data.ModulesTell = s.modulesOfGeneration(ctx, data.generationLine)
		if data.RepoFile, err = s.snippet(ctx, tag, data.Directory, row.ID, number); err != nil {
			return nil, err
		}
	}
	if data.Files() && !data.Current {
		data.GoBack = "distbot repo rollback " + tag + " " + data.NumberText()
	}
	return &view{page: "generation", Title: tag + ", generation " + data.NumberText(), Nav: "repos", Data: data}, nil
}

// searchPackages reads the packages of a generation that a question asks for:
// name is a part of NVRA, arch an architecture of the repository.
func (s *server) searchPackages(ctx context.Context, q *query, data *generationView) error {
	name, arch, start := q.text("name"), q.text("arch"), q.start()
	if q.err != nil {
		return q.err
	}
	rows, total, err := s.packagesOf(ctx, data.ID, name, arch, start, generationRows)
	if err != nil {
		return err
	}
	data.Found, data.NameAsked, data.ArchAsked, data.Clear = rows, orEmpty(name), orEmpty(arch), data.URL()
	data.Filtered = name != nil || arch != nil
	data.Part = listPart{From: int(start) + 1, To: int(start) + len(rows), Total: int(total)}
	if end := start + int64(len(rows)); len(rows) > 0 && end < total {
		data.Older = older(data.URL(), q.values, "start", strconv.FormatInt(end, 10)) + "#packages"
	}
	if start > 0 {
		data.Newest = newest(data.URL(), q.values, "start") + "#packages"
	}
	return nil
}

// packagesOf reads packages of a generation and how many there are in all.
func (s *server) packagesOf(ctx context.Context, generation int64, name, arch *string, start, limit int64) ([]db.PackagesOfGenerationRow, int64, error) {
	release, err := s.wholeList(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer release()
	rows, err := s.queries.PackagesOfGeneration(ctx, db.PackagesOfGenerationParams{
		GenerationID: generation, Name: name, Arch: arch, Start: int32(min(start, 1<<30)), MaxRows: int32(limit),
	})
	if err != nil || len(rows) == 0 {
		return rows, 0, err
	}
	return rows, rows[0].Total, nil
}

// compareGeneration reads what a generation changed, and by which events.
func (s *server) compareGeneration(ctx context.Context, q *query, data *generationView) error {
	all := q.oneOf("changes", []string{"all"})
	if q.err != nil || data.BeforeNumber == 0 {
		return q.err
	}
	release, err := s.wholeList(ctx)
	if err != nil {
		return err
	}
	defer release()
	data.AllChanges = data.URL() + "?changes=all"
	data.DifferenceURL = "/api/v1" + strings.TrimSuffix(data.URL(), data.NumberText()) + "diff?from=" + strconv.FormatInt(data.BeforeNumber, 10) + "&to=" + data.NumberText()
	rows := int64(changeRows)
	if all != nil {
		rows, data.AllChanges = allChangeRows, ""
	}
	// The newest events are the ones that are asked about.
	d, more, err := generations.DiffPart(ctx, s.Pool, data.Tag, data.BeforeNumber, data.Number, rows, eventRows)
	if err != nil {
		return err
	}
	data.MoreChanges, data.MoreEvents, data.Events, data.Difference = more.Packages, more.Events, d.Events, &d
	return nil
}

// groupsOfGeneration lists the groups that a generation has: those of its tag at
// its event, as they were published.
func (s *server) groupsOfGeneration(ctx context.Context, tag int64, g generationLine) ([]generationGroup, error) {
	if g.Event == 0 {
		return nil, nil
	}
	reader := s.tags
	reader.At = tagview.At(g.Event)
	groups, err := reader.Groups(ctx, tag, true)
	if err != nil {
		return nil, err
	}
	page := asOf{Past: &tagview.Event{ID: g.Event}}
	var list []generationGroup
	for _, group := range groups {
		if group.Exported != nil && !*group.Exported {
			continue
		}
		list = append(list, generationGroup{Group: group, Listed: len(group.Packages), URL: page.GroupURL(g.Tag, group.Name)})
	}
	return list, nil
}
