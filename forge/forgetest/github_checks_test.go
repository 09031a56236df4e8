package forgetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// signed is a token that an App signs for itself.
func signed(t *testing.T, key int64, claims jwt.RegisteredClaims, method jwt.SigningMethod) string {
	t.Helper()
	private, err := keyOf(key)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.NewWithClaims(method, claims).SignedString(private)
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + token
}

// itself is the token of an App that GitHub takes.
func itself(t *testing.T, app int64) string {
	t.Helper()
	now := time.Now()
	return signed(t, app, jwt.RegisteredClaims{
		Issuer: fmt.Sprint(app), IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(5 * time.Minute)),
	}, jwt.SigningMethodRS256)
}

// installed is the token of an App's installation for rpms/hello.
func installed(t *testing.T, server *Server, app int64) string {
	t.Helper()
	status, _, body := ask(t, http.MethodGet, server.APIURL+"/repos/rpms/hello/installation", itself(t, app), "", "")
	if status != http.StatusOK {
		t.Fatalf("installation: answer %d: %s", status, body)
	}
	path := fmt.Sprintf("%s/app/installations/%v/access_tokens", server.APIURL, field(t, body, "id"))
	status, _, body = ask(t, http.MethodPost, path, itself(t, app), "application/json", "null\n")
	if status != http.StatusCreated {
		t.Fatalf("token: answer %d: %s", status, body)
	}
	return "Bearer " + field(t, body, "token").(string)
}

func TestTheFakeGitHubIsStrictAboutApps(t *testing.T) {
	t.Parallel()
	server := NewGitHub(t)
	server.AddCommit("rpms/hello", commitA)
	now := time.Now()
	at := func(issued, expires time.Duration) jwt.RegisteredClaims {
		return jwt.RegisteredClaims{Issuer: "1001", IssuedAt: jwt.NewNumericDate(now.Add(issued)), ExpiresAt: jwt.NewNumericDate(now.Add(expires))}
	}
	nobody := at(0, time.Minute)
	nobody.Issuer = "7"
	endless := at(0, 0)
	endless.ExpiresAt = nil
	for what, token := range map[string]string{
		"a person's token":                "Bearer " + WriteToken,
		"an installation's token":         installed(t, server, AppID),
		"another App's key":               signed(t, ReaderAppID, at(0, time.Minute), jwt.SigningMethodRS256),
		"another method":                  signed(t, AppID, at(0, time.Minute), jwt.SigningMethodRS512),
		"a token that ended":              signed(t, AppID, at(-time.Minute, -time.Second), jwt.SigningMethodRS256),
		"a token of the future":           signed(t, AppID, at(time.Minute, 2*time.Minute), jwt.SigningMethodRS256),
		"a token that holds for too long": signed(t, AppID, at(0, 11*time.Minute), jwt.SigningMethodRS256),
		"a token that holds for ever":     signed(t, AppID, endless, jwt.SigningMethodRS256),
		"nobody's token":                  signed(t, AppID, nobody, jwt.SigningMethodRS256),
	} {
		if status, _, body := ask(t, http.MethodGet, server.APIURL+"/repos/rpms/hello/installation", token, "", ""); status != http.StatusUnauthorized {
			t.Errorf("%s is answered %d: %s", what, status, body)
		}
	}
	if status, _, _ := ask(t, http.MethodPost, server.APIURL+"/app/installations/1/access_tokens", itself(t, ReaderAppID), "application/json", "null\n"); status != http.StatusNotFound {
		t.Errorf("a token for another App's installation is answered %d, want 404", status)
	}
	server.LetTokensLive(-time.Second)
	ended := installed(t, server, AppID)
	if status, _, _ := ask(t, http.MethodGet, server.APIURL+"/repos/rpms/hello/commits/"+commitA+"/check-runs", ended, "", ""); status != http.StatusUnauthorized {
		t.Errorf("a token that ended is answered %d, want 401", status)
	}
}

func TestTheFakeGitHubIsStrictAboutCheckRuns(t *testing.T) {
	t.Parallel()
	server := NewGitHub(t)
	server.AddCommit("rpms/hello", commitA)
	server.AddCommit("other/hello", commitA)
	app, reader := installed(t, server, AppID), installed(t, server, ReaderAppID)
	create := server.APIURL + "/repos/rpms/hello/check-runs"
	output := func(title, summary string, annotations ...map[string]any) map[string]any {
		return map[string]any{"title": title, "summary": summary, "annotations": annotations}
	}
	annotation := func(change map[string]any) map[string]any {
		a := map[string]any{"path": "hello.spec", "start_line": 1, "end_line": 1, "annotation_level": "failure", "message": "m", "title": "t"}
		maps.Copy(a, change)
		return output("t", "s", a)
	}
	body := func(change map[string]any) string {
		b := map[string]any{"name": "f37", "head_sha": commitA, "status": "completed", "conclusion": "failure", "output": annotation(nil)}
		maps.Copy(b, change)
		for name, value := range b {
			if value == nil {
				delete(b, name)
			}
		}
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	bad := map[string]map[string]any{
		"no name":                      {"name": nil},
		"an empty name":                {"name": ""},
		"no commit":                    {"head_sha": nil},
		"an unknown commit":            {"head_sha": commitB},
		"completed and no conclusion":  {"conclusion": nil},
		"a conclusion while it runs":   {"status": "in_progress"},
		"an unknown status":            {"status": "running"},
		"an unknown conclusion":        {"conclusion": "error"},
		"an unknown key":               {"context": "f37"},
		"a script as details":          {"details_url": "javascript:alert(1)"},
		"an empty external id":         {"external_id": ""},
		"output without summary":       {"output": map[string]any{"title": "t"}},
		"output with an empty summary": {"output": output("t", " ")},
		"output with an empty title":   {"output": output("", "s")},
		"a long title":                 {"output": output(strings.Repeat("x", 256), "s")},
		"a long summary":               {"output": output("t", strings.Repeat("x", 65536))},
		"51 annotations":               {"output": output("t", "s", make([]map[string]any, 51)...)},
		"an absolute path":             {"output": annotation(map[string]any{"path": "/hello.spec"})},
		"a path that leads out":        {"output": annotation(map[string]any{"path": "../hello.spec"})},
		"line 0":                       {"output": annotation(map[string]any{"start_line": 0})},
		"an end before the start":      {"output": annotation(map[string]any{"start_line": 2})},
		"an unknown level":             {"output": annotation(map[string]any{"annotation_level": "error"})},
		"no message":                   {"output": annotation(map[string]any{"message": ""})},
		"a long message":               {"output": annotation(map[string]any{"message": strings.Repeat("x", 65537)})},
		"a long annotation title":      {"output": annotation(map[string]any{"title": strings.Repeat("x", 256)})},
		"an unknown annotation key":    {"output": annotation(map[string]any{"line": 1})},
	}
	for what, change := range bad {
		if status, _, answer := ask(t, http.MethodPost, create, app, "application/json", body(change)); status != http.StatusUnprocessableEntity {
			t.Errorf("%s is answered %d: %s", what, status, answer)
		}
	}
	for what, request := range map[string]struct {
		url, token string
		want       int
	}{
		"a person who may write":  {create, "Bearer " + WriteToken, 403},
		"an App that may read":    {create, reader, 403},
		"the App itself":          {create, itself(t, AppID), 401},
		"nobody":                  {create, "", 401},
		"another account's token": {server.APIURL + "/repos/other/hello/check-runs", app, 404},
	} {
		if status, _, answer := ask(t, http.MethodPost, request.url, request.token, "application/json", body(nil)); status != request.want {
			t.Errorf("%s is answered %d: %s, want %d", what, status, answer, request.want)
		}
	}
	if runs := server.CheckRuns("rpms/hello", commitA); len(runs) > 0 {
		t.Fatalf("there are check runs %+v", runs)
	}
	status, _, made := ask(t, http.MethodPost, create, app, "application/json", body(map[string]any{"status": "in_progress", "conclusion": nil}))
	if status != http.StatusCreated {
		t.Fatalf("a good check run is answered %d: %s", status, made)
	}
	update := fmt.Sprintf("%s/%v", create, field(t, made, "id"))
	delete(bad, "no name")
	delete(bad, "no commit")
	delete(bad, "an unknown commit")
	for what, change := range bad {
		change["head_sha"] = nil
		if status, _, answer := ask(t, http.MethodPatch, update, app, "application/json", body(change)); status != http.StatusUnprocessableEntity {
			t.Errorf("an update with %s is answered %d: %s", what, status, answer)
		}
	}
	good := body(map[string]any{"head_sha": nil})
	for what, request := range map[string]struct {
		url, token, body string
		want             int
	}{
		"of another App's":           {update, reader, good, 403},
		"of none":                    {create + "/77", app, good, 404},
		"as it should be":            {update, app, good, 200},
		"as it should be, once more": {update, app, good, 200},
	} {
		if status, _, answer := ask(t, http.MethodPatch, request.url, request.token, "application/json", request.body); status != request.want {
			t.Errorf("an update %s is answered %d: %s, want %d", what, status, answer, request.want)
		}
	}
	if status, _, answer := ask(t, http.MethodPatch, update, app, "application/json", body(map[string]any{"head_sha": nil, "status": "in_progress", "conclusion": nil})); status != http.StatusUnprocessableEntity {
		t.Errorf("reopening a check run is answered %d: %s", status, answer)
	}
	// As at GitHub, each request added one.
	if runs := server.CheckRuns("rpms/hello", commitA); len(runs) != 1 || len(runs[0].Annotations) != 3 {
		t.Errorf("check runs %+v, want one with three annotations", runs)
	}
}
