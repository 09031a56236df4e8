package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/queue"
)

func taskCommands() []command {
	return []command{
		{
			name: "task list", args: "[--state STATE] [--limit N]", help: "list tasks, newest first", run: withHub(readTaskList, taskList),
			flags: func(flags *flag.FlagSet) {
				jsonFlag(flags)
				flags.String("state", "", "only in this `state`: "+strings.Join(taskStates(), ", "))
				flags.Int("limit", 30, "at most `N`")
			},
		},
		{name: "task show", args: "ID", help: "show a task and its earlier attempts", flags: jsonFlag, run: withHub(readID("task"), taskShow)},
	}
}

func taskStates() []string {
	return []string{queue.TaskFree, queue.TaskOpen, queue.TaskClosed, queue.TaskCanceled, queue.TaskAssigned, queue.TaskFailed}
}

// taskView is a task for people and programs.
type taskView struct {
	ID      int64  `json:"id"`
	Build   int64  `json:"build"`
	Method  string `json:"method"`
	Arch    string `json:"arch"`
	State   string `json:"state"`
	Attempt int32  `json:"attempt"`
	Phase   string `json:"phase"`
	Reason  string `json:"reason"`
	Failure string `json:"failure"`
	// Finding is why it failed, as its logs say.
	Finding *diagnosis.Finding `json:"finding,omitempty"`
	Policy  string             `json:"policy"`
	// Host has the task, or had it last, and Client was its process; empty before
	// a host was given it.
	Host   string `json:"host"`
	Client string `json:"client"`
	// Waits is the repository it waits for, in words; empty for none.
	Waits string `json:"waits,omitempty"`
	// CopyOf is the task of another build that made the results.
	CopyOf   *int64        `json:"copy_of,omitempty"`
	Created  time.Time     `json:"created_at"`
	Started  *time.Time    `json:"started_at"`
	Finished *time.Time    `json:"finished_at"`
	Attempts []attemptView `json:"attempts,omitempty"`
}

// attemptView is how an earlier attempt ended.
type attemptView struct {
	Attempt int32     `json:"attempt"`
	Host    string    `json:"host"`
	Client  string    `json:"client"`
	Started time.Time `json:"started_at"`
	Ended   time.Time `json:"ended_at"`
	Outcome string    `json:"outcome"`
	// Finding is why it failed, as its logs say.
	Finding *diagnosis.Finding `json:"finding,omitempty"`
}

func viewTask(t db.Task, hosts hostNames) taskView {
	return taskView{
		ID: t.ID, Build: t.BuildID, Method: t.Method, Arch: t.Arch, State: t.State, Attempt: t.Attempt, Phase: t.Phase,
		Reason: t.Reason, Failure: t.Failure, Finding: findingOf(t.Finding), Policy: t.Policy, Host: hosts.of(t.HostID), Client: text(t.ClientID),
		CopyOf: t.CopyOf, Created: t.CreatedAt, Started: t.StartedAt, Finished: t.FinishedAt,
	}
}

// viewTasks is viewTask for several.
func viewTasks(ctx context.Context, q *db.Queries, tasks []db.Task) ([]taskView, error) {
	var ids []*int64
	for _, task := range tasks {
		ids = append(ids, task.HostID)
	}
	hosts, err := readHostNames(ctx, q, ids)
	if err != nil {
		return nil, err
	}
	waits, err := queue.WaitsOfTasks(ctx, q, tasks)
	if err != nil {
		return nil, err
	}
	var views []taskView
	for _, task := range tasks {
		view := viewTask(task, hosts)
		view.Waits = waits[task.ID]
		views = append(views, view)
	}
	return views, nil
}

// hostNames are names of hosts by their ids.
type hostNames map[int64]string

// readHostNames reads the names of hosts; ids may be nil and repeat.
func readHostNames(ctx context.Context, q *db.Queries, ids []*int64) (hostNames, error) {
	var known []int64
	for _, id := range ids {
		if id != nil {
			known = append(known, *id)
		}
	}
	if len(known) == 0 {
		return nil, nil
	}
	rows, err := q.HostNames(ctx, known)
	if err != nil {
		return nil, err
	}
	names := hostNames{}
	for _, row := range rows {
		names[row.ID] = row.Name
	}
	return names, nil
}

// of is a host's name; empty for none.
func (n hostNames) of(id *int64) string {
	if id == nil {
		return ""
	}
	return n[*id]
}

func readTaskList(flags *flag.FlagSet) (db.ListTasksParams, error) {
	n, err := limit(flags)
	if err != nil {
		return db.ListTasksParams{}, err
	}
	state, err := stateOf(flags, taskStates())
	return db.ListTasksParams{State: state, MaxRows: n}, err
}

func taskList(ctx context.Context, h *hub, asked db.ListTasksParams) error {
	rows, err := db.New(h.pool).ListTasks(ctx, asked)
	if err != nil {
		return err
	}
	var ids []*int64
	for _, task := range rows {
		ids = append(ids, task.HostID)
	}
	hosts, err := readHostNames(ctx, db.New(h.pool), ids)
	if err != nil {
		return err
	}
	views := []taskView{}
	var table [][]string
	for _, task := range rows {
		view := taskView{
			ID: task.ID, Build: task.BuildID, Method: task.Method, Arch: task.Arch, State: task.State, Attempt: task.Attempt,
			Phase: task.Phase, Reason: task.Reason, Failure: task.Failure, Policy: task.Policy, Host: hosts.of(task.HostID), Client: text(task.ClientID),
			Created: task.CreatedAt, Started: task.StartedAt, Finished: task.FinishedAt,
		}
		views = append(views, view)
		table = append(table, []string{
			strconv.FormatInt(task.ID, 10), strconv.FormatInt(task.BuildID, 10), task.Method, dash(task.Arch), task.State, dash(view.Host),
			strconv.FormatInt(int64(task.Attempt), 10), dash(task.Phase), when(task.CreatedAt), cut(task.Reason, 60),
		})
	}
	if h.json {
		return writeJSON(h.stdout, views)
	}
	return writeTable(h.stdout, []string{"ID", "BUILD", "METHOD", "ARCH", "STATE", "HOST", "ATTEMPT", "PHASE", "CREATED", "REASON"}, table)
}

func taskShow(ctx context.Context, h *hub, id int64) error {
	q := db.New(h.pool)
	task, err := q.GetTask(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("there is no task %d", id)
	}
	if err != nil {
		return err
	}
	attempts, err := q.AttemptsOfTask(ctx, id)
	if err != nil {
		return err
	}
	ids := []*int64{task.HostID}
	for _, a := range attempts {
		ids = append(ids, a.HostID)
	}
	hosts, err := readHostNames(ctx, q, ids)
	if err != nil {
		return err
	}
	view := viewTask(task, hosts)
	waits, err := queue.WaitsOfTasks(ctx, q, []db.Task{task})
	if err != nil {
		return err
	}
	view.Waits = waits[id]
	for _, a := range attempts {
		view.Attempts = append(view.Attempts, attemptView{
			Attempt: a.Attempt, Host: hosts.of(a.HostID), Client: a.ClientID, Started: a.StartedAt, Ended: a.EndedAt, Outcome: a.Outcome, Finding: findingOf(a.Finding),
		})
	}
	if h.json {
		return writeJSON(h.stdout, view)
	}
	printTask(h.stdout, view)
	return nil
}

// printTask prints a task, how it stands, and its earlier attempts.
func printTask(w io.Writer, view taskView) {
	fmt.Fprintf(w, "task %d of build %d: %s\n", view.ID, view.Build, strings.TrimSpace(view.Method+" "+tasklog.Printable(view.Arch)))
	fmt.Fprintf(w, "state %s%s%s%s\n", view.State, view.attempt(), suffix(", phase ", view.Phase), suffix(": ", view.Reason))
	fmt.Fprintf(w, "started %s, finished %s\n", whenOrDash(view.Started), whenOrDash(view.Finished))
	if view.Waits != "" {
		fmt.Fprintf(w, "waits: %s\n", tasklog.Printable(view.Waits))
	}
	if view.CopyOf != nil {
		fmt.Fprintf(w, "the results are those of task %d\n", *view.CopyOf)
	}
	printFinding(w, "  ", view.Finding)
	for _, a := range view.Attempts {
		host := a.Host
		if host == "" {
			host = a.Client
		}
		fmt.Fprintf(w, "attempt %d%s, %s to %s: %s\n", a.Attempt, suffix(" on ", host), when(a.Started), when(a.Ended), suffix("", a.Outcome))
		printFinding(w, "  ", a.Finding)
	}
}

// attempt tells which attempt it is and whose; nothing where no host was given
// the task.
func (v taskView) attempt() string {
	if v.Attempt == 0 {
		return ""
	}
	return fmt.Sprintf(", attempt %d%s", v.Attempt, suffix(" on ", v.Host))
}
