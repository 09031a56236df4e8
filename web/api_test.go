package web

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Programs rely on every name and form in these files: a change of an existing
// line breaks them.
func TestAPIAnswers(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.answersAre(t, map[string]string{
		"builds": "/api/v1/builds", "builds_filtered": "/api/v1/builds?package=hello&state=FAILED&target=f37", "build_1": "/api/v1/builds/1", "build_4": "/api/v1/builds/4",
		"repos": "/api/v1/repos", "deliveries": "/api/v1/deliveries",
	})
}

func TestAPIAnswersAboutTags(t *testing.T) {
	t.Parallel()
	s := newTagFixture(t)
	// The installation's own event is of today.
	s.exec("update events set at = '2026-01-01T00:00:00Z' where id = 1")
	s.answersAre(t, map[string]string{
		"tags": "/api/v1/tags", "tags_past": "/api/v1/tags?event=4&name=f3&limit=2", "tag": "/api/v1/tags/f37-build", "tag_past": "/api/v1/tags/base?ts=2026-02-27T00:00:00Z",
		"tag_inheritance": "/api/v1/tags/f37-build/inheritance", "tag_packages": "/api/v1/tags/f37-build/packages", "tag_builds": "/api/v1/tags/f37-build/builds",
		"tag_builds_all": "/api/v1/tags/f37-build/builds?latest=0&package=hello&limit=3", "tag_groups": "/api/v1/tags/f37-build/groups",
		"tag_history": "/api/v1/tags/base/history?limit=3", "tag_explain": "/api/v1/tags/f37-build/explain?subject=hello-1.0-1.base", "targets": "/api/v1/targets",
	})
}

// answersAre compares answers with their golden files.
func (s *site) answersAre(t *testing.T, paths map[string]string) {
	t.Helper()
	for name, path := range paths {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := s.in(t).get(path)
			if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json; charset=utf-8" {
				t.Fatalf("status %d, Content-Type %q", a.status, a.header.Get("Content-Type"))
			}
			golden := filepath.Join("testdata", "api_"+name+".json")
			if *update {
				if err := os.WriteFile(golden, []byte(a.body), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), a.body); diff != "" {
				t.Errorf("GET %s (-want +got, go test ./web -update writes it):\n%s", path, diff)
			}
		})
	}
}

func TestAPIListsHavePages(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for path, want := range map[string]int{"builds": 5, "deliveries": 5} {
		var ids []int64
		next := ""
		for pages := 0; ; pages++ {
			if pages == 10 {
				t.Fatal("the list has no end")
			}
			var answer struct {
				Builds, Deliveries []struct{ ID int64 }
				NextBeforeID       *int64 `json:"next_before_id"`
			}
			if err := json.Unmarshal([]byte(s.get("/api/v1/"+path+"?limit=2"+next).body), &answer); err != nil {
				t.Fatal(err)
			}
			for _, row := range append(answer.Builds, answer.Deliveries...) {
				ids = append(ids, row.ID)
			}
			if answer.NextBeforeID == nil {
				break
			}
			number, err := json.Marshal(answer.NextBeforeID)
			if err != nil {
				t.Fatal(err)
			}
			next = "&before_id=" + string(number)
		}
		if diff := cmp.Diff([]int64{5, 4, 3, 2, 1}, ids); diff != "" || len(ids) != want {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestAPIOfAnEmptyInstallationHasNoNulls(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for path, want := range map[string]string{
		"/api/v1/builds":     `{"builds":[],"next_before_id":null}`,
		"/api/v1/deliveries": `{"deliveries":[],"next_before_id":null}`,
		"/api/v1/repos":      `{"repos":[]}`,
		"/api/v1/tags":       `{"query_event":null,"tags":[],"next_after":null}`,
		"/api/v1/targets":    `{"query_event":null,"targets":[],"next_after":null}`,
	} {
		var got, wanted any
		if err := json.Unmarshal([]byte(s.get(path).body), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(want), &wanted); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wanted, got); diff != "" {
			t.Errorf("GET %s (-want +got):\n%s", path, diff)
		}
	}
	for _, path := range []string{"/", "/packages", "/tags", "/targets", "/repos", "/deliveries", "/hosts"} {
		s.page(path, `<p class="empty">`)
	}
}
