package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/distbot/distbot/internal/tagview"
)

const (
	// historyRows is how many changes a page asks for. Those of one event stay
	// together, so there may be more.
	historyRows = 200
	// changesShown is how many changes of one event a page shows.
	changesShown = 100
)

// listTagHistory reads changes of a tag that a question asks for, the newest:
// of package, of those that user made, of the table table, before an event.
func (s *server) listTagHistory(ctx context.Context, head tagHead, q *query, limit int64) (tagview.History, error) {
	pkg, user, table := q.text("package"), q.text("user"), q.oneOf("table", tagview.HistoryTables())
	before := q.number("before", 1, 1<<62)
	if q.err != nil {
		return tagview.History{}, q.err
	}
	query := tagview.HistoryQuery{Tag: head.Name, Package: orEmpty(pkg), User: orEmpty(user), Limit: int(limit)}
	if table != nil {
		query.Tables = []string{*table}
	}
	if before != nil {
		query.Before = *before
	}
	release, err := s.wholeList(ctx)
	if err != nil {
		return tagview.History{}, err
	}
	defer release()
	history, err := head.tags.History(ctx, query)
	if errors.Is(err, tagview.ErrNoSubject) {
		return tagview.History{}, nil
	}
	return history, err
}

// eventBox is an event and what it changed.
type eventBox struct {
	tagview.Event
	Changes []tagview.Change
	More    int
	// URL is the tag as the event left it, empty if the event removed it.
	URL string
}

// Explains tells whether a change is about a package in the tag.
func (eventBox) Explains(change tagview.Change) bool {
	return slices.Contains([]string{"tag_listing", "tag_packages", "tag_package_owners"}, change.Table)
}

// tagHistoryView is what the page of a tag's history shows.
type tagHistoryView struct {
	tagHead
	Events                              []eventBox
	Tables                              []string
	PackageAsked, UserAsked, TableAsked string
	Filtered                            bool
	Older, Newest                       string
}

// tagHistory is the page of what changed a tag, newest first.
func (s *server) tagHistory(r *http.Request) (*view, error) {
	q := queryOf(r)
	head, err := s.tagHead(r, q, "history")
	if err != nil {
		return nil, err
	}
	history, err := s.listTagHistory(r.Context(), head, q, historyRows)
	if err != nil {
		return nil, err
	}
	data := tagHistoryView{
		tagHead: head, Tables: tagview.HistoryTables(), Events: eventBoxes(head.Name, history.Changes),
		PackageAsked: orEmpty(q.text("package")), UserAsked: orEmpty(q.text("user")), TableAsked: orEmpty(q.text("table")),
	}
	data.Filtered = data.PackageAsked != "" || data.UserAsked != "" || data.TableAsked != ""
	if history.Before > 0 {
		data.Older = older(head.Path(), q.values, "before", strconv.FormatInt(history.Before, 10))
	}
	if q.values.Get("before") != "" {
		data.Newest = newest(head.Path(), q.values, "before")
	}
	return head.view("tag_history", data), nil
}

// eventBoxes puts changes, oldest first, together by event, newest first.
func eventBoxes(tag string, changes []tagview.Change) []eventBox {
	var boxes []eventBox
	for _, change := range changes {
		last := len(boxes) - 1
		if last < 0 || boxes[last].ID != change.ID {
			then := asOf{Past: &change.Event}
			boxes = append(boxes, eventBox{Event: change.Event, URL: then.TagURL(tag)})
			last++
		}
		if change.Table == "tag_config" && change.Action == tagview.Removed {
			boxes[last].URL = ""
		}
		if len(boxes[last].Changes) == changesShown {
			boxes[last].More++
			continue
		}
		boxes[last].Changes = append(boxes[last].Changes, change)
	}
	slices.Reverse(boxes)
	return boxes
}

// apiTagHistory answers with changes of a tag, oldest first, the newest ones.
func (s *server) apiTagHistory(r *http.Request) (any, error) {
	q := queryOf(r)
	head, err := s.tagHead(r, q, "history")
	if err != nil {
		return nil, err
	}
	limit := q.limit()
	history, err := s.listTagHistory(r.Context(), head, q, limit)
	if err != nil {
		return nil, err
	}
	omitted := max(len(history.Changes)-maxEntries, 0)
	answer := struct {
		QueryEvent *int64           `json:"query_event"`
		Changes    []tagview.Change `json:"changes"`
		// Omitted is how many changes of one event are left out, there being too
		// many.
		Omitted int `json:"omitted"`
		// NextBefore is what before must be for the changes before these; null
		// when there are none.
		NextBefore *int64 `json:"next_before"`
	}{QueryEvent: head.Event(), Changes: append([]tagview.Change{}, history.Changes[:len(history.Changes)-omitted]...), Omitted: omitted}
	for i := range answer.Changes {
		answer.Changes[i].At = utc(answer.Changes[i].At)
	}
	if history.Before > 0 {
		answer.NextBefore = &history.Before
	}
	return answer, nil
}
