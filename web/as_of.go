package web

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/distbot/distbot/internal/tagview"
)

// asOf is the moment that a request asks about: now, or the state that an event
// left. It makes the addresses of pages, which stay at that moment.
type asOf struct {
	// Past is the event, nil for now.
	Past *tagview.Event
	// Now is the address of the same page without a moment.
	Now string
	// Gone says that what the page is about is not there now.
	Gone bool
	tags tagview.Reader
}

// asOf reads the moment of a request: event is the number of an event, ts a time
// of which the last event before counts, in seconds since 1970 (Koji's --ts) or
// as RFC 3339 has it. A request by time goes on by event: more may happen at the
// same time.
func (s *server) asOf(r *http.Request, q *query) (asOf, error) {
	at := asOf{tags: s.tags, Now: newest(r.URL.EscapedPath(), without(q.values, "ts", "start"), "event")}
	id, text := q.number("event", 1, 1<<62), q.text("ts")
	if id != nil && text != nil && q.err == nil {
		q.err = badRequest("Ask for “event” or for “ts”, not for both.")
	}
	var when time.Time
	if text != nil && q.err == nil {
		when, q.err = timeParam(*text)
	}
	if q.err != nil || id == nil && text == nil {
		return at, q.err
	}
	var event tagview.Event
	var err error
	if id != nil {
		event, err = tagview.GetEvent(r.Context(), s.Pool, *id)
	} else {
		event, err = tagview.EventBefore(r.Context(), s.Pool, when)
	}
	switch {
	case errors.Is(err, tagview.ErrNoEvent) && id != nil:
		return at, &problem{status: http.StatusNotFound, text: "There is no event " + strconv.FormatInt(*id, 10) + ".", link: at.Now, linkText: "To what is now"}
	case errors.Is(err, tagview.ErrNoEvent):
		return at, &problem{status: http.StatusNotFound, text: "Nothing had happened before " + when.UTC().Format(time.RFC3339) + ".", link: at.Now, linkText: "To what is now"}
	case err != nil:
		return at, err
	}
	q.values.Del("ts")
	q.values.Set("event", strconv.FormatInt(event.ID, 10))
	at.Past, at.tags.At = &event, tagview.At(event.ID)
	return at, nil
}

// timeParam is a time of a request. PostgreSQL knows none before 4713 BC and
// people mean none after 9999.
func timeParam(text string) (time.Time, error) {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil && seconds >= 0 && seconds < 253_402_300_800 {
		return time.Unix(seconds, 0), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	return time.Time{}, badRequest("“ts” must be a time: seconds since 1970, or like 2026-03-01T12:00:00Z.")
}

// without is a question without some of its parameters.
func without(values url.Values, names ...string) url.Values {
	rest := cleaned(values)
	for _, name := range names {
		rest.Del(name)
	}
	return rest
}

// Event is the number of the moment's event, nil for now.
func (a asOf) Event() *int64 {
	if a.Past == nil {
		return nil
	}
	return &a.Past.ID
}

// TagURL is the address of a tag's page.
func (a asOf) TagURL(name string) string {
	return a.address("/tags/"+url.PathEscape(name), url.Values{})
}

// PageURL is the address of one of the pages below a tag's.
func (a asOf) PageURL(name, page string) string {
	return a.address("/tags/"+url.PathEscape(name)+"/"+page, url.Values{})
}

// ExplainURL is the address of the explanation of a package or build in a tag.
func (a asOf) ExplainURL(name, subject string) string {
	return a.address("/tags/"+url.PathEscape(name)+"/explain", url.Values{"subject": {subject}})
}

// GroupURL is the address of one comps group of a tag.
func (a asOf) GroupURL(name, group string) string {
	return a.address("/tags/"+url.PathEscape(name)+"/groups", url.Values{"group": {group}})
}

// TagsURL is the address of the list of tags.
func (a asOf) TagsURL() string { return a.address("/tags", url.Values{}) }

// TargetsURL is the address of the list of targets.
func (a asOf) TargetsURL() string { return a.address("/targets", url.Values{}) }

// address adds the moment to an address.
func (a asOf) address(path string, values url.Values) string {
	if a.Past != nil {
		values.Set("event", strconv.FormatInt(a.Past.ID, 10))
	}
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}
