package web

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestEveryAnswerIsCareful(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for _, path := range []string{"/", "/builds/1", "/nope", "/api/v1/builds", "/healthz", "/static/style.css", "/logs/tasks/2/1/build.log", "/repos/f37.repo", "/builds/1/events"} {
		header := s.get(path).header
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
			"X-Content-Type-Options":  "nosniff",
			"Referrer-Policy":         "same-origin",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("GET %s: %s %q, want %q", path, name, got, want)
			}
		}
		if len(header.Get("X-Request-Id")) < 8 {
			t.Errorf("GET %s: no request id", path)
		}
	}
	// The policy allows no inline style or script: there must be none.
	for _, path := range []string{"/", "/builds/3", "/tasks/12/logs/build.log", "/tags", "/tags/f37-build", "/tags/f37-build/inheritance", "/tags/f37-build/explain?subject=hello", "/repos", "/nope"} {
		body := s.get(path).body
		for _, inline := range []string{"<style", " style=", "onclick", "<script>"} {
			if strings.Contains(body, inline) {
				t.Errorf("GET %s: inline %q", path, inline)
			}
		}
	}
}

func TestNothingCanBeChanged(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, "BREW"} {
		for _, path := range []string{"/", "/builds/1", "/api/v1/builds", rpmPath, "/nope"} {
			a := s.do(method, path)
			if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: status %d, Allow %q, want 405", method, path, a.status, a.header.Get("Allow"))
			}
		}
	}
}

func TestWhatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for path, want := range map[string]int{
		"/?before_id=x":                               400,
		"/?before_id=-1":                              400,
		"/?before_id=0":                               400,
		"/?before_id=99999999999999999999":            400,
		"/?state=NOPE":                                400,
		"/?package=%ff":                               400,
		"/?package=a%00b":                             400,
		"/?package=" + strings.Repeat("a", 513):       400,
		"/?target=%zz":                                400,
		"/deliveries?state=nope":                      400,
		"/deliveries?before_id=1e3":                   400,
		"/packages?after=%00":                         400,
		"/packages/hello?before_id=x":                 400,
		"/tasks/12/logs/build.log?attempt=x":          400,
		"/tasks/12/logs/build.log/follow?offset=-1":   400,
		"/tasks/12/logs/build.log/follow?attempt=1e9": 400,
		"/tags?event=x":                               400,
		"/tags?event=0":                               400,
		"/tags?ts=yesterday":                          400,
		"/tags?ts=-1":                                 400,
		"/tags?ts=1&event=1":                          400,
		"/tags?name=%ff":                              400,
		"/tags/f37?event=99999999999999999999":        400,
		"/tags/f37/packages?blocked=maybe":            400,
		"/tags/f37/packages?start=-1":                 400,
		"/tags/f37/builds?inherit=2":                  400,
		"/tags/f37/builds?latest=1001":                400,
		"/tags/f37/groups?group=a%00":                 400,
		"/tags/f37/history?table=pg_class":            400,
		"/tags/f37/history?before=x":                  400,
		"/tags/f37/explain?subject=%ff":               400,
		"/targets?after=%00":                          400,
		"/api/v1/tags/f37/explain":                    400,
		"/api/v1/tags/f37/packages?limit=5001":        400,
		"/api/v1/tags/f37/inheritance?limit=0":        400,
		"/api/v1/tags?ts=1e9":                         400,
		"/tags?event=99":                              404,
		"/tags?ts=1":                                  404,
		"/tags/nope":                                  404,
		"/tags/%ff":                                   404,
		"/tags/nope/builds":                           404,
		"/tags/f37/nope":                              404,
		"/tags/f37?event=99":                          404,
		"/api/v1/tags/nope":                           404,
		"/api/v1/tags/nope/history":                   404,
		"/api/v1/tags/f37/explain?subject=nope":       404,
		"/api/v1/tags/f37?event=99":                   404,
		"/api/v1/builds?limit=0":                      400,
		"/api/v1/builds?limit=501":                    400,
		"/api/v1/deliveries?before_id=x":              400,
		"/builds/0":                                   404,
		"/builds/x":                                   404,
		"/builds/99":                                  404,
		"/builds/99999999999999999999":                404,
		"/builds/1/buildroot/12":                      404,
		"/builds/1/buildroot/99":                      404,
		"/builds/1/buildroot/x":                       404,
		"/builds/99/events":                           404,
		"/tasks/99/logs/build.log":                    404,
		"/tasks/12/logs/passwd":                       404,
		"/tasks/12/logs/..%2f..%2fpasswd":             404,
		"/tasks/12/logs/build.log?attempt=7":          404,
		"/tasks/99/logs/build.log/follow":             404,
		"/tasks/12/logs/passwd/follow":                404,
		"/logs/tasks/12/1/root.log":                   404,
		"/logs/tasks/12/x/build.log":                  404,
		"/logs/tasks/12/1/..%2f..%2f..%2fpasswd":      404,
		"/packages/nope":                              404,
		"/packages/%ff":                               404,
		"/packages/a%00":                              404,
		"/repos/nope":                                 404,
		"/repos/%ff":                                  404,
		"/deliveries/99":                              404,
		"/deliveries/x":                               404,
		"/api/v1/builds/99":                           404,
		"/api/v1/nope":                                404,
		"/index.php":                                  404,
	} {
		a := s.get(path)
		if a.status != want {
			t.Errorf("GET %s: status %d, want %d", path, a.status, want)
		}
		if id := a.header.Get("X-Request-Id"); !strings.Contains(a.body, id) {
			t.Errorf("GET %s: the page does not tell the request id %s", path, id)
		}
		media := "text/html"
		if strings.HasPrefix(path, "/api/") {
			media = "application/json"
		}
		if got := a.header.Get("Content-Type"); !strings.HasPrefix(got, media) {
			t.Errorf("GET %s: Content-Type %q, want %s", path, got, media)
		}
	}
}

func TestABrokenDatabaseIsToldWithoutItsWords(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := newSite(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	s.exec("alter table builds rename to gone")
	a := s.get("/")
	if a.status != http.StatusInternalServerError || strings.Contains(a.body, "SQLSTATE") || !strings.Contains(a.body, a.header.Get("X-Request-Id")) {
		t.Errorf("status %d, body:\n%s", a.status, a.body)
	}
	if !strings.Contains(log.String(), "SQLSTATE") || !strings.Contains(log.String(), a.header.Get("X-Request-Id")) {
		t.Errorf("the log does not tell the cause and the request: %s", log.String())
	}
	if a := s.get("/api/v1/builds"); a.status != http.StatusInternalServerError || !strings.Contains(a.body, `"request_id"`) {
		t.Errorf("API: status %d, body:\n%s", a.status, a.body)
	}
}

func TestAPanicEndsOneAnswerOnly(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	site := newSite(t)
	site.config.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s := &server{Config: site.config}
	var err error
	if s.static, err = readStatic(); err != nil {
		t.Fatal(err)
	}
	if s.pages, err = s.readPages(); err != nil {
		t.Fatal(err)
	}
	late := false
	server := httptest.NewServer(s.guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if late {
			_, _ = w.Write([]byte("half"))
		}
		panic("a bug")
	})))
	defer server.Close()
	site.url, site.client = server.URL, server.Client()
	a := site.get("/")
	if a.status != http.StatusInternalServerError || !strings.Contains(a.body, "Something here is broken.") || strings.Contains(a.body, "a bug") {
		t.Errorf("status %d, body:\n%s", a.status, a.body)
	}
	if !strings.Contains(log.String(), "a bug") || !strings.Contains(log.String(), "guard_test.go") {
		t.Errorf("the log has no cause and stack: %s", log.String())
	}
	late = true
	if response, err := server.Client().Get(server.URL); err == nil {
		_, err = bytes.NewBuffer(nil).ReadFrom(response.Body)
		response.Body.Close()
		if err == nil {
			t.Error("half an answer looks whole")
		}
	}
}

// A connection that served us may serve others next: no deadline of ours may
// stay on it.
func TestNoDeadlineStaysOnAConnection(t *testing.T) {
	t.Parallel()
	recorder := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	site := newSite(t)
	handler, err := New(site.config)
	if err != nil {
		t.Fatal(err)
	}
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/", nil))
	if len(recorder.set) < 2 || recorder.set[0].IsZero() || !recorder.set[len(recorder.set)-1].IsZero() {
		t.Errorf("write deadlines %v, want one, and none at the end", recorder.set)
	}
}

// deadlines records the write deadlines of a connection.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.set = append(d.set, at)
	return nil
}

func TestStaticFilesAreKeptForTheirContent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	files, err := readStatic()
	if err != nil {
		t.Fatal(err)
	}
	for name, media := range map[string]string{"style.css": "text/css", "live.js": "text/javascript"} {
		a := s.get(files[name].url)
		if a.status != http.StatusOK || a.header.Get("Cache-Control") != keepLong || !strings.HasPrefix(a.header.Get("Content-Type"), media) {
			t.Errorf("%s: status %d, header %v", name, a.status, a.header)
		}
		if !strings.Contains(s.get("/").body, `"`+files[name].url+`"`) {
			t.Errorf("no page has %s", files[name].url)
		}
		if a := s.get("/static/" + name + "?v=old"); a.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("an old %s is kept: %q", name, a.header.Get("Cache-Control"))
		}
	}
	if lines := strings.Count(string(files["live.js"].content), "\n"); lines > 80 {
		t.Errorf("the script has %d lines: it should stay small enough to read", lines)
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	config := newSite(t).config
	for _, external := range []string{"", "distbot.example", "ftp://distbot.example", "https://", "://"} {
		config.ExternalURL = external
		if _, err := New(config); err == nil {
			t.Errorf("external URL %q was taken", external)
		}
	}
}
