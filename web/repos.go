package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
)

// generationRows is how many generations a tag's page lists.
const generationRows = 50

// plainTag is a tag that can be the name of a section of a .repo file.
var plainTag = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.+-]*$`)

// repoLine is a tag and its repository.
type repoLine struct {
	db.ReposOverviewRow
	// State is current or stale.
	State string
	// RepoFile is the text of its .repo file, empty before there is anything
	// to install from.
	RepoFile string
}

// repoState is current, or stale while a change is on its way.
func repoState(builtRev, wantRev int64) string {
	if builtRev < wantRev {
		return "stale"
	}
	return "current"
}

// listRepos reads all tags.
func (s *server) listRepos(r *http.Request) ([]repoLine, error) {
	rows, err := s.queries.ReposOverview(r.Context())
	if err != nil {
		return nil, err
	}
	lines := make([]repoLine, len(rows))
	for i, row := range rows {
		lines[i] = repoLine{ReposOverviewRow: row, State: repoState(row.BuiltRev, row.WantRev)}
		if row.Generation > 0 && plainTag.MatchString(row.Name) {
			lines[i].RepoFile = s.repoText(row.Name)
		}
	}
	return lines, nil
}

// repoText is a .repo file as dnf reads it (dnf.conf(5)). Packages are not
// signed, so gpgcheck must be off; what is built is to be seen within minutes.
func (s *server) repoText(tag string) string {
	return fmt.Sprintf("[%[1]s]\nname=%[1]s - $basearch\nbaseurl=%[2]s/repos/%[3]s/latest/$basearch/\nenabled=1\ngpgcheck=0\nmetadata_expire=5m\n",
		tag, s.ExternalURL, url.PathEscape(tag))
}

// repoList is the page of all repositories.
func (s *server) repoList(r *http.Request) (*view, error) {
	lines, err := s.listRepos(r)
	if err != nil {
		return nil, err
	}
	return &view{page: "repos", Title: "Repositories", Nav: "repos", Data: lines}, nil
}

// repo answers with a tag's page, or with its .repo file for TAG.repo.
func (s *server) repo(w http.ResponseWriter, r *http.Request) error {
	name, err := pathName(r, "tag")
	if err != nil {
		return err
	}
	if tag, ok := strings.CutSuffix(name, ".repo"); ok {
		return s.dnfRepo(w, r, tag)
	}
	v, err := withTimeout(r, func(r *http.Request) (*view, error) { return s.repoPage(r, name) })
	if err != nil {
		return err
	}
	s.render(w, r, http.StatusOK, v)
	return nil
}

// dnfRepo answers with a .repo file.
func (s *server) dnfRepo(w http.ResponseWriter, r *http.Request, tag string) error {
	if _, err := s.tags.Tag(r.Context(), tag); err != nil {
		return err
	}
	if !plainTag.MatchString(tag) {
		return errNotFound
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write([]byte(s.repoText(tag))) // the client hanging up is its own affair
	return nil
}

// repoView is what a tag's page shows.
type repoView struct {
	repoLine
	Generations []db.GenerationsOfTagRow
	Inherits    []tagview.Link
}

// repoPage is the page of a tag's repository.
func (s *server) repoPage(r *http.Request, name string) (*view, error) {
	lines, err := s.listRepos(r)
	if err != nil {
		return nil, err
	}
	for _, line := range lines {
		if line.Name != name {
			continue
		}
		data := repoView{repoLine: line}
		data.Generations, err = s.queries.GenerationsOfTag(r.Context(), db.GenerationsOfTagParams{TagID: line.ID, MaxRows: generationRows})
		if err != nil {
			return nil, err
		}
		if data.Inherits, err = s.tags.Parents(r.Context(), line.ID); err != nil {
			return nil, err
		}
		return &view{page: "repo", Title: name, Nav: "repos", Data: data}, nil
	}
	return nil, errNotFound
}
