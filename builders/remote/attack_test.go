package remote

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distbot/distbot/queue/queuetest"
)

// TestOneRequestForEachConnection asks by HTTP/2, by which thousands of requests
// could be under way on the connections that a host may have.
func TestOneRequestForEachConnection(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	b := setup(t, func(s *Server) {
		s.Around = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				next.ServeHTTP(w, r)
			})
		}
	})
	certificate, err := b.ca.NewServerCertificate([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	// More than the hub's door offers.
	listener, err := tls.Listen("tcp", "127.0.0.1:0", b.ca.ServerTLS(certificate, "h2", "http/1.1"))
	if err != nil {
		t.Fatal(err)
	}
	server := b.server.HTTP()
	go func() { _ = server.Serve(listener) }() // closed below
	t.Cleanup(func() { _ = server.Close() })
	_, transport := b.enroll(t, "far-1")
	for protocol, answered := range map[string]bool{"h2": false, "http/1.1": true} {
		base := &http.Transport{TLSClientConfig: transport.TLSClientConfig.Clone(), Protocols: &http.Protocols{}}
		base.Protocols.SetHTTP2(protocol == "h2")
		base.Protocols.SetHTTP1(protocol != "h2")
		base.TLSClientConfig.NextProtos = []string{protocol}
		t.Cleanup(base.CloseIdleConnections)
		before := asked.Load()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+listener.Addr().String()+Prefix+"heartbeat", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		response, err := base.RoundTrip(r)
		if err == nil {
			err = response.Body.Close()
		}
		if got := asked.Load() > before; got != answered || answered && err != nil {
			t.Errorf("%s is answered: %t, %v, want %t", protocol, got, err, answered)
		}
	}
}

// TestAnswersThatNobodyReads asks over and over and reads no answer: the hub does
// not wait for that for ever.
func TestAnswersThatNobodyReads(t *testing.T) {
	t.Parallel()
	b := setup(t, func(s *Server) { s.stall = 100 * time.Millisecond })
	l := newLiar(t, b, "far-1")
	one := "GET " + Prefix + "nowhere HTTP/1.1\r\nHost: hub\r\n\r\n"
	conn := dial(t, l, one)
	if err := conn.SetWriteDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	many := []byte(strings.Repeat(one, 1000))
	for {
		if _, err := conn.Write(many); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the connection is still open after 30 s")
		} else if err != nil {
			return
		}
	}
}

// TestSendingForALostAttempt goes on sending a file for an attempt that was given
// back meanwhile: the hub does not take it to its end.
func TestSendingForALostAttempt(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	l := newLiar(t, b, "far-1")
	l.begin(t)
	const size = 10_000
	conn := dial(t, l, l.head("PUT", "results/a.rpm", size)+"x")
	queuetest.WaitRow(t, b.Pool, "the file is announced", "select exists (select from task_uploads)")
	if status, p := l.post(t, taskPath(l.claim, "release"), reasonMessage{Reason: "stopped"}); status != http.StatusOK {
		t.Fatalf("%d %+v", status, p)
	}
	answered := make(chan string, 1)
	go func() {
		text := make([]byte, 1000)
		n, _ := io.ReadAtLeast(conn, text, 12) // what was read is judged
		answered <- string(text[:n])
	}()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for range size - 1 {
		select {
		case got := <-answered:
			if !strings.HasPrefix(got, "HTTP/1.1 409") {
				t.Errorf("%q, want 409", got)
			}
			b.nothingReceived(t)
			if names := queuetest.Values[string](t, b.Pool, "select name from task_uploads"); slices.Contains(names, "a.rpm") {
				t.Error("the file is still announced")
			}
			return
		case <-ticker.C:
			if _, err := conn.Write([]byte("x")); err != nil {
				t.Log(err) // the answer says why
			}
		}
	}
	t.Error("all of the file was taken")
}
