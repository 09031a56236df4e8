package web

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/distbot/distbot/internal/generations"
)

// apiGeneration is a generation of a tag's repository for programs.
type apiGeneration struct {
	Number int64 `json:"number"`
	// State is building, published or expired: then its files are removed.
	State   string `json:"state"`
	Current bool   `json:"current"`
	// Held says that somebody holds the tag at it.
	Held     bool     `json:"held"`
	Rev      int64    `json:"rev"`
	Arches   []string `json:"arches"`
	Packages int32    `json:"packages"`
	Bytes    int64    `json:"bytes"`
	// Before is the generation that it replaced, null for the first.
	Before *int64 `json:"before"`
	// Event is the one of the tag that it shows, null where none is known.
	// LastEvent is the last one up to which that is what the tag says; null while
	// it is good for every later one, and where it brings older content back.
	Event     *int64 `json:"event"`
	LastEvent *int64 `json:"last_event"`
	// Changes is how many events of the tag it was the first to show, Actors
	// whose they are, at most six.
	Changes int64    `json:"changes"`
	Actors  []string `json:"actors"`
	// RollbackOf is the generation whose content it brings back, null for what
	// the tag said; Actor and Reason are of who wanted that.
	RollbackOf  *int64     `json:"rollback_of"`
	Actor       string     `json:"actor"`
	Reason      string     `json:"reason"`
	PublishedAt *time.Time `json:"published_at"`
	// Closure is what the check of its requirements found; null where its tag
	// asked for none.
	Closure *generations.Closure `json:"closure"`
	URL     string               `json:"url"`
}

// numberOrNull is a number, null for 0.
func numberOrNull(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

func (s *server) apiGeneration(g generationLine) apiGeneration {
	return apiGeneration{
		Number: g.Number, State: g.State, Current: g.Current, Held: g.Held, Rev: g.Rev, Arches: append([]string{}, g.Arches...),
		Packages: g.Packages, Bytes: g.Bytes, Before: numberOrNull(g.BeforeNumber), Event: numberOrNull(g.Event), LastEvent: numberOrNull(g.LastEvent()),
		Changes: g.Changes, Actors: append([]string{}, g.Actors...), RollbackOf: numberOrNull(g.RollbackOf), Actor: g.Actor, Reason: g.Reason,
		PublishedAt: utcOrNull(g.PublishedAt), Closure: g.Requirements, URL: s.ExternalURL + g.TreeURL(),
	}
}

// apiGenerations answers with the generations of a tag, the newest first.
func (s *server) apiGenerations(r *http.Request) (any, error) {
	q := queryOf(r)
	before, limit := q.number("before", 1, 1<<62), q.limit()
	if q.err != nil {
		return nil, q.err
	}
	repo, err := s.repoNamed(r.Context(), r.PathValue("tag"))
	if err != nil {
		return nil, err
	}
	lines, more, err := s.listGenerations(r.Context(), repo, before, limit)
	if err != nil {
		return nil, err
	}
	answer := struct {
		Tag         string          `json:"tag"`
		Hold        *apiHold        `json:"hold"`
		Trouble     *apiTrouble     `json:"trouble"`
		Generations []apiGeneration `json:"generations"`
		// NextBefore is what before must be for those before these; null at the
		// end.
		NextBefore *int64 `json:"next_before"`
	}{Tag: repo.Name, Hold: apiHoldOf(repo.Held), Trouble: apiTroubleOf(repo.Trouble), Generations: []apiGeneration{}}
	for _, line := range lines {
		answer.Generations = append(answer.Generations, s.apiGeneration(line))
	}
	if more {
		answer.NextBefore = &lines[len(lines)-1].Number
	}
	return answer, nil
}

// apiGenerationPackage is a package of a generation.
type apiGenerationPackage struct {
	Name    string `json:"name"`
	Epoch   int32  `json:"epoch"`
	Version string `json:"version"`
	Release string `json:"release"`
	Arch    string `json:"arch"`
	// Repos are the architectures whose repositories hold it.
	Repos  []string `json:"repos"`
	Size   int64    `json:"size"`
	SHA256 string   `json:"sha256"`
	Build  int64    `json:"build"`
	NVR    *string  `json:"nvr"`
}

// apiModule is a module stream of a generation.
type apiModule struct {
	Name    string   `json:"name"`
	Stream  string   `json:"stream"`
	Version string   `json:"version"`
	Context string   `json:"context"`
	Repos   []string `json:"repos"`
}

// apiOneGeneration answers with a generation and its packages: name is a part of
// NVRA, arch an architecture of the repository.
func (s *server) apiOneGeneration(r *http.Request) (any, error) {
	q, ctx := queryOf(r), r.Context()
	name, arch, start, limit := q.text("name"), q.text("arch"), q.start(), q.limit()
	if q.err != nil {
		return nil, q.err
	}
	number, err := pathID(r, "generation")
	if err != nil {
		return nil, err
	}
	repo, err := s.repoNamed(ctx, r.PathValue("tag"))
	if err != nil {
		return nil, err
	}
	row, err := s.generationOf(ctx, repo.ID, number)
	if err != nil {
		return nil, err
	}
	line := lineOf(repo, row)
	answer := struct {
		Tag  string   `json:"tag"`
		Hold *apiHold `json:"hold"`
		apiGeneration
		Groups []string `json:"groups"`
		// Modules are known while its files are there.
		Modules []apiModule `json:"modules"`
		// ModulesNote says what of them is not told, and why; null where they are
		// all there, and can be used.
		ModulesNote *string `json:"modules_note"`
		// Found is how many packages are like that.
		Found int64                  `json:"found"`
		RPMs  []apiGenerationPackage `json:"rpms"`
		// NextStart is what start must be for the packages behind these; null at
		// the end.
		NextStart *int64 `json:"next_start"`
	}{Tag: repo.Name, Hold: apiHoldOf(repo.Held), apiGeneration: s.apiGeneration(line), Groups: []string{}, Modules: []apiModule{}, RPMs: []apiGenerationPackage{}}
	groups, err := s.groupsOfGeneration(ctx, repo.ID, line)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		answer.Groups = append(answer.Groups, g.Name)
	}
	if line.Files() {
		modules, note := s.modulesOfGeneration(ctx, line)
		if note != "" {
			answer.ModulesNote = &note
		}
		for _, m := range modules {
			answer.Modules = append(answer.Modules, apiModule{Name: m.Name, Stream: m.Stream, Version: m.Version, Context: m.Context, Repos: m.Arches})
		}
	}
	rows, total, err := s.packagesOf(ctx, row.ID, name, arch, start, limit)
	if err != nil {
		return nil, err
	}
	answer.Found = total
	for _, p := range rows {
		answer.RPMs = append(answer.RPMs, apiGenerationPackage{
			Name: p.Name, Epoch: p.Epoch, Version: p.Version, Release: p.Release, Arch: p.Arch, Repos: p.Repos,
			Size: p.Size, SHA256: p.Sha256, Build: p.BuildID, NVR: p.Nvr,
		})
	}
	if end := start + int64(len(rows)); len(rows) > 0 && end < total {
		answer.NextStart = &end
	}
	return answer, nil
}

// apiDifference answers with what changed from one generation of a tag to
// another.
func (s *server) apiDifference(r *http.Request) (any, error) {
	q := queryOf(r)
	from, to := q.number("from", 1, 1<<62), q.number("to", 1, 1<<62)
	if q.err == nil && (from == nil || to == nil) {
		q.err = badRequest("Say which generations to compare: “from” and “to”.")
	}
	if q.err != nil {
		return nil, q.err
	}
	tag, err := pathName(r, "tag")
	if err != nil {
		return nil, err
	}
	release, err := s.wholeList(r.Context())
	if err != nil {
		return nil, err
	}
	defer release()
	d, err := generations.Diff(r.Context(), s.Pool, tag, *from, *to)
	var missing *generations.MissingError
	switch {
	case errors.As(err, &missing):
		return nil, &problem{status: http.StatusNotFound, text: "There is no generation " + strconv.FormatInt(missing.Number, 10) + " of it."}
	case errors.Is(err, generations.ErrNoTag):
		return nil, errNotFound
	case err != nil:
		return nil, err
	}
	return d, nil
}
