package web

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5"
)

// problem is an answer that is no success, in words for people.
type problem struct {
	status int
	text   string
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
	switch {
	case errors.As(err, &known):
	case errors.Is(err, pgx.ErrNoRows), errors.Is(err, fs.ErrNotExist):
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
	s.show(w, r, known.status, known.text)
}

// show sends the error page, or its JSON to programs.
func (s *server) show(w http.ResponseWriter, r *http.Request, status int, text string) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Del("ETag")
	if strings.HasPrefix(r.URL.Path, "/api/") {
		s.sendJSON(w, r, status, apiError{Error: text, RequestID: requestID(r.Context())})
		return
	}
	s.render(w, r, status, &view{page: "problem", Title: http.StatusText(status), Data: problemView{Status: status, Text: text}})
}

// problemView is what the error page shows.
type problemView struct {
	Status int
	Text   string
}
