package web

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/internal/tasklog"
)

const (
	// linksShown is how many neighbours of a tag its page lists.
	linksShown = 30
	// settingShown is how much of a setting's value a page shows, in bytes.
	settingShown = 400
)

// tagHead is what all pages of a tag have: the moment and the tag at it.
type tagHead struct {
	asOf
	tagview.Tag
	// Page is which of the tag's pages it is, empty for the first.
	Page string
	// Held is who holds the tag's repository now, nil for nobody.
	Held *hold
	// Trouble is why its repository can't be made now, nil where it can.
	Trouble *trouble
}

// tagPage is one of the pages of a tag.
type tagPage struct{ Path, Name string }

// Pages are the pages of a tag.
func (tagHead) Pages() []tagPage {
	return []tagPage{
		{"", "Overview"},
		{"inheritance", "Inheritance"},
		{"packages", "Packages"},
		{"builds", "Builds"},
		{"groups", "Groups"},
		{"history", "History"},
		{"explain", "Explain"},
	}
}

// Path is the address of the page itself, without parameters.
func (h tagHead) Path() string {
	now := asOf{}
	if h.Page == "" {
		return now.TagURL(h.Name)
	}
	return now.PageURL(h.Name, h.Page)
}

// tagHead reads the tag and the moment that a request asks for.
func (s *server) tagHead(r *http.Request, q *query, page string) (tagHead, error) {
	head := tagHead{Page: page}
	name, err := pathName(r, "tag")
	if err != nil {
		return head, err
	}
	if head.asOf, err = s.asOf(r, q); err != nil {
		return head, err
	}
	head.Tag, err = head.tags.Tag(r.Context(), name)
	if errors.Is(err, tagview.ErrNoTag) {
		return head, s.noTag(r.Context(), head.asOf, name)
	}
	if err != nil {
		return head, err
	}
	if head.Past == nil {
		if head.Held, err = s.holdOfTag(r.Context(), head.ID, head.Name); err != nil {
			return head, err
		}
		head.Trouble, err = s.troubleOfTag(r.Context(), head.ID, head.Name)
		return head, err
	}
	_, err = s.tags.Tag(r.Context(), name)
	if head.Gone = errors.Is(err, tagview.ErrNoTag); head.Gone {
		head.Now, err = "/tags", nil
	}
	return head, err
}

// view is a page of the tag.
func (h tagHead) view(template string, data any) *view {
	title := h.Name
	for _, page := range h.Pages() {
		if page.Path == h.Page && h.Page != "" {
			title = page.Name + " of " + h.Name
		}
	}
	return &view{page: template, Title: title, Nav: "tags", Data: data}
}

// noTag is the answer for a tag that is not there: never, no more, or not yet.
func (s *server) noTag(ctx context.Context, at asOf, name string) error {
	shown := "“" + tasklog.Printable(name) + "”"
	if at.Past != nil {
		return &problem{
			status: http.StatusNotFound, text: "There was no tag " + shown + " at event " + strconv.FormatInt(at.Past.ID, 10) + ".",
			link: at.TagsURL(), linkText: "To the tags there were",
		}
	}
	end, err := s.queries.EndOfTag(ctx, name)
	if err != nil && !isNoRows(err) {
		return err
	}
	if err != nil || end.Before == 0 {
		return &problem{status: http.StatusNotFound, text: "There is no tag " + shown + ".", link: "/tags", linkText: "To the tags"}
	}
	then := asOf{Past: &tagview.Event{ID: end.Before}}
	return &problem{
		status: http.StatusNotFound, text: "Tag " + shown + " was removed by " + tasklog.Printable(end.Actor) + " with event " + strconv.FormatInt(end.Event, 10) + ".",
		link: then.TagURL(name), linkText: "To what it was before",
	}
}

// setting is an extra setting of a tag.
type setting struct {
	Key string
	// Value is JSON, empty for a blocked one.
	Value   string
	Blocked bool
	// From is the tag it is inherited from, empty for its own.
	From string
}

// tagSummary is what a tag is, its lists left out.
type tagSummary struct {
	Config   tagview.Config
	Own      map[string]json.RawMessage
	Targets  []db.TargetsOverviewRow
	External []tagview.ExternalRepo
	// LastChange is the last event that changed the tag itself, InheritedChange
	// the last one that changed it or one it inherits from; nil without history.
	LastChange, InheritedChange *tagview.Event
}

// summarize reads what a tag is.
func (s *server) summarize(ctx context.Context, head tagHead) (sum tagSummary, err error) {
	if sum.Config, err = head.tags.Config(ctx, head.Tag); err != nil {
		return sum, err
	}
	if sum.Own, err = head.tags.Extra(ctx, head.ID); err != nil {
		return sum, err
	}
	if sum.Targets, err = s.queries.TargetsOverview(ctx, db.TargetsOverviewParams{Event: head.Event(), TagID: &head.ID, MaxRows: maxRows}); err != nil {
		return sum, err
	}
	if sum.External, err = head.tags.ExternalRepos(ctx, head.ID, true); err != nil {
		return sum, err
	}
	if sum.LastChange, err = s.lastChange(ctx, head, false); err != nil {
		return sum, err
	}
	sum.InheritedChange, err = s.lastChange(ctx, head, true)
	return sum, err
}

// lastChange reads the event that changed a tag last, nil when none did.
func (s *server) lastChange(ctx context.Context, head tagHead, inherit bool) (*tagview.Event, error) {
	id, err := head.tags.LastChange(ctx, head.ID, inherit)
	if err != nil || id == 0 {
		return nil, err
	}
	event, err := tagview.GetEvent(ctx, s.Pool, id)
	return &event, err
}

// tagView is what the first page of a tag shows.
type tagView struct {
	tagHead
	tagSummary
	// Line is how much is in the tag.
	Line     tagLine
	Settings []setting
	// Parents and Children are the first few; the rest is on their own page.
	Parents, Children         []tagview.Link
	MoreParents, MoreChildren int
}

// tag is the first page of a tag.
func (s *server) tag(r *http.Request) (*view, error) {
	q, ctx := queryOf(r), r.Context()
	head, err := s.tagHead(r, q, "")
	if err != nil {
		return nil, err
	}
	data := tagView{tagHead: head}
	if data.tagSummary, err = s.summarize(ctx, head); err != nil {
		return nil, err
	}
	data.Settings = settingsOf(data.Config, data.Own)
	lines := []tagLine{{Tag: head.Tag}}
	if err := s.figures(ctx, head.asOf, lines); err != nil {
		return nil, err
	}
	data.Line = lines[0]
	if data.Parents, err = head.tags.Parents(ctx, head.ID); err != nil {
		return nil, err
	}
	if data.Children, err = head.tags.Children(ctx, head.ID); err != nil {
		return nil, err
	}
	data.Parents, data.MoreParents = firstFew(data.Parents)
	data.Children, data.MoreChildren = firstFew(data.Children)
	return head.view("tag", data), nil
}

// firstFew is the beginning of a list, and how much is left.
func firstFew(links []tagview.Link) ([]tagview.Link, int) {
	shown := min(len(links), linksShown)
	return links[:shown], len(links) - shown
}

// settingsOf lists the extra settings of a tag, own and inherited, blocked ones
// too, by name.
func settingsOf(config tagview.Config, own map[string]json.RawMessage) []setting {
	keys := map[string]bool{}
	for key := range own {
		keys[key] = true
	}
	for key := range config.Extra {
		keys[key] = true
	}
	for key := range config.ExtraFrom {
		keys[key] = true
	}
	var settings []setting
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		value, there := config.Extra[key]
		text := string(value)
		if len(text) > settingShown {
			text = text[:settingShown] + "…"
		}
		settings = append(settings, setting{Key: key, Value: text, Blocked: !there, From: config.ExtraFrom[key]})
	}
	return settings
}
