package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if a := s.get("/healthz"); a.status != http.StatusOK || a.body != "alive\n" {
		t.Errorf("healthz: status %d, %q", a.status, a.body)
	}
	if a := s.get("/readyz"); a.status != http.StatusOK || a.body != "ready\n" {
		t.Errorf("readyz: status %d, %q", a.status, a.body)
	}
}

func TestWithoutDatabaseTheProcessIsAliveAndNotReady(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	handler, err := New(s.config)
	if err != nil {
		t.Fatal(err)
	}
	s.pool.Close()
	for path, want := range map[string]int{
		"/healthz": 200, "/readyz": 503, "/": 500, "/metrics": 500,
		// Clients that install packages need no database.
		rpmPath: 200, "/repos/f37/latest" + repomdXML: 200,
	} {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
		if recorder.Code != want {
			t.Errorf("GET %s: status %d, want %d", path, recorder.Code, want)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.page("/metrics",
		"# TYPE distbot_builds gauge\n", `distbot_builds{state="COMPLETE"} 2`+"\n", `distbot_builds{state="BUILDING"} 1`+"\n", `distbot_builds{state="DELETED"} 0`+"\n",
		`distbot_tasks{state="OPEN"} 3`+"\n", `distbot_tasks{state="ASSIGNED"} 0`+"\n", `distbot_deliveries{state="duplicate"} 1`+"\n",
		"distbot_reports_unsent 2\n", "distbot_tags_stale 2\n", "distbot_processes 2\n", "distbot_web_followers 0\n", `distbot_build_info{version="1.2.3"} 1`+"\n",
	)
	if got, want := labelValue("a\\b\"c\nd"), `"a\\b\"c\nd"`; got != want {
		t.Errorf("label value %s, want %s", got, want)
	}
}
