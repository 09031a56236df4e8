package forgetest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/distbot/distbot/forge"
)

// CheckRun is a check run as a fake GitHub has it.
type CheckRun struct {
	ID, AppID              int64
	Name, HeadSHA          string
	ExternalID, DetailsURL string
	Status, Conclusion     string
	Title, Summary         string
	Annotations            []forge.Annotation
	repository             string
}

// CheckRuns returns the check runs of a commit, oldest first.
func (s *Server) CheckRuns(fullName, commit string) []CheckRun {
	s.mu.Lock()
	defer s.mu.Unlock()
	var runs []CheckRun
	for _, run := range s.runs {
		if run.repository == fullName && run.HeadSHA == commit {
			run := *run
			run.Annotations = slices.Clone(run.Annotations)
			runs = append(runs, run)
		}
	}
	return runs
}

// Shown is what people see of a context of a commit: the newest check run of
// the name. False when there is none.
func (s *Server) Shown(fullName, commit, name string) (CheckRun, bool) {
	runs := s.CheckRuns(fullName, commit)
	for _, run := range slices.Backward(runs) {
		if run.Name == name {
			return run, true
		}
	}
	return CheckRun{}, false
}

// checkRunFields are the fields that both requests may have, and those of the
// first only; which must be there, and what they hold, the description says.
type checkRunFields struct {
	Name        *string          `json:"name"`
	HeadSHA     *string          `json:"head_sha"`
	DetailsURL  *string          `json:"details_url"`
	ExternalID  *string          `json:"external_id"`
	Status      *string          `json:"status"`
	StartedAt   *string          `json:"started_at"`
	Conclusion  *string          `json:"conclusion"`
	CompletedAt *string          `json:"completed_at"`
	Output      *checkRunOutput  `json:"output"`
	Actions     *json.RawMessage `json:"actions"`
}

type checkRunOutput struct {
	Title       *string              `json:"title"`
	Summary     *string              `json:"summary"`
	Text        *string              `json:"text"`
	Annotations []checkRunAnnotation `json:"annotations"`
	Images      *json.RawMessage     `json:"images"`
}

type checkRunAnnotation struct {
	Path        string `json:"path"`
	StartLine   int    `json:"start_line"`
	EndLine     int    `json:"end_line"`
	StartColumn *int   `json:"start_column"`
	EndColumn   *int   `json:"end_column"`
	Level       string `json:"annotation_level"`
	Message     string `json:"message"`
	Title       string `json:"title"`
	RawDetails  string `json:"raw_details"`
}

// readCheckRun reads a request by the rules that GitHub's description leaves
// out.
func readCheckRun(r *http.Request) (checkRunFields, error) {
	var fields checkRunFields
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&fields); err != nil {
		return fields, fmt.Errorf("problems parsing JSON: %w", err)
	}
	if fields.Name != nil && (*fields.Name == "" || len(*fields.Name) > 255) {
		return fields, errors.New("name is empty or too long")
	}
	if fields.ExternalID != nil && (*fields.ExternalID == "" || len(*fields.ExternalID) > 255) {
		return fields, errors.New("external_id is empty or too long")
	}
	if fields.Status != nil && *fields.Status == "completed" && fields.Conclusion == nil {
		return fields, errors.New("conclusion is missing, which a completed check run needs")
	}
	if fields.Conclusion != nil && fields.Status != nil && *fields.Status != "completed" {
		return fields, errors.New("conclusion of a check run that is not completed")
	}
	if fields.DetailsURL != nil {
		if target, err := url.Parse(*fields.DetailsURL); err != nil || target.Host == "" || !strings.HasPrefix(target.Scheme, "http") {
			return fields, errors.New("details_url must use http(s) scheme")
		}
	}
	return fields, fields.Output.check()
}

func (o *checkRunOutput) check() error {
	switch {
	case o == nil:
		return nil
	case o.Title == nil || strings.TrimSpace(*o.Title) == "" || utf8.RuneCountInString(*o.Title) > 255 || strings.ContainsRune(*o.Title, '\n'):
		return errors.New("output: title is empty, too long, or more than a line")
	case o.Summary == nil || strings.TrimSpace(*o.Summary) == "" || len(*o.Summary) > 65535:
		return errors.New("output: summary is empty or too long")
	case !utf8.ValidString(*o.Summary):
		return errors.New("output: summary is not UTF-8")
	}
	for _, a := range o.Annotations {
		switch {
		case !fs.ValidPath(a.Path) || a.Path == ".":
			return errors.New("annotation: path is not relative to the repository")
		case a.StartLine < 1 || a.EndLine < a.StartLine:
			return errors.New("annotation: there is no such line")
		case strings.TrimSpace(a.Message) == "" || len(a.Message) > 64<<10:
			return errors.New("annotation: message is empty or too long")
		case utf8.RuneCountInString(a.Title) > 255 || len(a.RawDetails) > 64<<10:
			return errors.New("annotation: title or raw_details is too long")
		}
	}
	return nil
}

// into changes a check run as a request wants it. Annotations are added to those
// that are there (REST API, "Update a check run").
func (f checkRunFields) into(run *CheckRun) {
	set := func(field *string, value *string) {
		if value != nil {
			*field = *value
		}
	}
	set(&run.Name, f.Name)
	set(&run.DetailsURL, f.DetailsURL)
	set(&run.ExternalID, f.ExternalID)
	set(&run.Status, f.Status)
	set(&run.Conclusion, f.Conclusion)
	if f.Conclusion != nil {
		run.Status = "completed"
	}
	if f.Output == nil {
		return
	}
	set(&run.Title, f.Output.Title)
	set(&run.Summary, f.Output.Summary)
	for _, a := range f.Output.Annotations {
		run.Annotations = append(run.Annotations, forge.Annotation{
			Path: a.Path, Line: a.StartLine, Level: forge.Level(a.Level), Title: a.Title, Message: a.Message,
		})
	}
}

// checkWriter answers everybody who may not write the checks of a repository.
func (s *Server) checkWriter(w http.ResponseWriter, r *http.Request) (caller, bool) {
	who, ok := s.caller(w, r)
	if !ok {
		return who, false
	}
	if who.app == 0 {
		answer(w, http.StatusForbidden, message("You must authenticate via a GitHub App."))
		return who, false
	}
	if !who.write {
		answer(w, http.StatusForbidden, message("Resource not accessible by integration"))
		return who, false
	}
	return who, valid(w, r)
}

// createRun answers POST /repos/{owner}/{name}/check-runs.
func (s *Server) createRun(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, ok := s.checkWriter(w, r)
	if !ok {
		return
	}
	fields, err := readCheckRun(r)
	if err != nil {
		answer(w, http.StatusUnprocessableEntity, message("Invalid request.\n\n"+err.Error()))
		return
	}
	fullName := fullNameOf(r)
	if _, known := s.repos[fullName][*fields.HeadSHA]; !known {
		answer(w, http.StatusUnprocessableEntity, message("No commit found for SHA: "+*fields.HeadSHA))
		return
	}
	run := &CheckRun{
		ID: int64(len(s.runs) + 1), AppID: who.app, HeadSHA: *fields.HeadSHA, Status: "queued", repository: fullName,
		// GitHub links to the App's own page.
		DetailsURL: "https://distbot.example.org/",
	}
	fields.into(run)
	s.runs = append(s.runs, run)
	s.notePosted(run)
	answer(w, http.StatusCreated, s.checkRun(run))
}

// updateRun answers PATCH /repos/{owner}/{name}/check-runs/{id}.
func (s *Server) updateRun(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, ok := s.checkWriter(w, r)
	if !ok {
		return
	}
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || id < 1 || id > len(s.runs) || s.runs[id-1].repository != fullNameOf(r) {
		answer(w, http.StatusNotFound, message("Not Found"))
		return
	}
	run := s.runs[id-1]
	if run.AppID != who.app {
		answer(w, http.StatusForbidden, message(fmt.Sprintf("Invalid app_id `%d` - check run can only be modified by the GitHub App that created it.", who.app)))
		return
	}
	fields, err := readCheckRun(r)
	switch {
	case err != nil:
	case fields.HeadSHA != nil:
		err = errors.New("head_sha is of new check runs only")
	case run.Status == "completed" && fields.Conclusion == nil:
		err = errors.New("the check run is completed")
	}
	if err != nil {
		answer(w, http.StatusUnprocessableEntity, message("Invalid request.\n\n"+err.Error()))
		return
	}
	fields.into(run)
	s.notePosted(run)
	answer(w, http.StatusOK, s.checkRun(run))
}

// notePosted notes what a check run says as a status.
func (s *Server) notePosted(run *CheckRun) {
	state := map[string]forge.State{
		"": forge.StatePending, "success": forge.StateSuccess, "neutral": forge.StateSuccess, "skipped": forge.StateSuccess,
		"cancelled": forge.StateError,
	}
	s.posted[run.repository+"@"+run.HeadSHA] = append(s.posted[run.repository+"@"+run.HeadSHA], forge.Status{
		Context: run.Name, State: cmp.Or(state[run.Conclusion], forge.StateFailure), Description: run.Title, TargetURL: run.DetailsURL,
	})
}

// listRuns answers GET /repos/{owner}/{name}/commits/{sha}/check-runs.
func (s *Server) listRuns(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fullName, sha, ok := s.commit(w, r, refusal{http.StatusUnprocessableEntity, "No commit found for SHA: " + r.PathValue("sha")})
	if !ok {
		return
	}
	var found []*CheckRun
	latest := map[string]bool{}
	for _, run := range slices.Backward(s.runs) {
		key := fmt.Sprint(run.AppID, " ", run.Name)
		if run.repository != fullName || run.HeadSHA != sha || latest[key] && r.FormValue("filter") != "all" {
			continue
		}
		latest[key] = true
		if fits(r, "check_name", run.Name) && fits(r, "app_id", strconv.FormatInt(run.AppID, 10)) && fits(r, "status", run.Status) {
			found = append(found, run)
		}
	}
	page, size := s.page(r)
	from, to := min((page-1)*size, len(found)), min(page*size, len(found))
	list := make([]map[string]any, 0, to-from)
	for _, run := range found[from:to] {
		list = append(list, s.checkRun(run))
	}
	if to < len(found) {
		s.linkNext(w, r, page)
	}
	answer(w, http.StatusOK, map[string]any{"total_count": len(found), "check_runs": list})
}

func fits(r *http.Request, parameter, value string) bool {
	wanted := r.FormValue(parameter)
	return wanted == "" || wanted == value
}

// checkRun is how GitHub describes a check run.
func (s *Server) checkRun(run *CheckRun) map[string]any {
	link := fmt.Sprintf("%s/repos/%s/check-runs/%d", s.APIURL, run.repository, run.ID)
	orNull := func(text string) any {
		if text == "" {
			return nil
		}
		return text
	}
	return map[string]any{
		"id": run.ID, "head_sha": run.HeadSHA, "node_id": "CR_1", "external_id": orNull(run.ExternalID), "url": link, "html_url": link,
		"details_url": orNull(run.DetailsURL), "status": run.Status, "conclusion": orNull(run.Conclusion),
		"started_at": "2026-11-20T10:49:24Z", "completed_at": nil, "name": run.Name, "check_suite": map[string]any{"id": 1},
		"output": map[string]any{
			"title": orNull(run.Title), "summary": orNull(run.Summary), "text": nil,
			"annotations_count": len(run.Annotations), "annotations_url": link + "/annotations",
		},
		"app": nil, "pull_requests": []any{},
	}
}

// AddCheckRun stores a check run without a request, with an id of its own.
func (s *Server) AddCheckRun(fullName string, run CheckRun) {
	s.mu.Lock()
	defer s.mu.Unlock()
	run.ID, run.repository = int64(len(s.runs)+1), fullName
	s.runs = append(s.runs, &run)
}
