package forgetest

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/forge"
)

// ask sends one request and returns the answer's status, Location and body.
func ask(t *testing.T, method, url, authorization, contentType, body string) (int, string, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Location"), data
}

// TestTheFakeForgejoAnswersLikeTheRecordedGitea replays what was asked of a
// Gitea 1.26.0 and compares the answers: status, Location, and all that
// drivers read of the body.
func TestTheFakeForgejoAnswersLikeTheRecordedGitea(t *testing.T) {
	t.Parallel()
	var recorded []struct {
		Name, Method, Path, Token string
		Request                   json.RawMessage
		Status                    int
		Location                  string
		Body                      json.RawMessage
	}
	decodeFile(t, "testdata/gitea-1.26.0-statuses.json", &recorded)
	// Where the fake is stricter, and what it answers then.
	stricter := map[string]int{"form": 422, "unknown state": 422}
	// Gitea shows an internal error's text to administrators only; the fake
	// has none of these.
	unlike := map[string]bool{"unknown sha admin": true}

	server := NewForgejo(t)
	server.AddCommit("rpms/hello", commitA)
	server.AddCommit("rpms/old", commitA)
	server.Move("rpms/old", "rpms/new")
	tokens := map[string]string{"": "", "bot": "token " + WriteToken, "admin": "token " + WriteToken, "reader": "token " + ReadToken, "readscope": "token " + ReadToken, "unknown": "token x"}
	commit := func(s string) string { return strings.ReplaceAll(s, "COMMIT", commitA) }
	if len(recorded) < 15 {
		t.Fatalf("only %d recorded answers", len(recorded))
	}
	for _, r := range recorded {
		if unlike[r.Name] {
			continue
		}
		body, contentType := "", ""
		switch {
		case r.Name == "bad json":
			body, contentType = `{"state":`, "application/json"
		case r.Name == "form":
			body, contentType = "state=pending", "application/x-www-form-urlencoded"
		case r.Method == http.MethodPost:
			body, contentType = string(r.Request), "application/json"
		}
		status, location, got := ask(t, r.Method, server.APIURL+commit(r.Path), tokens[r.Token], contentType, body)
		want := r.Status
		if code, ok := stricter[r.Name]; ok {
			want = code
		}
		if status != want || location != commit(r.Location) {
			t.Errorf("%s: answer %d to %q, recorded %d to %q: %s", r.Name, status, location, want, commit(r.Location), got)
			continue
		}
		if status >= 500 {
			// Whether an internal error says something decides the driver.
			if diff := cmp.Diff(field(t, r.Body, "message"), field(t, got, "message")); diff != "" {
				t.Errorf("%s: message (-recorded +fake):\n%s", r.Name, diff)
			}
		}
		if status == http.StatusCreated {
			if diff := cmp.Diff(keys(t, r.Body), keys(t, got)); diff != "" {
				t.Errorf("%s: fields (-recorded +fake):\n%s", r.Name, diff)
			}
			for _, name := range []string{"status", "context", "description", "target_url"} {
				if diff := cmp.Diff(field(t, r.Body, name), field(t, got, name)); diff != "" {
					t.Errorf("%s: %s (-recorded +fake):\n%s", r.Name, name, diff)
				}
			}
		}
		if status == http.StatusOK {
			if diff := cmp.Diff(keys(t, r.Body), keys(t, got)); diff != "" {
				t.Errorf("%s: fields (-recorded +fake):\n%s", r.Name, diff)
			}
		}
	}
}

func object(t *testing.T, data []byte) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal(data, &o); err != nil {
		t.Fatalf("decode %s: %v", data, err)
	}
	return o
}

func field(t *testing.T, data []byte, name string) any { return object(t, data)[name] }

func keys(t *testing.T, data []byte) []string {
	t.Helper()
	var names []string
	for name := range object(t, data) {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// githubDescription is what the tests read of GitHub's OpenAPI description.
type githubDescription struct {
	Paths map[string]map[string]struct {
		RequestBody struct {
			Content map[string]struct {
				Schema schema `json:"schema"`
			} `json:"content"`
		} `json:"requestBody"`
		Parameters []struct {
			Ref string `json:"$ref"`
		} `json:"parameters"`
		Responses map[string]struct {
			Content map[string]struct {
				Schema schema `json:"schema"`
			} `json:"content"`
		} `json:"responses"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

type schema struct {
	Ref        string            `json:"$ref"`
	Required   []string          `json:"required"`
	Properties map[string]schema `json:"properties"`
	Enum       []string          `json:"enum"`
	Items      *schema           `json:"items"`
}

func (d githubDescription) resolve(s schema) schema {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return d.Components.Schemas[name]
	}
	return s
}

// TestTheFakeGitHubKeepsGitHubsDescription compares what the fake takes and
// answers with GitHub's OpenAPI description.
func TestTheFakeGitHubKeepsGitHubsDescription(t *testing.T) {
	t.Parallel()
	var description githubDescription
	decodeFile(t, filepath.Join(Testdata(t), "github", "openapi-subset.json"), &description)
	create := description.Paths["/repos/{owner}/{repo}/statuses/{sha}"]["post"]
	request := create.RequestBody.Content["application/json"].Schema

	t.Run("it knows the fields of a new status", func(t *testing.T) {
		t.Parallel()
		var ours, theirs []string
		for f := range reflect.TypeFor[statusFields]().Fields() {
			ours = append(ours, f.Tag.Get("json"))
		}
		for name := range request.Properties {
			theirs = append(theirs, name)
		}
		slices.Sort(ours)
		slices.Sort(theirs)
		if diff := cmp.Diff(theirs, ours); diff != "" || len(theirs) == 0 {
			t.Errorf("fields (-described +fake):\n%s", diff)
		}
	})
	t.Run("it knows the states", func(t *testing.T) {
		t.Parallel()
		if diff := cmp.Diff(request.Properties["state"].Enum, statusStates); diff != "" {
			t.Errorf("states (-described +fake):\n%s", diff)
		}
	})
	t.Run("what must be there must be there", func(t *testing.T) {
		t.Parallel()
		server := NewGitHub(t)
		server.AddCommit("rpms/hello", commitA)
		for _, name := range request.Required {
			body := map[string]any{"state": "success", "context": "x"}
			delete(body, name)
			encoded, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			status, _, _ := ask(t, http.MethodPost, server.APIURL+"/repos/rpms/hello/statuses/"+commitA, "Bearer "+WriteToken, "application/json", string(encoded))
			if status != http.StatusUnprocessableEntity {
				t.Errorf("a status without %s is answered %d, want 422", name, status)
			}
		}
		if !slices.Contains(request.Required, "state") {
			t.Errorf("required are %v", request.Required)
		}
	})
	t.Run("its answers have what the description requires", func(t *testing.T) {
		t.Parallel()
		server := NewGitHub(t)
		server.AddCommit("rpms/hello", commitA)
		status, _, created := ask(t, http.MethodPost, server.APIURL+"/repos/rpms/hello/statuses/"+commitA,
			"Bearer "+WriteToken, "application/json", `{"state":"success","context":"x"}`)
		if status != http.StatusCreated {
			t.Fatalf("answer %d: %s", status, created)
		}
		described := description.resolve(create.Responses["201"].Content["application/json"].Schema)
		checkRequired(t, described, keys(t, created))

		_, _, combined := ask(t, http.MethodGet, server.APIURL+"/repos/rpms/hello/commits/"+commitA+"/status", "Bearer "+WriteToken, "", "")
		get := description.Paths["/repos/{owner}/{repo}/commits/{ref}/status"]["get"]
		described = description.resolve(get.Responses["200"].Content["application/json"].Schema)
		checkRequired(t, described, keys(t, combined))
		list := field(t, combined, "statuses").([]any)
		encoded, err := json.Marshal(list[0])
		if err != nil {
			t.Fatal(err)
		}
		checkRequired(t, description.resolve(*described.Properties["statuses"].Items), keys(t, encoded))
	})
}

func checkRequired(t *testing.T, described schema, got []string) {
	t.Helper()
	if len(described.Required) == 0 {
		t.Error("the description requires nothing: is it the right one?")
	}
	for _, name := range described.Required {
		if !slices.Contains(got, name) {
			t.Errorf("the answer has no %s, only %v", name, got)
		}
	}
}

func TestTheFakesAreStrict(t *testing.T) {
	t.Parallel()
	fakes := map[string]struct {
		server func(tb testing.TB) *Server
		scheme string
	}{"forgejo": {NewForgejo, "token "}, "github": {NewGitHub, "Bearer "}}
	for name, fake := range fakes {
		server := fake.server(t)
		server.AddCommit("rpms/hello", commitA)
		post := server.APIURL + "/repos/rpms/hello/statuses/" + commitA
		for what, body := range map[string]string{
			"an unknown field":   `{"state":"success","context":"x","status":"success"}`,
			"an unknown state":   `{"state":"warning","context":"x"}`,
			"a long description": `{"state":"success","context":"x","description":"` + strings.Repeat("é", forge.MaxDescription+1) + `"}`,
			"a long context":     `{"state":"success","context":"` + strings.Repeat("x", 256) + `"}`,
			"no context":         `{"state":"success"}`,
			"a script as target": `{"state":"success","context":"x","target_url":"javascript:alert(1)"}`,
			"half an object":     `{"state":"success"`,
		} {
			if status, _, answer := ask(t, http.MethodPost, post, fake.scheme+WriteToken, "application/json", body); status != 422 {
				t.Errorf("%s: %s is answered %d: %s", name, what, status, answer)
			}
		}
		good := `{"state":"success","context":"x","description":"` + strings.Repeat("é", forge.MaxDescription) + `"}`
		for what, request := range map[string]struct {
			authorization, contentType string
			want                       int
		}{
			"another scheme": {"Basic " + WriteToken, "application/json", 401},
			"no token":       {"", "application/json", 401},
			"a weak token":   {fake.scheme + ReadToken, "application/json", 403},
			"a form":         {fake.scheme + WriteToken, "application/x-www-form-urlencoded", 422},
		} {
			if status, _, _ := ask(t, http.MethodPost, post, request.authorization, request.contentType, good); status != request.want {
				t.Errorf("%s: %s is answered %d, want %d", name, what, status, request.want)
			}
		}
		if status, _, _ := ask(t, http.MethodPost, post+"?x=1", fake.scheme+WriteToken, "application/json", good); status != 201 {
			t.Errorf("%s: a good status is answered %d", name, status)
		}
		if status, _, _ := ask(t, http.MethodDelete, post, fake.scheme+WriteToken, "", ""); status < 400 {
			t.Errorf("%s: an unknown method is answered %d", name, status)
		}
		if got := server.Posted("rpms/hello", commitA); len(got) != 1 {
			t.Errorf("%s: %d statuses were stored, want the good one", name, len(got))
		}
	}
}
