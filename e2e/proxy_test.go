//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// proxy stands between distbot and its forge, and can keep a status from
// reaching the forge, or the forge's answer from reaching distbot.
type proxy struct {
	url string

	mu     sync.Mutex
	target *httputil.ReverseProxy
	// before and after hold a final status of the whole build, or its answer.
	before, after *hold
}

func newProxy(t testing.TB) *proxy {
	t.Helper()
	p := &proxy{}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// to names the forge.
func (p *proxy) to(t testing.TB, forge string) {
	t.Helper()
	target, err := url.Parse(forge)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
}

// holdBefore keeps the next final status from the forge, holdAfter its answer
// from distbot.
func (p *proxy) holdBefore() *hold { return p.arm(&p.before) }
func (p *proxy) holdAfter() *hold  { return p.arm(&p.after) }

func (p *proxy) arm(place **hold) *hold {
	p.mu.Lock()
	defer p.mu.Unlock()
	*place = newHold()
	return *place
}

// holds takes what is held now, if the request is one to hold.
func (p *proxy) holds(r *http.Request) (target http.Handler, before, after *hold) {
	final := false
	if r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/statuses/") {
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		var status struct{ State, Context string }
		final = err == nil && json.Unmarshal(body, &status) == nil && status.State == "success" && strings.Count(status.Context, "/") == 1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if final {
		before, after = p.before, p.after
		p.before, p.after = nil, nil
	}
	return p.target, before, after
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target, before, after := p.holds(r)
	if before != nil {
		before.wait(r)
		return // Its sender is dead.
	}
	if after != nil {
		answer := httptest.NewRecorder()
		target.ServeHTTP(answer, r)
		after.wait(r)
		return
	}
	target.ServeHTTP(w, r)
}
