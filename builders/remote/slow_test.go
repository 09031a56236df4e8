package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/queue/queuetest"
)

// dial sends the beginning of a request of a host and leaves the rest.
func dial(tb testing.TB, l *liar, head string) net.Conn {
	tb.Helper()
	conn, err := (&tls.Dialer{Config: l.transport.TLSClientConfig}).DialContext(tb.Context(), "tcp", l.b.address)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, head); err != nil {
		tb.Fatal(err)
	}
	return conn
}

func TestSlowHosts(t *testing.T) {
	t.Parallel()
	b := setup(t, func(s *Server) { s.stall, s.messageTime = 100*time.Millisecond, 100*time.Millisecond })
	l := newLiar(t, b, "far-1")
	l.begin(t)
	auth := fmt.Sprintf("Host: hub\r\n%s: %s\r\nAuthorization: Bearer %s\r\n", headerSession, l.session, l.token)
	for name, head := range map[string]string{
		"A message that does not arrive": "POST " + Prefix + "heartbeat HTTP/1.1\r\n" + auth + "Content-Length: 100\r\n\r\n{",
		"A result that does not arrive":  "PUT " + taskPath(l.claim, "results/a.rpm") + " HTTP/1.1\r\n" + auth + headerSHA256 + ": " + sumOf(nil) + "\r\nContent-Length: 100\r\n\r\nx",
		"A log that does not arrive":     "POST " + taskPath(l.claim, "logs/build.log") + "?offset=0 HTTP/1.1\r\n" + auth + "Content-Length: 100\r\n\r\nx",
		"A body that nobody reads":       "POST " + taskPath(l.claim, "elsewhere") + " HTTP/1.1\r\n" + auth + "Content-Length: 100\r\n\r\nx",
		"A body after a wrong token":     "PUT " + taskPath(l.claim, "results/a.rpm") + " HTTP/1.1\r\nHost: hub\r\nContent-Length: 100\r\n\r\nx",
	} {
		t.Run(name+" ends the connection", func(t *testing.T) {
			conn := dial(t, l, head)
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
		conn := dial(t, l, "POST "+taskPath(l.claim, "logs/root.log")+"?offset=0 HTTP/1.1\r\n"+auth+"Connection: close\r\nContent-Length: 50\r\n\r\n")
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
}

// TestStoringTakesLong has the hub take longer to store a result than a body may
// stall, once all of it has arrived: the host is still answered.
func TestStoringTakesLong(t *testing.T) {
	t.Parallel()
	const most = 100 * time.Millisecond
	for name, content := range map[string]string{"A file": "abc", "An empty file": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(s *Server) { s.stall, s.messageTime = most, most })
			l := newLiar(t, b, "far-1")
			l.begin(t)
			tx, err := b.Pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(context.Background()) }() // an error after Commit
			queuetest.Exec(t, b.Pool, `create function hold() returns trigger language plpgsql as $$
				begin perform pg_advisory_xact_lock(1); return new; end $$`)
			queuetest.Exec(t, b.Pool, "create trigger hold before update on task_uploads for each row execute function hold()")
			if _, err := tx.Exec(t.Context(), "select pg_advisory_xact_lock(1)"); err != nil {
				t.Fatal(err)
			}
			conn := dial(t, l, fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: hub\r\n%s: %s\r\nAuthorization: Bearer %s\r\n%s: %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
				taskPath(l.claim, "results/a.rpm"), headerSession, l.session, l.token, headerSHA256, sumOf([]byte(content)), len(content), content))
			queuetest.WaitRow(t, b.Pool, "the hub notes that it has arrived", "select exists (select from pg_locks where not granted and locktype = 'advisory')")
			<-time.After(5 * most)
			if err := tx.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(conn)
			if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
				t.Errorf("%q, %v", answer, err)
			}
		})
	}
}

// TestHubThatDoesNotGoOn has a hub that takes a request for a file and says
// nothing more.
func TestHubThatDoesNotGoOn(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	t.Cleanup(func() { close(held) })
	b := setup(t, func(s *Server) {
		s.Around = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPut {
					<-held
				}
				next.ServeHTTP(w, r)
			})
		}
	})
	h := b.newBuilder(t, "far-1", b.driver(t, nil))
	h.client.answer = 100 * time.Millisecond
	a, dir := &attempt{client: h.client}, t.TempDir()
	writeFile(t, filepath.Join(dir, "a.rpm"), "abc")
	ended := make(chan error, 1)
	go func() {
		ended <- a.send(t.Context(), dir, builders.Upload{Name: "a.rpm", SHA256: sumOf([]byte("abc")), Size: 3})
	}()
	if err := receive(t, "the host gives up", ended); !errors.Is(err, errNoProgress) || !passing(err) {
		t.Errorf("%v, want %v, which may be over later", err, errNoProgress)
	}
}
