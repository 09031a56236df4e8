package web

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// hostLine is a build host and what it has.
type hostLine struct {
	db.ListHostsRow
	State string
	// Why it takes no work, in its own or an administrator's words.
	Why string
	// What it takes: of what it says itself, what it is allowed.
	Capacity float32
	Arches   []string
	Channels []string
	Tasks    []workLine
}

// Load tells the weights of the host's tasks, and what they may add up to.
func (h hostLine) Load() string { return fmt.Sprintf("%.1f of %.1f", h.Weight, h.Capacity) }

// Emulates tells whether an emulator runs an architecture.
func (h hostLine) Emulates(arch string) bool { return slices.Contains(h.Emulated, arch) }

// workLine is a task that a host has.
type workLine struct {
	db.TasksAtHostsRow
	NVRText string
	What    string
}

// newHostLine tells of a host what it takes rather than what it says itself.
func newHostLine(row db.ListHostsRow) hostLine {
	line := hostLine{ListHostsRow: row, Capacity: row.TakesCapacity, Arches: row.TakesArches, Channels: row.TakesChannels, Why: queue.WhyUnready(row)}
	if !row.Enabled && row.Comment != "" {
		line.Why = row.Comment
	}
	line.State = queue.HostState(row.Enabled, row.ClientID != nil, row.Revoked, queue.WhyUnready(row), time.Duration(row.UnseenSeconds*float64(time.Second)))
	return line
}

// hosts is the page of all build hosts.
func (s *server) hosts(r *http.Request) (*view, error) {
	rows, err := s.queries.ListHosts(r.Context())
	if err != nil {
		return nil, err
	}
	tasks, err := s.queries.TasksAtHosts(r.Context(), nil)
	if err != nil {
		return nil, err
	}
	work := map[int64][]workLine{}
	for _, task := range tasks {
		work[task.HostID] = append(work[task.HostID], workLine{
			TasksAtHostsRow: task, NVRText: nvrOf(task.Nvr, task.PlannedNvr, "build"), What: taskName(task.Method, task.Arch),
		})
	}
	lines := make([]hostLine, len(rows))
	for i, row := range rows {
		lines[i] = newHostLine(row)
		lines[i].Tasks = work[row.ID]
	}
	return &view{page: "hosts", Title: "Hosts", Nav: "hosts", Data: lines}, nil
}
