package forgetest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/distbot/distbot/forge"
)

// The tokens a Server knows. Any other is answered with 401.
const (
	WriteToken = "0000000000000000000000000000000000writer"
	ReadToken  = "0000000000000000000000000000000000reader"
)

// Server is a fake forge with the commit status API of one kind. It is strict
// where the real ones are lenient, so that what passes here passes everywhere:
// unknown fields, states, over-long descriptions and contexts, and bodies that
// are not JSON are refused with 422. It may be used by many goroutines.
type Server struct {
	// URL is the server's address. API paths begin at APIURL.
	URL, APIURL string

	http    *httptest.Server
	dialect dialect

	mu       sync.Mutex
	repos    map[string]map[string][]forge.Status
	moved    map[string]string
	faults   []Fault
	requests int
}

// Fault is what happens to one request instead of an answer.
type Fault struct {
	// Status, Header and Body are answered when Status is not 0.
	Status int
	Header http.Header
	Body   string
	// Drop closes the connection without an answer.
	Drop bool
	// Hold waits until the client gives up.
	Hold bool
}

// dialect is how a kind of forge speaks.
type dialect struct {
	apiPath string
	// scheme precedes the token in the Authorization header.
	scheme string
	// sizeParameter and maxSize are about pages.
	sizeParameter string
	maxSize       int
	// created is the answer to a new status.
	created func(id int, s forge.Status) map[string]any
	// unauthorized and forbidden are the messages for a bad and a weak token.
	unauthorized, forbidden string
	// postUnknownCommit and getUnknownCommit are status and message.
	postUnknownCommit, getUnknownCommit refusal
	// moved is the status for a renamed repository, by method.
	moved func(method string) int
}

type refusal struct {
	status  int
	message string
}

func newServer(tb testing.TB, d dialect) *Server {
	s := &Server{dialect: d, repos: make(map[string]map[string][]forge.Status), moved: make(map[string]string)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+d.apiPath+"/repos/{owner}/{name}/statuses/{sha}", s.create)
	mux.HandleFunc("GET "+d.apiPath+"/repos/{owner}/{name}/commits/{sha}/status", s.combined)
	s.http = httptest.NewServer(s.withFaults(mux))
	tb.Cleanup(s.http.Close)
	s.URL, s.APIURL = s.http.URL, s.http.URL+d.apiPath
	return s
}

// Close stops the server: connections are refused from then on.
func (s *Server) Close() { s.http.Close() }

// AddCommit makes the server know a repository with this commit.
func (s *Server) AddCommit(fullName, commit string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.repos[fullName] == nil {
		s.repos[fullName] = make(map[string][]forge.Status)
	}
	s.repos[fullName][commit] = nil
}

// Move renames a repository; requests for the old name are redirected.
func (s *Server) Move(from, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.repos[to], s.moved[from] = s.repos[from], to
	delete(s.repos, from)
}

// Posted returns the statuses that were accepted for a commit, oldest first.
func (s *Server) Posted(fullName, commit string) []forge.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.repos[fullName][commit])
}

// Fail makes the next requests fail, one fault each.
func (s *Server) Fail(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// Requests returns how many requests arrived, failed ones too.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

func (s *Server) withFaults(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests++
		var fault Fault
		if len(s.faults) > 0 {
			fault, s.faults = s.faults[0], s.faults[1:]
		}
		s.mu.Unlock()
		switch {
		case fault.Drop:
			panic(http.ErrAbortHandler)
		case fault.Hold:
			// Only a read body lets the server notice that the client left.
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		case fault.Status != 0:
			for name, values := range fault.Header {
				w.Header()[name] = values
			}
			w.WriteHeader(fault.Status)
			_, _ = io.WriteString(w, fault.Body)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// commit finds what a request is about, or answers it.
func (s *Server) commit(w http.ResponseWriter, r *http.Request, unknown refusal) (fullName, sha string, ok bool) {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), s.dialect.scheme+" ")
	if !found || (token != WriteToken && token != ReadToken) {
		answer(w, http.StatusUnauthorized, message(s.dialect.unauthorized))
		return "", "", false
	}
	fullName, sha = r.PathValue("owner")+"/"+r.PathValue("name"), r.PathValue("sha")
	if to := s.moved[fullName]; to != "" {
		w.Header().Set("Location", strings.Replace(r.URL.RequestURI(), fullName, to, 1))
		w.WriteHeader(s.dialect.moved(r.Method))
		return "", "", false
	}
	if s.repos[fullName] == nil {
		answer(w, http.StatusNotFound, message("not found"))
		return "", "", false
	}
	if r.Method != http.MethodGet && token != WriteToken {
		answer(w, http.StatusForbidden, message(s.dialect.forbidden))
		return "", "", false
	}
	if _, known := s.repos[fullName][sha]; !known {
		answer(w, unknown.status, message(unknown.message))
		return "", "", false
	}
	return fullName, sha, true
}

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fullName, sha, ok := s.commit(w, r, s.dialect.postUnknownCommit)
	if !ok {
		return
	}
	status, err := readStatus(r)
	if err != nil {
		answer(w, http.StatusUnprocessableEntity, message(err.Error()))
		return
	}
	s.repos[fullName][sha] = append(s.repos[fullName][sha], status)
	answer(w, http.StatusCreated, s.dialect.created(len(s.repos[fullName][sha]), status))
}

// statusFields are the fields of a new status: those of GitHub's description,
// which Gitea's API took over.
type statusFields struct {
	State       *string `json:"state"`
	TargetURL   *string `json:"target_url"`
	Description *string `json:"description"`
	Context     *string `json:"context"`
}

// statusStates are the states both APIs define.
var statusStates = []string{"error", "failure", "pending", "success"}

func readStatus(r *http.Request) (forge.Status, error) {
	if r.Header.Get("Content-Type") != "application/json" {
		return forge.Status{}, fmt.Errorf("content type is not application/json")
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	var fields statusFields
	if err := decoder.Decode(&fields); err != nil {
		return forge.Status{}, fmt.Errorf("problems parsing JSON: %w", err)
	}
	value := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	status := forge.Status{
		State: forge.State(value(fields.State)), Context: value(fields.Context),
		Description: value(fields.Description), TargetURL: value(fields.TargetURL),
	}
	target, err := url.Parse(status.TargetURL)
	switch {
	case !slices.Contains(statusStates, string(status.State)):
		return forge.Status{}, fmt.Errorf("state is not one of %v", statusStates)
	case status.Context == "" || len(status.Context) > 255:
		return forge.Status{}, fmt.Errorf("context is empty or too long")
	case utf8.RuneCountInString(status.Description) > forge.MaxDescription:
		return forge.Status{}, fmt.Errorf("description is too long (maximum is %d characters)", forge.MaxDescription)
	case status.TargetURL != "" && (err != nil || target.Host == "" || !strings.HasPrefix(target.Scheme, "http")):
		return forge.Status{}, fmt.Errorf("target_url must use http(s) scheme")
	}
	return status, nil
}

func (s *Server) combined(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fullName, sha, ok := s.commit(w, r, s.dialect.getUnknownCommit)
	if !ok {
		return
	}
	newest := make(map[string]int)
	for i, status := range s.repos[fullName][sha] {
		newest[status.Context] = i
	}
	ids := make([]int, 0, len(newest))
	for _, i := range newest {
		ids = append(ids, i)
	}
	slices.Sort(ids)
	page, size := s.page(r)
	from, to := min((page-1)*size, len(ids)), min(page*size, len(ids))
	var statuses []map[string]any
	for _, i := range ids[from:to] {
		statuses = append(statuses, s.dialect.created(i+1, s.repos[fullName][sha][i]))
	}
	if to < len(ids) {
		next := *r.URL
		query := next.Query()
		query.Set("page", strconv.Itoa(page+1))
		next.RawQuery = query.Encode()
		w.Header().Set("Link", fmt.Sprintf("<%s%s>; rel=\"next\"", s.URL, next.RequestURI()))
	}
	answer(w, http.StatusOK, map[string]any{
		"state": "pending", "sha": sha, "total_count": len(statuses), "statuses": statuses,
		"repository": map[string]any{"id": 1}, "commit_url": s.APIURL, "url": s.APIURL,
	})
}

func (s *Server) page(r *http.Request) (page, size int) {
	page, _ = strconv.Atoi(r.FormValue("page"))
	size, _ = strconv.Atoi(r.FormValue(s.dialect.sizeParameter))
	if size <= 0 || size > s.dialect.maxSize {
		size = s.dialect.maxSize
	}
	return max(page, 1), size
}

func message(text string) map[string]any { return map[string]any{"message": text} }

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
