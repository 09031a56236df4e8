package remote

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// TestABusyHostKeepsItsLease fills every connection for messages and files with
// requests that are not answered, and more than the hub answers at a time.
func TestABusyHostKeepsItsLease(t *testing.T) {
	t.Parallel()
	began, held := make(chan struct{}, 1000), make(chan struct{})
	b := setup(t, func(s *Server) {
		s.Around = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, "/tasks/") {
					began <- struct{}{}
					<-held
				}
				next.ServeHTTP(w, r)
			})
		}
	})
	h := b.newBuilder(t, "far-1", b.driver(t, nil))
	if err := h.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var asked sync.WaitGroup
	t.Cleanup(asked.Wait)
	t.Cleanup(cancel)
	t.Cleanup(func() { close(held) })
	a := &attempt{client: h.client}
	a.work.TaskID, a.work.Attempt = 1, 1
	for range maxConnections {
		asked.Go(func() { _ = a.post(ctx, "phase", phaseMessage{}) }) // nobody answers it
		asked.Go(func() {
			if response, err := a.get(ctx, "sources", nil); err == nil {
				_ = response.Body.Close()
			}
		})
	}
	for range 2 * maxConnections {
		receive(t, "the request reaches the hub", began)
	}
	beat, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	if _, err := h.client.Heartbeat(beat, queue.HostStatus{}); err != nil {
		t.Errorf("the heartbeat of a busy host: %v", err)
	}
	if err := h.client.Disconnect(beat); err != nil {
		t.Errorf("the end of a busy host: %v", err)
	}
}

func TestHeartbeatsAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	l, other := newLiar(t, b, "far-1"), newLiar(t, b, "far-2")
	var held []io.Closer
	for range maxLease {
		conn := dial(t, l, "POST "+Prefix+"heartbeat HTTP/1.1\r\nHost: hub\r\n"+headerSession+": "+l.session+"\r\nContent-Length: 100\r\n\r\n{")
		held = append(held, conn)
	}
	b.awaitActive(t, place{host: l.id, kind: kindLease}, maxLease)
	if status, p := l.post(t, Prefix+"heartbeat", queue.HostStatus{}); status != http.StatusTooManyRequests || p.Code != codeBusy {
		t.Errorf("one heartbeat more: %d %+v", status, p)
	}
	if status, p := other.post(t, Prefix+"heartbeat", queue.HostStatus{}); status != http.StatusOK {
		t.Errorf("another host: %d %+v", status, p)
	}
	for _, conn := range held {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	queuetest.Wait(t, "the host is answered again", func() (bool, string) {
		status, p := l.post(t, Prefix+"heartbeat", queue.HostStatus{})
		return status == http.StatusOK, fmt.Sprint(status, p)
	})
}

// awaitActive waits until a place is taken so many times.
func (b *bundle) awaitActive(tb testing.TB, at place, want int) {
	tb.Helper()
	queuetest.Wait(tb, "the requests are being answered", func() (bool, string) {
		b.server.admission.mu.Lock()
		defer b.server.admission.mu.Unlock()
		return b.server.admission.active[at] == want, fmt.Sprint(b.server.admission.active)
	})
}
