package web

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/reproduce"
	"github.com/distbot/distbot/queue"
)

// apiBuildSummary is a build for programs.
type apiBuildSummary struct {
	ID int64 `json:"id"`
	// NVR is null until the source package is made.
	NVR         *string `json:"nvr"`
	PlannedNVR  string  `json:"planned_nvr"`
	Package     string  `json:"package"`
	Target      string  `json:"target"`
	DestTag     string  `json:"dest_tag"`
	Scratch     bool    `json:"scratch"`
	State       string  `json:"state"`
	Phase       string  `json:"phase"`
	Reason      string  `json:"reason"`
	Forge       string  `json:"forge"`
	Repository  string  `json:"repository"`
	Ref         string  `json:"ref"`
	Commit      string  `json:"commit"`
	PullRequest *int64  `json:"pull_request"`
	// Arches are the states of the tasks that build for them.
	Arches      map[string]string `json:"arches"`
	CreatedAt   time.Time         `json:"created_at"`
	FinishedAt  *time.Time        `json:"finished_at"`
	PublishedAt *time.Time        `json:"published_at"`
	URL         string            `json:"url"`
}

// apiBuildList is the answer of /api/v1/builds.
type apiBuildList struct {
	Builds []apiBuildSummary `json:"builds"`
	// NextBeforeID is what before_id must be for the builds after these; null
	// at the end.
	NextBeforeID *int64 `json:"next_before_id"`
}

// apiBuilds answers with builds, newest first.
func (s *server) apiBuilds(r *http.Request) (any, error) {
	q := queryOf(r)
	filter := filterOf(q)
	filter.Limit = q.limit()
	if q.err != nil {
		return nil, q.err
	}
	lines, more, err := s.listBuilds(r.Context(), filter)
	if err != nil {
		return nil, err
	}
	answer := apiBuildList{Builds: []apiBuildSummary{}}
	for _, line := range lines {
		answer.Builds = append(answer.Builds, s.summary(line))
	}
	if more {
		answer.NextBeforeID = &lines[len(lines)-1].ID
	}
	return answer, nil
}

func (s *server) summary(line buildLine) apiBuildSummary {
	arches := map[string]string{}
	for _, part := range line.Parts {
		if part.Method == queue.MethodBuildArch {
			arches[part.Name] = part.State
		}
	}
	return apiBuildSummary{
		ID: line.ID, NVR: line.Nvr, PlannedNVR: line.PlannedNvr, Package: line.Package, Target: line.Target, DestTag: line.DestTagName,
		Scratch: line.Scratch, State: line.State, Phase: line.Phase, Reason: line.Reason,
		Forge: line.Forge, Repository: line.FullName, Ref: line.Ref, Commit: line.CommitID, PullRequest: line.PullNumber, Arches: arches,
		CreatedAt: utc(line.CreatedAt), FinishedAt: utcOrNull(line.FinishedAt), PublishedAt: utcOrNull(line.PublishedAt),
		URL: s.buildURL(line.ID),
	}
}

// apiBuildDetail is the answer of /api/v1/builds/ID.
type apiBuildDetail struct {
	apiBuildSummary
	RetryOf   *int64    `json:"retry_of"`
	RetriedAs []int64   `json:"retried_as"`
	Tasks     []apiTask `json:"tasks"`
	// Saw are the generations of the build tag that buildroots were made of.
	Saw      []apiSeen   `json:"saw"`
	RPMs     []apiRPM    `json:"rpms"`
	Statuses []apiStatus `json:"statuses"`
	Tags     []string    `json:"tags"`
	// SkippedArches are architectures of the build tag that nothing is built for.
	SkippedArches []queue.SkippedArch `json:"skipped_arches"`
	Warnings      []string            `json:"warnings"`
	// Chain is the chain that the build is part of.
	Chain *int64 `json:"chain,omitempty"`
	// RebuildOf is the build that this one makes again in its buildroots.
	RebuildOf *int64 `json:"rebuild_of,omitempty"`
	// Rebuilds in the same buildroots, the newest first.
	Rebuilds []apiRebuild `json:"rebuilds,omitempty"`
}

// apiRebuild is what came of making a build again in its buildroots.
type apiRebuild struct {
	ID         int64            `json:"id"`
	Build      *int64           `json:"build"`
	Arches     []string         `json:"arches"`
	State      string           `json:"state"`
	Verdict    string           `json:"verdict"`
	Reason     string           `json:"reason"`
	Result     reproduce.Result `json:"result"`
	CreatedAt  time.Time        `json:"created_at"`
	FinishedAt *time.Time       `json:"finished_at"`
}

// apiTask is a task for programs, parents before their children.
type apiTask struct {
	ID       int64  `json:"id"`
	ParentID *int64 `json:"parent_id"`
	Method   string `json:"method"`
	Arch     string `json:"arch"`
	State    string `json:"state"`
	Attempt  int32  `json:"attempt"`
	Phase    string `json:"phase"`
	Reason   string `json:"reason"`
	Failure  string `json:"failure"`
	// Waits is the repository it waits for, in words; empty for none.
	Waits string `json:"waits"`
	// Finding is why it failed; null when that is not known. Its texts may be a
	// hostile build's.
	Finding json.RawMessage `json:"finding"`
	// Policy is blocking, lagging or best-effort.
	Policy string `json:"policy"`
	// Host has the task, or had it last; empty before a host was given it.
	Host       string     `json:"host"`
	CreatedAt  time.Time  `json:"created_at"`
	StartedAt  *time.Time `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
	Logs       []string   `json:"logs"`
	// Attempts are the earlier ones.
	Attempts []apiAttempt `json:"attempts"`
}

// apiAttempt is how an earlier attempt of a task ended.
type apiAttempt struct {
	Attempt int32 `json:"attempt"`
	// Host is empty for one that is not known any more.
	Host      string    `json:"host"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at"`
	Outcome   string    `json:"outcome"`
}

// apiRPM is a package of a build.
type apiRPM struct {
	Name    string `json:"name"`
	Epoch   int32  `json:"epoch"`
	Version string `json:"version"`
	Release string `json:"release"`
	Arch    string `json:"arch"`
	Source  bool   `json:"source"`
	Size    int64  `json:"size"`
	SHA256  string `json:"sha256"`
	URL     string `json:"url"`
}

// apiStatus is a commit status and how far it has come: sent, unsent, delayed
// or unsendable.
type apiStatus struct {
	Context     string `json:"context"`
	State       string `json:"state"`
	Description string `json:"description"`
	Delivery    string `json:"delivery"`
}

// apiBuild answers with one build and all that belongs to it.
func (s *server) apiBuild(r *http.Request) (any, error) {
	id, err := pathID(r, "id")
	if err != nil {
		return nil, err
	}
	data, err := s.readBuild(r.Context(), id)
	if err != nil {
		return nil, err
	}
	b := data.GetBuildRow
	line := buildLine{BuildSummariesRow: db.BuildSummariesRow{
		ID: b.ID, Nvr: b.Nvr, PlannedNvr: b.PlannedNvr, State: b.State, Reason: b.Reason, Phase: b.Phase, Target: b.Target, Scratch: b.Scratch,
		Ref: b.Ref, CommitID: b.CommitID, PullNumber: b.PullNumber, CreatedAt: b.CreatedAt, FinishedAt: b.FinishedAt, PublishedAt: b.PublishedAt,
		Package: b.Package, Forge: b.Forge, FullName: b.FullName, DestTagName: b.DestTagName,
	}}
	answer := apiBuildDetail{
		RetryOf: b.RetryOf, RetriedAs: data.Retries, Tasks: []apiTask{}, Saw: apiSeenOf(data.Saw), RPMs: []apiRPM{}, Statuses: []apiStatus{}, Tags: []string{},
		SkippedArches: []queue.SkippedArch{}, Warnings: data.Warnings,
	}
	for _, skipped := range data.Skipped {
		answer.SkippedArches = append(answer.SkippedArches, queue.SkippedArch(skipped))
	}
	for _, task := range data.Tasks {
		line.Parts = append(line.Parts, buildPart{Task: task.ID, Method: task.Method, Name: task.Arch, State: task.State})
		answer.Tasks = append(answer.Tasks, s.apiTask(task))
	}
	answer.apiBuildSummary = s.summary(line)
	answer.RebuildOf = b.RebuildOf
	if data.Chain != 0 {
		answer.Chain = &data.Chain
	}
	for _, r := range data.Rebuilds {
		answer.Rebuilds = append(answer.Rebuilds, apiRebuild{
			ID: r.ID, Build: r.BuildID, Arches: r.Arches, State: r.State, Verdict: r.Verdict, Reason: r.Reason, Result: r.Result,
			CreatedAt: r.CreatedAt, FinishedAt: r.FinishedAt,
		})
	}
	for _, rpm := range data.RPMs {
		answer.RPMs = append(answer.RPMs, apiRPM{
			Name: rpm.Name, Epoch: rpm.Epoch, Version: rpm.Version, Release: rpm.Release, Arch: rpm.Arch, Source: rpm.Source,
			Size: rpm.Size, SHA256: rpm.Sha256, URL: s.ExternalURL + fileURL(rpm.Path),
		})
	}
	for _, status := range data.Statuses {
		answer.Statuses = append(answer.Statuses, apiStatus{
			Context: status.Context, State: status.State, Description: status.Description, Delivery: status.Delivery,
		})
	}
	for _, tag := range data.Tags {
		answer.Tags = append(answer.Tags, tag.Name)
	}
	return answer, nil
}

func (s *server) apiTask(task taskLine) apiTask {
	logs := []string{}
	for _, log := range task.Logs {
		logs = append(logs, s.ExternalURL+log.RawURL())
	}
	attempts := []apiAttempt{}
	for _, a := range task.Attempts {
		attempts = append(attempts, apiAttempt{Attempt: a.Attempt, Host: a.Host, StartedAt: utc(a.StartedAt), EndedAt: utc(a.EndedAt), Outcome: a.Outcome})
	}
	return apiTask{
		ID: task.ID, ParentID: task.ParentID, Method: task.Method, Arch: task.Arch, State: task.State, Attempt: task.Attempt,
		Phase: task.Phase, Reason: task.Reason, Failure: task.Failure, Waits: task.Waits, Finding: task.Finding, Policy: task.Policy, Host: task.Host,
		CreatedAt: utc(task.CreatedAt), StartedAt: utcOrNull(task.StartedAt), FinishedAt: utcOrNull(task.FinishedAt), Logs: logs, Attempts: attempts,
	}
}
