package web

import (
	"context"
	"net/url"
	"strconv"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/generations"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/queue"
)

// seenGeneration is a generation that buildroots of a build were made of.
type seenGeneration struct {
	db.GenerationsOfBuildRow
	// Tasks are those whose buildroots were.
	Tasks []seenTask
}

// seenTask is a task that saw a generation.
type seenTask struct {
	ID   int64
	Name string
}

// PageURL is the page of the generation; its tag may have had another name then.
func (g seenGeneration) PageURL() string {
	return "/repos/" + url.PathEscape(g.Tag) + "/" + strconv.FormatInt(g.Number, 10)
}

// WentBack says who went back to an older generation with it, when and why.
func (g seenGeneration) WentBack() string {
	return queue.WentBack(g.RollbackOf, g.Actor, g.Reason, g.PublishedAt)
}

// EventURL is the tag as the generation shows it.
func (g seenGeneration) EventURL() string {
	return asOf{Past: &tagview.Event{ID: g.Event}}.TagURL(g.Tag)
}

// LastEvent is the last event of the tag that the generation shows, 0 while it
// is good for every later one.
func (g seenGeneration) LastEvent() int64 {
	return generations.LastEvent(g.Event, g.UntilEvent, g.RollbackOf != 0)
}

// generationsSeen lists the generations that the buildroots of a build's tasks
// were made of, each once.
func (s *server) generationsSeen(ctx context.Context, build int64, tasks []taskLine) ([]seenGeneration, error) {
	rows, err := s.queries.GenerationsOfBuild(ctx, build)
	if err != nil {
		return nil, err
	}
	names := map[int64]string{}
	for _, task := range tasks {
		names[task.ID] = task.Name()
	}
	var seen []seenGeneration
	place := map[int64]int{}
	for _, row := range rows {
		i, there := place[row.ID]
		if !there {
			i = len(seen)
			place[row.ID], seen = i, append(seen, seenGeneration{GenerationsOfBuildRow: row})
		}
		seen[i].Tasks = append(seen[i].Tasks, seenTask{row.TaskID, names[row.TaskID]})
	}
	return seen, nil
}

// generationOfRoot is the generation that a buildroot was made of, nil where none
// is known.
func (s *server) generationOfRoot(ctx context.Context, root db.Buildroot) (*seenGeneration, error) {
	if root.GenerationID == nil {
		return nil, nil
	}
	g, err := s.queries.GenerationByID(ctx, *root.GenerationID)
	if err != nil {
		return nil, err
	}
	return &seenGeneration{GenerationsOfBuildRow: db.GenerationsOfBuildRow{ID: g.ID, Number: g.Number, Tag: root.Tag}}, nil
}

// apiSeen is a generation that buildroots were made of, for programs.
type apiSeen struct {
	Tag        string `json:"tag"`
	Generation int64  `json:"generation"`
	// Event and LastEvent say which moments of the tag it shows, see
	// apiGeneration.
	Event      *int64  `json:"event"`
	LastEvent  *int64  `json:"last_event"`
	RollbackOf *int64  `json:"rollback_of"`
	Tasks      []int64 `json:"tasks"`
}

// apiSeenOf are generations as the API tells them.
func apiSeenOf(seen []seenGeneration) []apiSeen {
	told := []apiSeen{}
	for _, g := range seen {
		one := apiSeen{Tag: g.Tag, Generation: g.Number, Event: numberOrNull(g.Event), LastEvent: numberOrNull(g.LastEvent()), RollbackOf: numberOrNull(g.RollbackOf)}
		for _, task := range g.Tasks {
			one.Tasks = append(one.Tasks, task.ID)
		}
		told = append(told, one)
	}
	return told
}
