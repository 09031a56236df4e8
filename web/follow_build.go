package web

import "net/http"

// followBuild tells when a build's page is out of date: "changed" for every
// news, "done" when there will be no more. The parameter seen, or the id of
// the last event, says what the client has; what changed since is told at once.
func (s *server) followBuild(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	ctx := r.Context()
	state, err := s.queries.BuildFingerprint(ctx, id)
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		streamHeader(w.Header())
		return nil
	}
	seen := r.URL.Query().Get("seen")
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		seen = last
	}
	events, end, err := s.follow(w)
	if err != nil {
		return err
	}
	defer end()
	for {
		if state.Fingerprint != seen {
			seen = state.Fingerprint
			err = events.send("changed", seen, seen)
		}
		if err == nil && state.Settled {
			// Whether it arrives is of no matter: there is nothing after it.
			_ = events.send("done", seen, seen)
			return nil
		}
		if err == nil {
			err = events.next(ctx)
		}
		if err != nil {
			return nil // nobody listens any more
		}
		if state, err = s.queries.BuildFingerprint(ctx, id); err != nil {
			// The client comes back and says what it has seen.
			s.streamBroke(r, err)
			return nil
		}
	}
}

// streamBroke logs why a stream ended that somebody listened to.
func (s *server) streamBroke(r *http.Request, err error) {
	if r.Context().Err() == nil {
		s.Logger.WarnContext(r.Context(), "web: live page broke off", "path", r.URL.Path, "error", err, "request", requestID(r.Context()))
	}
}
