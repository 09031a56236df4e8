package web

import (
	"net/http"
	"time"
)

// apiWaitingTask is a task that waits for a host, for programs.
type apiWaitingTask struct {
	ID       int64   `json:"id"`
	Build    int64   `json:"build"`
	NVR      string  `json:"nvr"`
	Scratch  bool    `json:"scratch"`
	Method   string  `json:"method"`
	Arch     string  `json:"arch"`
	Channel  string  `json:"channel"`
	Queue    string  `json:"queue"`
	Priority int32   `json:"priority"`
	Weight   float32 `json:"weight"`
	Attempt  int32   `json:"attempt"`
	// Why says what the task waits for, for people.
	Why       string    `json:"why"`
	CreatedAt time.Time `json:"created_at"`
}

// apiQueueBin is a queue of channel and architecture.
type apiQueueBin struct {
	Channel string `json:"channel"`
	Queue   string `json:"queue"`
	Waiting int64  `json:"waiting"`
	// Ready could begin if a host had room.
	Ready  int64     `json:"ready"`
	Oldest time.Time `json:"oldest"`
	Hosts  int       `json:"hosts"`
	Room   float32   `json:"room"`
}

// apiQueue is the answer of /api/v1/queue.
type apiQueue struct {
	Queues []apiQueueBin    `json:"queues"`
	Tasks  []apiWaitingTask `json:"tasks"`
	// NextAfter is what after must be for the tasks behind these; empty at the
	// end.
	NextAfter string `json:"next_after"`
}

// apiQueue answers with the tasks that wait for a host, in the order in which
// they will get one.
func (s *server) apiQueue(r *http.Request) (any, error) {
	q := queryOf(r)
	filter := queueFilterOf(q)
	filter.Limit = q.limit()
	if q.err != nil {
		return nil, q.err
	}
	hosts, err := s.queries.ListHosts(r.Context())
	if err != nil {
		return nil, err
	}
	bins, err := s.bins(r.Context(), hosts)
	if err != nil {
		return nil, err
	}
	tasks, more, err := s.waitingTasks(r.Context(), filter, hosts)
	if err != nil {
		return nil, err
	}
	answer := apiQueue{Queues: []apiQueueBin{}, Tasks: []apiWaitingTask{}}
	for _, bin := range bins {
		answer.Queues = append(answer.Queues, apiQueueBin{
			Channel: bin.Channel, Queue: bin.Bin, Waiting: bin.Waiting, Ready: bin.Ready, Oldest: bin.Oldest, Hosts: bin.Hosts, Room: bin.Room,
		})
	}
	for _, task := range tasks {
		answer.Tasks = append(answer.Tasks, apiWaitingTask{
			ID: task.ID, Build: task.BuildID, NVR: task.NVRText, Scratch: task.Scratch, Method: task.Method, Arch: task.Arch, Channel: task.Channel, Queue: task.Bin,
			Priority: task.Priority, Weight: task.Weight, Attempt: task.Attempt, Why: task.Why, CreatedAt: task.CreatedAt,
		})
	}
	if more {
		answer.NextAfter = nextAfter(tasks[len(tasks)-1])
	}
	return answer, nil
}
