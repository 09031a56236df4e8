package web

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/tagview"
)

// problem is an answer that is no success, in words for people.
type problem struct {
	status int
	text   string
	// link is where to go from there, with its words; empty for the front page.
	link, linkText string
}

// Error implements error.
func (p *problem) Error() string { return "web: " + p.text }

// errNotFound is the answer for what is not there, and for what must not be
// told apart from it.
var errNotFound error = &problem{status: http.StatusNotFound, text: "There is nothing here."}

// badRequest is the answer to a parameter that makes no sense.
func badRequest(text string) error { return &problem{status: http.StatusBadRequest, text: text} }

// fail answers an error. Causes that are ours are logged, never shown.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody listens any more
	}
	var known *problem
	var filter *tagview.FilterError
	switch {
	case errors.As(err, &known):
	case errors.As(err, &filter):
		known = &problem{status: http.StatusInternalServerError, text: "What this tag inherits can't be told: " +
			strings.TrimPrefix(filter.Error(), "tagview: ") + "."}
	case errors.Is(err, pgx.ErrNoRows), errors.Is(err, fs.ErrNotExist), errors.Is(err, tagview.ErrNoTag), errors.Is(err, tagview.ErrNoEvent), errors.Is(err, tagview.ErrNoSubject):
		known = &problem{status: http.StatusNotFound, text: "There is nothing here."}
	case errors.Is(err, context.DeadlineExceeded):
		s.Logger.WarnContext(r.Context(), "web: answer took too long", "path", r.URL.Path, "error", err, "request", requestID(r.Context()))
		known = &problem{status: http.StatusServiceUnavailable, text: "This takes too long just now. Try again in a moment."}
	default:
		s.Logger.ErrorContext(r.Context(), "web: answer", "path", r.URL.Path, "error", err, "request", requestID(r.Context()))
		known = &problem{status: http.StatusInternalServerError, text: "Something here is broken."}
	}
	if known.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	s.show(w, r, known)
}

// show sends the error page, or its JSON to programs.
func (s *server) show(w http.ResponseWriter, r *http.Request, p *problem) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Del("ETag")
	if strings.HasPrefix(r.URL.Path, "/api/") {
		s.sendJSON(w, r, p.status, apiError{Error: p.text, RequestID: requestID(r.Context())})
		return
	}
	data := problemView{Status: p.status, Text: p.text, Link: p.link, LinkText: p.linkText}
	if data.Link == "" {
		data.Link, data.LinkText = "/", "To the builds"
	}
	s.render(w, r, p.status, &view{page: "problem", Title: http.StatusText(p.status), Data: data})
}

// problemView is what the error page shows.
type problemView struct {
	Status         int
	Text           string
	Link, LinkText string
}
