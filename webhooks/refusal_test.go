package webhooks_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1" // what old hooks sign with, to be refused
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/forge/forgetest"
	"github.com/distbot/distbot/forge/plaingit"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/webhooks"
)

func TestUnauthenticatedDelivery(t *testing.T) {
	t.Parallel()
	sha1Of := func(body []byte) string {
		mac := hmac.New(sha1.New, secret)
		mac.Write(body)
		return "sha1=" + hex.EncodeToString(mac.Sum(nil))
	}
	for endpoint, push := range map[string]forgetest.Recording{"gitea": giteaPush(t), "github": githubPush(t), "git": gitPush(0)} {
		t.Run("of kind "+endpoint+" gets one answer whatever the cause and leaves no trace", func(t *testing.T) {
			t.Parallel()
			d := open(t)
			header, prefix := signatureHeader[endpoint][0], signatureHeader[endpoint][1]
			mac := forge.Sign(push.Body, secret)
			cases := map[string]forgetest.Recording{
				"missing":                    push.With(header),
				"empty":                      push.With(header, ""),
				"malformed":                  push.With(header, prefix+"hello"),
				"cut short":                  push.With(header, prefix+mac[:63]),
				"wrong":                      push.With(header, prefix+strings.Repeat("0", 64)),
				"of another secret":          push.Signed(header, prefix, forge.Secret("not the secret")),
				"of no secret":               push.Signed(header, prefix, forge.Secret("")),
				"of another body":            push.With(header, prefix+forge.Sign([]byte("{}"), secret)),
				"duplicated":                 push.With(header, prefix+mac, prefix+mac),
				"good first, wrong second":   push.With(header, prefix+mac, prefix+strings.Repeat("0", 64)),
				"with another kind's prefix": push.With(header, map[string]string{"": "sha256=", "sha256=": ""}[prefix]+mac),
				"SHA-1 only":                 push.With(header).With("X-Hub-Signature", sha1Of(push.Body)),
			}
			if endpoint == "gitea" {
				cases["only in GitHub's header"] = push.With(header).With("X-Hub-Signature-256", "sha256="+mac)
			}
			var first string
			for name, r := range cases {
				code, _, body := d.send(t, endpoint, r)
				if code != http.StatusUnauthorized {
					t.Errorf("%s: answer %d, want 401", name, code)
				}
				if first == "" {
					first = string(body)
				}
				if diff := cmp.Diff(first, string(body)); diff != "" {
					t.Errorf("%s: the answer tells the cause (-other +this):\n%s", name, diff)
				}
			}
			d.wantStored(t, nothing)
			log := d.log.String()
			if !strings.Contains(log, "not authenticated") {
				t.Errorf("the log does not mention it: %s", log)
			}
			for _, secret := range []string{mac, string(secret), string(newSecret), sha1Of(push.Body)} {
				if strings.Contains(log, secret) || strings.Contains(first, secret) {
					t.Errorf("%q is in the log or in the answer", secret)
				}
			}
		})
	}
}

func TestSecretRotation(t *testing.T) {
	t.Parallel()
	d := open(t)
	for i, key := range []forge.Secret{secret, newSecret} {
		push := gitPush(10 * i)
		if got := d.post(t, "git", signed("git", push, key)); got.Code != http.StatusAccepted {
			t.Errorf("secret %d of two: answer %+v, want 202", i+1, got)
		}
	}
	d.wantStored(t, "received 2, jobs 2")
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	plain, err := plaingit.New(plaingit.Config{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	good := webhooks.Endpoint{Name: "git", Forge: plain, Secrets: []forge.Secret{secret}}
	with := func(edit func(*webhooks.Endpoint)) []webhooks.Endpoint {
		e := good
		edit(&e)
		return []webhooks.Endpoint{e}
	}
	for _, test := range []struct {
		name      string
		endpoints []webhooks.Endpoint
		want      string
	}{
		{"an endpoint without a secret", with(func(e *webhooks.Endpoint) { e.Secrets = nil }), "has no webhook secret"},
		{"an empty secret", with(func(e *webhooks.Endpoint) { e.Secrets = []forge.Secret{{}} }), "secret 1 is empty"},
		{"an empty secret beside a good one", with(func(e *webhooks.Endpoint) { e.Secrets = []forge.Secret{secret, nil} }), "secret 2 is empty"},
		{"a secret anyone can guess", with(func(e *webhooks.Endpoint) { e.Secrets = []forge.Secret{forge.Secret("hush")} }), "fewer than 8 bytes"},
		{"an endpoint without a name", with(func(e *webhooks.Endpoint) { e.Name = "" }), "needs a name"},
		{"an endpoint without a forge", with(func(e *webhooks.Endpoint) { e.Forge = nil }), "needs a name and a forge"},
		{"two endpoints of one name", []webhooks.Endpoint{good, good}, "two forges are named git"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := webhooks.New(nil, nil, test.endpoints, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestBadRequest(t *testing.T) {
	t.Parallel()
	d := open(t)
	t.Cleanup(func() { d.wantStored(t, nothing) }) // after the subtests

	request := func(t *testing.T, method, endpoint string, edit func(*http.Request)) int {
		t.Helper()
		push := giteaPush(t)
		r, err := http.NewRequestWithContext(t.Context(), method, d.url+"/webhooks/"+endpoint, bytes.NewReader(push.Body))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"Content-Type", "X-Gitea-Event", "X-Gitea-Delivery", "X-Gitea-Signature"} {
			r.Header.Set(name, push.Header.Get(name))
		}
		edit(r)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if method != http.MethodHead {
			if got := response.Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("the answer is %q, want JSON", got)
			}
		}
		if response.StatusCode == http.StatusMethodNotAllowed && response.Header.Get("Allow") != http.MethodPost {
			t.Errorf("405 allows %q, want POST", response.Header.Get("Allow"))
		}
		return response.StatusCode
	}
	asIs := func(*http.Request) {}
	for _, test := range []struct {
		name, method, endpoint string
		edit                   func(*http.Request)
		want                   int
	}{
		{"of an unknown forge is not found", http.MethodPost, "sourcehut", asIs, 404},
		{"by GET is not allowed", http.MethodGet, "gitea", asIs, 405},
		{"by HEAD is not allowed", http.MethodHead, "gitea", asIs, 405},
		{"by PUT is not allowed", http.MethodPut, "gitea", asIs, 405},
		{"without a content type is not supported", http.MethodPost, "gitea", func(r *http.Request) { r.Header.Del("Content-Type") }, 415},
		{"of a form is not supported", http.MethodPost, "gitea", func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}, 415},
		{"of a content type nobody can read is not supported", http.MethodPost, "gitea", func(r *http.Request) { r.Header.Set("Content-Type", ";;") }, 415},
		{"without a delivery id is malformed", http.MethodPost, "gitea", func(r *http.Request) { r.Header.Del("X-Gitea-Delivery") }, 400},
		{"without an event is malformed", http.MethodPost, "gitea", func(r *http.Request) { r.Header.Del("X-Gitea-Event") }, 400},
		{"whose id is no word is malformed", http.MethodPost, "gitea", func(r *http.Request) { r.Header.Set("X-Gitea-Delivery", "a b") }, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := request(t, test.method, test.endpoint, test.edit); got != test.want {
				t.Errorf("answer %d, want %d", got, test.want)
			}
		})
	}
	for name, body := range map[string]string{
		"of a signed body that is no JSON":   "ref=refs/heads/f37",
		"of a signed body that is a list":    "[]",
		"of a signed body that ends early":   `{"ref":"refs/heads/f37",`,
		"of a signed empty body":             "",
		"of a signed body with a wrong type": `{"ref":7}`,
	} {
		t.Run(name+" is malformed", func(t *testing.T) {
			t.Parallel()
			r := giteaPush(t)
			r.Body = []byte(body)
			if got := d.post(t, "gitea", signed("gitea", r, secret)); got.Code != http.StatusBadRequest {
				t.Errorf("answer %+v, want 400", got)
			}
		})
	}
}

// padded is a push whose body has n bytes.
func padded(tb testing.TB, n int) forgetest.Recording {
	tb.Helper()
	r := giteaPush(tb)
	r.Body = append(bytes.Clone(r.Body), bytes.Repeat([]byte(" "), n-len(r.Body))...)
	return signed("gitea", r, secret)
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()

	t.Run("takes a body of 25 MiB", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		if got := d.post(t, "gitea", padded(t, webhooks.MaxBody)); got.Code != http.StatusAccepted {
			t.Errorf("answer %+v, want 202", got)
		}
	})

	t.Run("refuses a body that says it is larger without reading it", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		conn := dial(t, d)
		fmt.Fprintf(conn, "POST /webhooks/gitea HTTP/1.1\r\nHost: distbot\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", webhooks.MaxBody+1)
		// Not a byte of the body is sent.
		wantCode(t, conn, http.StatusRequestEntityTooLarge)
		d.wantStored(t, nothing)
	})

	t.Run("refuses a chunked body as soon as it is larger", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		conn := dial(t, d)
		fmt.Fprint(conn, "POST /webhooks/gitea HTTP/1.1\r\nHost: distbot\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
		var sent atomic.Int64
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			chunk := append(append([]byte("10000\r\n"), bytes.Repeat([]byte(" "), 0x10000)...), '\r', '\n')
			// An endless body: only the server can end this.
			for {
				if _, err := conn.Write(chunk); err != nil {
					return
				}
				sent.Add(0x10000)
			}
		}()
		wantCode(t, conn, http.StatusRequestEntityTooLarge)
		<-ended
		// What the server does not read stays in the buffers of the two sockets.
		if got, most := sent.Load(), int64(webhooks.MaxBody+(16<<20)); got > most {
			t.Errorf("the server took %d bytes, want at most %d", got, most)
		}
		d.wantStored(t, nothing)
	})
}

func dial(t *testing.T, d *door) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(d.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func wantCode(t *testing.T, conn net.Conn, want int) {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != want {
		body, _ := io.ReadAll(response.Body)
		t.Errorf("answer %d %s, want %d", response.StatusCode, body, want)
	}
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	config, err := pgxpool.ParseConfig(dbtest.NewURL(t))
	if err != nil {
		t.Fatal(err)
	}
	connect := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if down.Load() {
			return nil, syscall.ECONNREFUSED
		}
		return connect(ctx, network, addr)
	}
	config.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) { return !down.Load(), nil }
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	d := openOn(t, pool)

	down.Store(true)
	code, header, body := d.send(t, "gitea", giteaPush(t))
	if code != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("answer %d %s, want 503 with Retry-After", code, body)
	}
	if strings.Contains(string(body), "refused") {
		t.Errorf("the answer tells a stranger about our database: %s", body)
	}
	down.Store(false)
	d.wantStored(t, nothing)
	if got := d.post(t, "gitea", giteaPush(t)); got.Code != http.StatusAccepted {
		t.Errorf("delivered again: answer %+v, want 202", got)
	}
	d.wantStored(t, "received 1, jobs 1")
}

func TestAckIsOneTransaction(t *testing.T) {
	t.Parallel()
	d := open(t)
	// The job can't be written: neither may the delivery be.
	queuetest.Exec(t, d.pool, "alter table river_job add constraint refuse check (kind <> 'distgit.plan')")
	if got := d.post(t, "gitea", giteaPush(t)); got.Code != http.StatusServiceUnavailable {
		t.Errorf("answer %+v, want 503", got)
	}
	d.wantStored(t, nothing)
}
