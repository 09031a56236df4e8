package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/distbot/distbot/queue"
)

// apiError is the answer of the API to what it can't answer.
type apiError struct {
	Error     string `json:"error"`
	RequestID string `json:"request_id"`
}

// json answers with what make makes of the request, for programs. Names of
// fields never change their meaning; times are RFC 3339 in UTC, and null for
// what has not happened.
func (s *server) json(make func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		value, err := withTimeout(r, make)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		s.sendJSON(w, r, http.StatusOK, value)
	})
}

// sendJSON sends a value, whole or not at all.
func (s *server) sendJSON(w http.ResponseWriter, _ *http.Request, status int, value any) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		panic(fmt.Errorf("web: encode answer: %w", err))
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes()) // the client hanging up is its own affair
}

// utc is a time as the API tells it.
func utc(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// utcOrNull is utc for what may not have happened.
func utcOrNull(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	at := utc(*t)
	return &at
}

// limit is how many rows a program asks for.
func (q *query) limit() int64 { return q.limitUpTo(maxRows) }

// limitUpTo is limit for lists with short entries.
func (q *query) limitUpTo(most int64) int64 {
	if n := q.number("limit", 1, most); n != nil {
		return *n
	}
	return pageRows
}

// buildURL is the page of a build for those who are elsewhere.
func (s *server) buildURL(id int64) string {
	return queue.BuildURL(s.ExternalURL, id)
}
