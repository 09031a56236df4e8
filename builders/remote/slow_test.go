package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestSlowHosts(t *testing.T) {
	t.Parallel()
	b := setup(t, func(s *Server) { s.stall, s.messageTime, s.MaxRequests = 100*time.Millisecond, 100*time.Millisecond, 3 })
	l := newLiar(t, b, "far-1")
	l.begin(t)
	// dial sends the beginning of a request and leaves the rest.
	dial := func(tb testing.TB, head string) *tls.Conn {
		tb.Helper()
		conn, err := (&tls.Dialer{Config: l.transport.TLSClientConfig}).DialContext(tb.Context(), "tcp", b.address)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { conn.Close() })
		if _, err := io.WriteString(conn, head); err != nil {
			tb.Fatal(err)
		}
		return conn.(*tls.Conn)
	}
	auth := fmt.Sprintf("Host: hub\r\n%s: %s\r\nAuthorization: Bearer %s\r\n", headerSession, l.session, l.token)
	for name, head := range map[string]string{
		"A message that does not arrive": "POST " + Prefix + "heartbeat HTTP/1.1\r\n" + auth + "Content-Length: 100\r\n\r\n{",
		"A result that does not arrive":  "PUT " + taskPath(l.claim, "results/a.rpm") + " HTTP/1.1\r\n" + auth + headerSHA256 + ": " + sumOf(nil) + "\r\nContent-Length: 100\r\n\r\nx",
		"A log that does not arrive":     "POST " + taskPath(l.claim, "logs/build.log") + "?offset=0 HTTP/1.1\r\n" + auth + "Content-Length: 100\r\n\r\nx",
		"A body that nobody reads":       "POST " + taskPath(l.claim, "elsewhere") + " HTTP/1.1\r\n" + auth + "Content-Length: 100\r\n\r\nx",
		"A body after a wrong token":     "PUT " + taskPath(l.claim, "results/a.rpm") + " HTTP/1.1\r\nHost: hub\r\nContent-Length: 100\r\n\r\nx",
	} {
		t.Run(name+" ends the connection", func(t *testing.T) {
			conn := dial(t, head)
			if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection is still open after 30 s")
			}
		})
	}
	t.Run("Who sends slowly, but does send, is heard", func(t *testing.T) {
		// Longer in all than a body may stall.
		piece := strings.Repeat("x", 10)
		conn := dial(t, "POST "+taskPath(l.claim, "logs/root.log")+"?offset=0 HTTP/1.1\r\n"+auth+"Connection: close\r\nContent-Length: 50\r\n\r\n")
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for range 5 {
			<-ticker.C
			if _, err := io.WriteString(conn, piece); err != nil {
				t.Fatal(err)
			}
		}
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.HasSuffix(string(answer), `{"size":50}`) {
			t.Errorf("%q, %v", answer, err)
		}
	})
	t.Run("Too many requests at once are refused", func(t *testing.T) {
		held := make(chan struct{})
		began := make(chan struct{}, 10)
		b.mu.Lock()
		b.onSources = func(ctx context.Context) error {
			began <- struct{}{}
			select {
			case <-held:
			case <-ctx.Done():
			}
			return ctx.Err()
		}
		b.mu.Unlock()
		for range 3 {
			dial(t, "GET "+taskPath(l.claim, "sources")+" HTTP/1.1\r\n"+auth+"\r\n")
			receive(t, "the checkout begins", began)
		}
		if status, p := l.post(t, Prefix+"heartbeat", queue.HostStatus{}); status != http.StatusTooManyRequests || p.Code != codeBusy {
			t.Errorf("%d %+v", status, p)
		}
		close(held)
		queuetest.Wait(t, "the host is answered again", func() (bool, string) {
			status, p := l.post(t, Prefix+"heartbeat", queue.HostStatus{Running: []queue.Claim{l.claim}})
			return status == http.StatusOK, fmt.Sprint(status, p)
		})
	})
}
