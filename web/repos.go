package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
)

// repoLine is a tag and its repository.
type repoLine struct {
	db.ReposOverviewRow
	// State is current, stale, held, refused or failing.
	State   string
	Held    *hold
	Trouble *trouble
	// RepoFile is nil before there is anything to install from.
	RepoFile *repoSnippet
}

// repoState is current, stale while a change is on its way, held while none can
// be, or what trouble there is with it: with what somebody goes back to, too,
// until that is made.
func repoState(builtRev, wantRev int64, held bool, trouble string) string {
	switch {
	case trouble != "":
		return trouble
	case held:
		return "held"
	case builtRev < wantRev:
		return "stale"
	}
	return "current"
}

// listRepos reads all tags, or one.
func (s *server) listRepos(ctx context.Context, name *string) ([]repoLine, error) {
	rows, err := s.queries.ReposOverview(ctx, name)
	if err != nil {
		return nil, err
	}
	lines := make([]repoLine, len(rows))
	for i, row := range rows {
		lines[i] = repoLine{ReposOverviewRow: row, Held: holdOf(row), State: repoState(row.BuiltRev, row.WantRev, row.HeldAt != nil, row.TroubleKind)}
		if lines[i].Trouble, err = troubleOf(row); err != nil {
			return nil, err
		}
		if row.Generation == 0 {
			continue
		}
		if lines[i].RepoFile, err = s.snippet(ctx, row.Name, row.Name, row.ID, 0); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

// repoNamed reads the repository of one tag.
func (s *server) repoNamed(ctx context.Context, tag string) (repoLine, error) {
	if !isText(tag) {
		return repoLine{}, errNotFound
	}
	lines, err := s.listRepos(ctx, &tag)
	if err == nil && len(lines) == 0 {
		err = s.noTag(ctx, asOf{}, tag)
	}
	if err != nil {
		return repoLine{}, err
	}
	return lines[0], nil
}

// repoList is the page of all repositories.
func (s *server) repoList(r *http.Request) (*view, error) {
	lines, err := s.listRepos(r.Context(), nil)
	if err != nil {
		return nil, err
	}
	return &view{page: "repos", Title: "Repositories", Nav: "repos", Data: lines}, nil
}

// repo answers with a tag's page, or with its .repo file for TAG.repo; where
// there is no such file, TAG.repo may be a tag itself.
func (s *server) repo(w http.ResponseWriter, r *http.Request) error {
	name, err := pathName(r, "tag")
	if err != nil {
		return err
	}
	tag, ok := strings.CutSuffix(name, repoSuffix)
	if !ok {
		return s.showRepo(w, r, name)
	}
	err = s.dnfRepo(w, r, tag, 0)
	if known := (*problem)(nil); !errors.As(err, &known) || known.status != http.StatusNotFound {
		return err
	}
	if _, other := s.repoNamed(r.Context(), name); other != nil {
		return err
	}
	http.Redirect(w, r, repoURL(name), http.StatusFound)
	return nil
}

// repoSuffix ends the names of .repo files.
const repoSuffix = ".repo"

// repoURL is the page of a tag's repository. A tag may be called x.repo, and
// /repos/x.repo is what clients of tag x ask for: its page has a slash at the end.
func repoURL(tag string) string {
	if strings.HasSuffix(tag, repoSuffix) {
		return "/repos/" + url.PathEscape(tag) + "/"
	}
	return "/repos/" + url.PathEscape(tag)
}

// showRepo answers with a tag's page.
func (s *server) showRepo(w http.ResponseWriter, r *http.Request, tag string) error {
	v, err := withTimeout(r, func(r *http.Request) (*view, error) { return s.repoPage(r, tag) })
	if err != nil {
		return err
	}
	s.render(w, r, http.StatusOK, v)
	return nil
}

// repoView is what a tag's page shows.
type repoView struct {
	repoLine
	Generations   []generationLine
	Inherits      []tagview.Link
	Older, Newest string
}

// repoPage is the page of a tag's repository, with its generations, the newest
// first.
func (s *server) repoPage(r *http.Request, name string) (*view, error) {
	q, ctx := queryOf(r), r.Context()
	before := q.number("before", 1, 1<<62)
	if q.err != nil {
		return nil, q.err
	}
	line, err := s.repoNamed(ctx, name)
	if err != nil {
		return nil, err
	}
	data := repoView{repoLine: line}
	var more bool
	if data.Generations, more, err = s.listGenerations(ctx, line, before, pageRows); err != nil {
		return nil, err
	}
	path := repoURL(name)
	if more {
		data.Older = older(path, q.values, "before", data.Generations[len(data.Generations)-1].NumberText())
	}
	if before != nil {
		data.Newest = newest(path, q.values, "before")
	}
	if data.Inherits, err = s.tags.Parents(ctx, line.ID); err != nil {
		return nil, err
	}
	return &view{page: "repo", Title: name, Nav: "repos", Data: data}, nil
}
