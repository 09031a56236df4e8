package forgetest

import (
	"context"
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

	// described is nil for a kind whose API has no description here.
	described *description
	report    func(format string, args ...any)

	mu       sync.Mutex
	repos    map[string]map[string][]forge.Status // by repository and commit
	posted   map[string][]forge.Status            // by repository@commit
	moved    map[string]string
	runs     []*CheckRun // by id, from 1
	apps     apps
	faults   []Fault
	spared   int // requests that come before the faults
	requests int
	secrets  map[string]bool
}

// Fault is what happens to one request instead of an answer.
type Fault struct {
	// Status, Header and Body are answered when Status is not 0. Where Body says
	// TOKEN, the answer has the one that was sent.
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
	// apps is true where there are Apps and their check runs.
	apps bool
}

type refusal struct {
	status  int
	message string
}

func newServer(tb testing.TB, d dialect) *Server {
	s := &Server{
		dialect: d, report: tb.Errorf, repos: make(map[string]map[string][]forge.Status), posted: make(map[string][]forge.Status),
		moved: make(map[string]string), apps: newApps(), secrets: make(map[string]bool),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+d.apiPath+"/repos/{owner}/{name}/statuses/{sha}", s.create)
	mux.HandleFunc("GET "+d.apiPath+"/repos/{owner}/{name}/commits/{sha}/status", s.combined)
	if d.apps {
		s.described = loadDescription(tb)
		mux.HandleFunc("GET /repos/{owner}/{name}/installation", s.installationOf)
		mux.HandleFunc("POST /app/installations/{id}/access_tokens", s.makeToken)
		mux.HandleFunc("POST /repos/{owner}/{name}/check-runs", s.createRun)
		mux.HandleFunc("PATCH /repos/{owner}/{name}/check-runs/{id}", s.updateRun)
		mux.HandleFunc("GET /repos/{owner}/{name}/commits/{sha}/check-runs", s.listRuns)
	}
	s.http = httptest.NewServer(s.withFaults(s.asDescribed(mux)))
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
	return slices.Clone(s.posted[fullName+"@"+commit])
}

// Fail makes the next requests fail, one fault each.
func (s *Server) Fail(faults ...Fault) { s.FailAfter(0, faults...) }

// FailAfter is Fail for the requests that come after the next n.
func (s *Server) FailAfter(n int, faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spared = n
	s.faults = append(s.faults, faults...)
}

// Heal forgets the faults that did not happen yet.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.spared = nil, 0
}

// Requests returns how many requests arrived, failed ones too.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// ShowsSecret reports whether a text has one of the tokens that were sent.
func (s *Server) ShowsSecret(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for secret := range s.secrets {
		if strings.Contains(text, secret) {
			return true
		}
	}
	return false
}

// tokenOf is the token of a request.
func tokenOf(r *http.Request) string {
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return token
}

func (s *Server) withFaults(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests++
		if token := tokenOf(r); token != "" {
			s.secrets[token] = true
		}
		var fault Fault
		if s.spared > 0 {
			s.spared--
		} else if len(s.faults) > 0 {
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
			_, _ = io.WriteString(w, strings.ReplaceAll(fault.Body, "TOKEN", tokenOf(r)))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// asDescribed refuses what the kind's description does, and fails the test when
// an answer of the fake is not as described. Who may not ask is told so first.
func (s *Server) asDescribed(next http.Handler) http.Handler {
	if s.described == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		input, invalid := s.described.request(r)
		answered := httptest.NewRecorder()
		next.ServeHTTP(answered, r.WithContext(context.WithValue(r.Context(), invalidKey{}, invalid)))
		if answered.Code >= 200 && answered.Code <= 299 {
			if err := s.described.answer(r.Context(), input, answered.Code, answered.Header(), answered.Body.Bytes()); err != nil {
				s.report("the fake's answer to %s %s is not as described: %v", r.Method, r.URL.Path, err)
			}
		}
		for name, values := range answered.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answered.Code)
		_, _ = w.Write(answered.Body.Bytes())
	})
}

// invalidKey is where a request's context holds what is wrong with it by the
// kind's description.
type invalidKey struct{}

// valid answers requests that the kind's description does not allow.
func valid(w http.ResponseWriter, r *http.Request) bool {
	invalid, _ := r.Context().Value(invalidKey{}).(error)
	if invalid != nil {
		answer(w, http.StatusUnprocessableEntity, message("Invalid request.\n\n"+invalid.Error()))
	}
	return invalid == nil
}

func fullNameOf(r *http.Request) string { return r.PathValue("owner") + "/" + r.PathValue("name") }

// repository answers requests about repositories that are not there any more.
func (s *Server) repository(w http.ResponseWriter, r *http.Request) bool {
	fullName := fullNameOf(r)
	if to := s.moved[fullName]; to != "" {
		w.Header().Set("Location", strings.Replace(r.URL.RequestURI(), fullName, to, 1))
		w.WriteHeader(s.dialect.moved(r.Method))
		return false
	}
	if s.repos[fullName] == nil {
		answer(w, http.StatusNotFound, message("not found"))
		return false
	}
	return true
}

// caller finds who asks for a repository, or answers the request.
func (s *Server) caller(w http.ResponseWriter, r *http.Request) (caller, bool) {
	who, ok := s.callerOf(r)
	if !ok || who.itself {
		answer(w, http.StatusUnauthorized, message(s.dialect.unauthorized))
		return who, false
	}
	if !s.repository(w, r) {
		return who, false
	}
	if who.app != 0 && !strings.EqualFold(who.account, r.PathValue("owner")) {
		answer(w, http.StatusNotFound, message("Not Found"))
		return who, false
	}
	return who, true
}

// commit finds what a request is about, or answers it.
func (s *Server) commit(w http.ResponseWriter, r *http.Request, unknown refusal) (fullName, sha string, ok bool) {
	who, ok := s.caller(w, r)
	if !ok {
		return "", "", false
	}
	fullName, sha = fullNameOf(r), r.PathValue("sha")
	if r.Method != http.MethodGet && (!who.write || who.app != 0) {
		answer(w, http.StatusForbidden, message(s.dialect.forbidden))
		return "", "", false
	}
	if _, known := s.repos[fullName][sha]; !known {
		answer(w, unknown.status, message(unknown.message))
		return "", "", false
	}
	return fullName, sha, valid(w, r)
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
	s.posted[fullName+"@"+sha] = append(s.posted[fullName+"@"+sha], status)
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
	statuses := make([]map[string]any, 0, to-from)
	for _, i := range ids[from:to] {
		statuses = append(statuses, s.dialect.created(i+1, s.repos[fullName][sha][i]))
	}
	if to < len(ids) {
		s.linkNext(w, r, page)
	}
	answer(w, http.StatusOK, map[string]any{
		"state": "pending", "sha": sha, "total_count": len(statuses), "statuses": statuses,
		"repository": describedRepository(fullName), "commit_url": s.APIURL, "url": s.APIURL,
	})
}

// linkNext tells where the next page is.
func (s *Server) linkNext(w http.ResponseWriter, r *http.Request, page int) {
	next := *r.URL
	query := next.Query()
	query.Set("page", strconv.Itoa(page+1))
	next.RawQuery = query.Encode()
	w.Header().Set("Link", fmt.Sprintf("<%s%s>; rel=\"next\"", s.URL, next.RequestURI()))
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
