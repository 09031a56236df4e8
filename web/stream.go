package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// stream sends server-sent events (HTML Living Standard §9.2). Data is JSON, so
// that it is one line whatever is in it.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	poll    *time.Ticker
	beat    *time.Ticker
}

// errBusy is the answer to more followers than there may be.
var errBusy error = &problem{status: http.StatusServiceUnavailable, text: "Too many live pages are open. Reload this one by hand."}

// follow begins a stream if there is room for another one. end must be called
// when it is over. An error of the stream itself means that nobody listens.
func (s *server) follow(w http.ResponseWriter) (events *stream, end func(), err error) {
	select {
	case s.followers <- struct{}{}:
	default:
		return nil, nil, errBusy
	}
	streamHeader(w.Header())
	w.WriteHeader(http.StatusOK)
	events = &stream{
		w: w, control: http.NewResponseController(w), poll: time.NewTicker(s.Poll), beat: time.NewTicker(s.Heartbeat),
	}
	// The client learns at once that it is connected. If it is gone, the first
	// wait finds out.
	_ = events.control.Flush()
	return events, func() {
		events.poll.Stop()
		events.beat.Stop()
		<-s.followers
	}, nil
}

func streamHeader(header http.Header) {
	header.Set("Content-Type", "text/event-stream; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx holds answers back otherwise
}

// send sends one event with the id to go on from after a broken connection.
func (e *stream) send(event, id string, data any) error {
	line, err := json.Marshal(data)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(e.w, "event: %s\nid: %s\ndata: %s\n\n", event, id, line); err != nil {
		return err
	}
	return e.control.Flush()
}

// next waits until it is time to look for news. It ends early with the request,
// or when a heartbeat finds nobody there.
func (e *stream) next(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-e.poll.C:
			return nil
		case <-e.beat.C:
			// A comment, which clients pass over.
			if _, err := fmt.Fprint(e.w, ":\n\n"); err != nil {
				return err
			}
			if err := e.control.Flush(); err != nil {
				return err
			}
		}
	}
}
