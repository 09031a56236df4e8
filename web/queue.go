package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// queueBin is a queue of channel and architecture that tasks wait in.
type queueBin struct {
	db.WaitingByBinRow
	// Hosts serve the queue, Room is what is left of their capacity.
	Hosts int
	Room  float32
}

// waitingLine is a task that waits, and why.
type waitingLine struct {
	db.WaitingTasksRow
	NVRText string
	What    string
	Why     string
}

// queueFilter says which waiting tasks are asked for.
type queueFilter struct {
	Channel, Bin *string
	// AfterPriority and AfterID are the last task of the page before.
	AfterPriority int32
	AfterID       int64
	Limit         int64
}

// beforeAll is less than every priority.
const beforeAll = -1 << 31

func queueFilterOf(q *query) queueFilter {
	filter := queueFilter{Channel: q.text("channel"), Bin: q.text("arch"), AfterPriority: beforeAll, Limit: pageRows}
	if after := q.text("after"); after != nil {
		priority, id, ok := strings.Cut(*after, ".")
		p, err := strconv.ParseInt(priority, 10, 32)
		n, idErr := strconv.ParseInt(id, 10, 64)
		if !ok || err != nil || idErr != nil {
			q.err = badRequest("“after” must be a priority and the number of a task, such as 19.4711.")
		}
		filter.AfterPriority, filter.AfterID = int32(p), n
	}
	return filter
}

// nextAfter is what after must be for the tasks behind a task.
func nextAfter(task waitingLine) string {
	return fmt.Sprintf("%d.%d", task.Priority, task.ID)
}

// waitingTasks reads the tasks that wait, in the order in which they will get a
// host, and whether there are more.
func (s *server) waitingTasks(ctx context.Context, filter queueFilter, hosts []db.ListHostsRow) (lines []waitingLine, more bool, err error) {
	rows, err := s.queries.WaitingTasks(ctx, db.WaitingTasksParams{
		Channel: filter.Channel, Bin: filter.Bin, AfterPriority: filter.AfterPriority, AfterID: filter.AfterID, MaxRows: int32(filter.Limit) + 1,
	})
	if err != nil {
		return nil, false, err
	}
	if more = len(rows) > int(filter.Limit); more {
		rows = rows[:filter.Limit]
	}
	for _, row := range rows {
		lines = append(lines, waitingLine{
			WaitingTasksRow: row, NVRText: nvrOf(row.Nvr, row.PlannedNvr, "build"), What: taskName(row.Method, row.Arch), Why: whyWaiting(row, hosts),
		})
	}
	return lines, more, nil
}

// whyWaiting says what a task waits for.
func whyWaiting(task db.WaitingTasksRow, hosts []db.ListHostsRow) string {
	switch {
	case task.WaitsForRepo && task.TroubleSince != nil:
		return queue.RepoTrouble(task.BuildTagName, task.TroubleReason, *task.TroubleSince)
	case task.WaitsForRepo:
		return queue.RepoWait(task.BuildTagName, task.Held)
	case task.WaitsForTime:
		return "tries again at " + task.NotBefore.UTC().Format(time.TimeOnly) + " UTC: " + task.Reason
	}
	serving, away, full := 0, []string{}, 0
	for _, host := range hosts {
		if !serves(host, task.Channel, task.RootArches) {
			continue
		}
		serving++
		switch {
		case !takesWork(host):
			away = append(away, host.Name+" "+hostTrouble(host))
		case host.Weight >= host.TakesCapacity:
			full++
		}
	}
	switch {
	case serving == 0:
		return fmt.Sprintf("no host builds for %s in channel %s", orAny(task.RootArches), task.Channel)
	case len(away) == serving:
		return "no host takes work: " + strings.Join(away, ", ")
	case full+len(away) == serving:
		return "every host has as much to do as it may"
	}
	return "its turn has not come"
}

func orAny(arches []string) string {
	if len(arches) == 0 {
		return "any architecture"
	}
	return strings.Join(arches, " or ")
}

// serves reports whether a host is of a channel and of one of the architectures.
func serves(host db.ListHostsRow, channel string, arches []string) bool {
	if !slices.Contains(host.TakesChannels, channel) {
		return false
	}
	return len(arches) == 0 || slices.ContainsFunc(arches, func(a string) bool { return slices.Contains(host.TakesArches, a) })
}

// takesWork reports whether a host is given tasks now.
func takesWork(host db.ListHostsRow) bool { return hostTrouble(host) == "" }

// hostTrouble says why a host is given nothing, in words that follow its name;
// empty for one that is.
func hostTrouble(host db.ListHostsRow) string {
	switch {
	case !host.Enabled:
		return "is disabled"
	case host.ClientID == nil:
		return "is not connected"
	case host.UnseenSeconds > queue.HostAlive.Seconds():
		return "is silent"
	}
	if why := queue.WhyUnready(host); why != "" {
		return "takes no work (" + why + ")"
	}
	return ""
}

// bins reads the queues that tasks wait in, with the hosts that serve them.
func (s *server) bins(ctx context.Context, hosts []db.ListHostsRow) ([]queueBin, error) {
	rows, err := s.queries.WaitingByBin(ctx)
	if err != nil {
		return nil, err
	}
	bins := make([]queueBin, len(rows))
	for i, row := range rows {
		bins[i] = queueBin{WaitingByBinRow: row}
		arches := []string{row.Bin}
		if row.Bin == arch.Noarch {
			arches = nil
		}
		for _, host := range hosts {
			if serves(host, row.Channel, arches) && takesWork(host) {
				bins[i].Hosts++
				bins[i].Room += max(0, host.TakesCapacity-host.Weight)
			}
		}
	}
	return bins, nil
}

// queueView is what the page of waiting tasks shows.
type queueView struct {
	Bins     []queueBin
	Tasks    []waitingLine
	Total    int64
	Channel  string
	Bin      string
	Filtered bool
	Older    string
	Newest   string
}

// queuePage is the page of all tasks that wait for a host.
func (s *server) queuePage(r *http.Request) (*view, error) {
	q := queryOf(r)
	filter := queueFilterOf(q)
	if q.err != nil {
		return nil, q.err
	}
	hosts, err := s.queries.ListHosts(r.Context())
	if err != nil {
		return nil, err
	}
	data := queueView{
		Channel: orEmpty(filter.Channel), Bin: orEmpty(filter.Bin), Filtered: filter.Channel != nil || filter.Bin != nil,
	}
	if data.Bins, err = s.bins(r.Context(), hosts); err != nil {
		return nil, err
	}
	for _, bin := range data.Bins {
		data.Total += bin.Waiting
	}
	var more bool
	if data.Tasks, more, err = s.waitingTasks(r.Context(), filter, hosts); err != nil {
		return nil, err
	}
	if more {
		data.Older = older("/queue", q.values, "after", nextAfter(data.Tasks[len(data.Tasks)-1]))
	}
	if filter.AfterID != 0 {
		data.Newest = newest("/queue", q.values, "after")
	}
	return &view{page: "queue", Title: "Queue", Nav: "queue", Data: data}, nil
}
