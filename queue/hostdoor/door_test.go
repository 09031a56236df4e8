package hostdoor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/pki"
	"github.com/distbot/distbot/queue/enroll"
	"github.com/distbot/distbot/queue/hostdoor"
	"github.com/distbot/distbot/queue/hostqueue"
)

// patience bounds every wait of a test; a revocation has revokedWithin.
const (
	patience      = 20 * time.Second
	revokedWithin = time.Second
)

// hub is a hub with its door open.
type hub struct {
	url   string
	pool  *pgxpool.Pool
	queue *hostqueue.Hub
	ca    *pki.CA
	caDir string
	addr  string
	desk  *enroll.Registrar
}

// setup opens the door of a hub; /who answers who the request is from, /stay
// until the connection ends.
func setup(t *testing.T) *hub {
	t.Helper()
	return setupAt(t, dbtest.NewURL(t))
}

// setupAt is setup with a hub's database at url.
func setupAt(t *testing.T, url string) *hub {
	t.Helper()
	h := &hub{url: url, caDir: filepath.Join(t.TempDir(), "ca")}
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	var err error
	if h.pool, err = pgxpool.New(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.pool.Close)
	if h.queue, err = hostqueue.OpenHub(t.Context(), hostqueue.HubConfig{URL: url, ClientID: "hub", Logger: logger}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.queue.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if h.ca, err = pki.OpenCA(h.caDir); err != nil {
		t.Fatal(err)
	}
	door, err := hostdoor.New(hostdoor.Config{Pool: h.pool, CA: h.ca, Names: []string{"127.0.0.1", "localhost"}, Queue: h.queue, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = listener.Addr().String()
	h.desk = &enroll.Registrar{Pool: h.pool, Queue: h.queue, CA: h.ca, HubURL: "https://" + h.addr}
	server := &http.Server{Handler: door.Identify(handler()), ReadHeaderTimeout: patience}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 2)
	go func() { served <- door.Serve(ctx, listener) }()
	go func() {
		if err := server.Serve(door.HTTP()); !errors.Is(err, net.ErrClosed) {
			served <- err
			return
		}
		served <- nil
	}()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := receive(t, "the door closes", served); err != nil {
				t.Error(err)
			}
		}
		_ = server.Close()
	})
	return h
}

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/who", func(w http.ResponseWriter, r *http.Request) {
		identity, ok := hostdoor.IdentityOf(r.Context())
		fmt.Fprintf(w, "%s %d %v %s", identity.Host, identity.HostID, ok, r.Proto)
	})
	mux.HandleFunc("/stay", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	return mux
}

// enroll makes a host and returns its side.
func (h *hub) enroll(t *testing.T, name string) *hostdoor.Host {
	t.Helper()
	return newHost(t, h.config(t, name))
}

// config enrols a host and returns its configuration.
func (h *hub) config(t *testing.T, name string) hostdoor.HostConfig {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if _, err := h.desk.Enroll(t.Context(), enroll.Request{Host: name, Dir: dir, By: "test"}); err != nil {
		t.Fatal(err)
	}
	return hostdoor.HostConfig{
		Hub: h.desk.HubURL, CA: filepath.Join(dir, enroll.FileCA), Certificate: filepath.Join(dir, enroll.FileCertificate),
		Key: filepath.Join(dir, enroll.FileKey), DatabasePassword: filepath.Join(dir, enroll.FilePassword),
	}
}

func newHost(t *testing.T, config hostdoor.HostConfig) *hostdoor.Host {
	t.Helper()
	host, err := hostdoor.NewHost(config)
	if err != nil {
		t.Fatal(err)
	}
	return host
}

// client makes HTTPS requests as a host, each of them on a connection of its own.
func client(t *testing.T, host *hostdoor.Host) *http.Client {
	t.Helper()
	transport := host.Transport()
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// who asks the hub who the client is, and returns status and body.
func (h *hub) who(c *http.Client) (int, string, error) {
	response, err := c.Get("https://" + h.addr + "/who")
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

func receive[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: did not come in %v", what, patience)
		panic("unreachable")
	}
}

func TestWhoIsThere(t *testing.T) {
	t.Parallel()
	h := setup(t)

	t.Run("A host is who its certificate belongs to", func(t *testing.T) {
		t.Parallel()
		a, b := client(t, h.enroll(t, "a")), client(t, h.enroll(t, "b"))
		for name, c := range map[string]*http.Client{"a": a, "b": b} {
			status, body, err := h.who(c)
			var got string
			var id int64
			var known bool
			var proto string
			if _, scanErr := fmt.Sscanf(body, "%s %d %t %s", &got, &id, &known, &proto); err != nil || scanErr != nil {
				t.Fatalf("%d %q %v %v", status, body, err, scanErr)
			}
			if got != name || id == 0 || !known || proto != "HTTP/1.1" {
				t.Errorf("the hub sees %q, want host %s by HTTP/1.1: bounds are by connection", body, name)
			}
		}
	})

	t.Run("A host can ask whether it is known", func(t *testing.T) {
		t.Parallel()
		if err := h.enroll(t, "asking").Check(t.Context()); err != nil {
			t.Error(err)
		}
	})

	t.Run("What a host says of itself is not believed", func(t *testing.T) {
		t.Parallel()
		c := client(t, h.enroll(t, "liar"))
		h.enroll(t, "victim")
		request, err := http.NewRequest(http.MethodPost, "https://victim@"+h.addr+"/who?host=victim", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, header := range []string{"X-Host", "X-Forwarded-Client-Cert", "X-SSL-Client-S-DN", "From", "Host"} {
			request.Header.Set(header, "CN=victim")
		}
		response, err := c.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil || string(body[:5]) != "liar " {
			t.Errorf("the hub sees %q, %v, want liar", body, err)
		}
	})
}
