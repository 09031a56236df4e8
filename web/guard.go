package web

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

// policy allows a page nothing but our own style, script and connections: text
// that slipped through escaping could still not run.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// requestIDKey is where a request's id lies in its context.
type requestIDKey struct{}

// requestID is what people quote and logs are searched for.
func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// guard is what every request passes: an id, the headers of a careful site,
// GET and HEAD only, a line in the log, and no panic that ends the process.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := strings.ToLower(rand.Text()[:12])
		r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
		header := w.Header()
		header.Set("X-Request-Id", id)
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		out := &response{ResponseWriter: w, control: http.NewResponseController(w)}
		defer func() {
			defer out.release()
			cause := recover()
			if cause != nil {
				s.panicked(out, r, cause)
			}
			s.Logger.DebugContext(r.Context(), "web: request", "method", r.Method, "path", r.URL.Path,
				"status", out.status, "bytes", out.bytes, "took", time.Since(start), "request", id)
			if cause != nil && out.started {
				// The client must not take half an answer for a whole one.
				panic(http.ErrAbortHandler)
			}
		}()
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			header.Set("Allow", "GET, HEAD")
			s.fail(out, r, &problem{status: http.StatusMethodNotAllowed, text: "Nothing can be changed here: only GET and HEAD are answered."})
			return
		}
		next.ServeHTTP(out, r)
	})
}

// panicked reports a bug, to the log with its stack and to the client if
// nothing was sent yet.
func (s *server) panicked(w *response, r *http.Request, cause any) {
	if cause == http.ErrAbortHandler { //nolint:errorlint // recover gives the value itself
		w.started = true
		return
	}
	s.Logger.ErrorContext(r.Context(), "web: panic", "path", r.URL.Path, "cause", fmt.Sprint(cause),
		"stack", string(debug.Stack()), "request", requestID(r.Context()))
	if started := w.started; !started {
		s.show(w, r, &problem{status: http.StatusInternalServerError, text: "Something here is broken."})
		w.started = false
	}
}
