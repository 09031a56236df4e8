package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
)

// tagLine is a tag in a list.
type tagLine struct {
	tagview.Tag
	Parents []db.ParentsOfTagsRow
	// Packages and Builds are the tag's own.
	Packages, Builds int64
	// State is current or stale; it is of now, whatever moment is asked for.
	State string
}

// tagList is the tags of a page, by name.
type tagList struct {
	asOf
	Lines []tagLine
	// More tells that there are tags after these.
	More bool
}

// listTags reads the tags whose names hold name and come after another.
func (s *server) listTags(ctx context.Context, at asOf, name, after string, limit int) (tagList, error) {
	list := tagList{asOf: at}
	tags, err := at.tags.Tags(ctx)
	if err != nil {
		return list, err
	}
	// after is compared byte by byte, whatever the database's order is.
	slices.SortFunc(tags, func(a, b tagview.Tag) int { return cmp.Compare(a.Name, b.Name) })
	for _, tag := range tags {
		if tag.Name <= after || !strings.Contains(strings.ToLower(tag.Name), strings.ToLower(name)) {
			continue
		}
		if list.More = len(list.Lines) == limit; list.More {
			break
		}
		list.Lines = append(list.Lines, tagLine{Tag: tag})
	}
	return list, s.figures(ctx, at, list.Lines)
}

// figures adds to tags what is in them.
func (s *server) figures(ctx context.Context, at asOf, lines []tagLine) error {
	ids, byID := make([]int64, len(lines)), map[int64]*tagLine{}
	for i := range lines {
		ids[i], byID[lines[i].ID] = lines[i].ID, &lines[i]
	}
	figures, err := s.queries.TagFigures(ctx, db.TagFiguresParams{Event: at.Event(), Ids: ids})
	if err != nil {
		return err
	}
	for _, row := range figures {
		line := byID[row.ID]
		line.Packages, line.Builds, line.State = row.Packages, row.Builds, repoState(row.BuiltRev, row.WantRev, row.Held, row.Trouble)
	}
	parents, err := s.queries.ParentsOfTags(ctx, db.ParentsOfTagsParams{Event: at.Event(), Ids: ids})
	if err != nil {
		return err
	}
	for _, row := range parents {
		line := byID[row.TagID]
		line.Parents = append(line.Parents, row)
	}
	return nil
}

// tagListView is what the page of all tags shows.
type tagListView struct {
	tagList
	Name          string
	Older, Newest string
}

// tagsPage is the page of all tags.
func (s *server) tagsPage(r *http.Request) (*view, error) {
	q := queryOf(r)
	at, err := s.asOf(r, q)
	if err != nil {
		return nil, err
	}
	name, after := q.text("name"), q.text("after")
	if q.err != nil {
		return nil, q.err
	}
	data := tagListView{Name: orEmpty(name)}
	if data.tagList, err = s.listTags(r.Context(), at, orEmpty(name), orEmpty(after), pageRows); err != nil {
		return nil, err
	}
	if data.More {
		data.Older = older("/tags", q.values, "after", data.Lines[len(data.Lines)-1].Name)
	}
	if after != nil {
		data.Newest = newest("/tags", q.values, "after")
	}
	return &view{page: "tags", Title: "Tags", Nav: "tags", Data: data}, nil
}
