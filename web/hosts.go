package web

import (
	"net/http"

	"github.com/distbot/distbot/internal/db"
)

// silentSeconds is when a process counts as silent. It renews its lease every
// few seconds, and loses its work soon after this.
const silentSeconds = 20

// hostLine is a running process and what it works on.
type hostLine struct {
	db.ListLeasesRow
	State string
	Tasks []workLine
}

// workLine is a task that is being worked on.
type workLine struct {
	db.TasksAtWorkRow
	NVRText string
	What    string
}

// hosts is the page of all running processes.
func (s *server) hosts(r *http.Request) (*view, error) {
	leases, err := s.queries.ListLeases(r.Context())
	if err != nil {
		return nil, err
	}
	tasks, err := s.queries.TasksAtWork(r.Context())
	if err != nil {
		return nil, err
	}
	work := map[string][]workLine{}
	for _, task := range tasks {
		work[*task.ClientID] = append(work[*task.ClientID], workLine{
			TasksAtWorkRow: task, NVRText: nvrOf(task.Nvr, task.PlannedNvr, "build"), What: taskName(task.Method, task.Arch),
		})
	}
	lines := make([]hostLine, len(leases))
	for i, lease := range leases {
		lines[i] = hostLine{ListLeasesRow: lease, State: "alive", Tasks: work[lease.ClientID]}
		if lease.UnseenSeconds > silentSeconds {
			lines[i].State = "silent"
		}
	}
	return &view{page: "hosts", Title: "Hosts", Nav: "hosts", Data: lines}, nil
}
