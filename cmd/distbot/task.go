package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/db"
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
	Client  string             `json:"client"`
	// CopyOf is the task of another build that made the results.
	CopyOf   *int64        `json:"copy_of,omitempty"`
	Created  time.Time     `json:"created_at"`
	Started  *time.Time    `json:"started_at"`
	Finished *time.Time    `json:"finished_at"`
	Attempts []attemptView `json:"attempts,omitempty"`
}

type attemptView struct {
	Attempt int32     `json:"attempt"`
	Client  string    `json:"client"`
	Started time.Time `json:"started_at"`
	Ended   time.Time `json:"ended_at"`
	Outcome string    `json:"outcome"`
	// Finding is why it failed, as its logs say.
	Finding *diagnosis.Finding `json:"finding,omitempty"`
}

func viewTask(t db.Task) taskView {
	return taskView{
		ID: t.ID, Build: t.BuildID, Method: t.Method, Arch: t.Arch, State: t.State, Attempt: t.Attempt, Phase: t.Phase,
		Reason: t.Reason, Failure: t.Failure, Finding: findingOf(t.Finding), Policy: t.Policy, Client: text(t.ClientID), CopyOf: t.CopyOf, Created: t.CreatedAt, Started: t.StartedAt, Finished: t.FinishedAt,
	}
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
	views := []taskView{}
	var table [][]string
	for _, task := range rows {
		views = append(views, taskView{
			ID: task.ID, Build: task.BuildID, Method: task.Method, Arch: task.Arch, State: task.State, Attempt: task.Attempt,
			Phase: task.Phase, Reason: task.Reason, Failure: task.Failure, Client: text(task.ClientID), Created: task.CreatedAt, Started: task.StartedAt, Finished: task.FinishedAt,
		})
		table = append(table, []string{
			strconv.FormatInt(task.ID, 10), strconv.FormatInt(task.BuildID, 10), task.Method, dash(task.Arch), task.State,
			strconv.FormatInt(int64(task.Attempt), 10), dash(task.Phase), when(task.CreatedAt), cut(task.Reason, 60),
		})
	}
	if h.json {
		return writeJSON(h.stdout, views)
	}
	return writeTable(h.stdout, []string{"ID", "BUILD", "METHOD", "ARCH", "STATE", "ATTEMPT", "PHASE", "CREATED", "REASON"}, table)
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
	view := viewTask(task)
	for _, a := range attempts {
		view.Attempts = append(view.Attempts, attemptView{Attempt: a.Attempt, Client: a.ClientID, Started: a.StartedAt, Ended: a.EndedAt, Outcome: a.Outcome, Finding: findingOf(a.Finding)})
	}
	if h.json {
		return writeJSON(h.stdout, view)
	}
	fmt.Fprintf(h.stdout, "task %d of build %d: %s %s\nstate %s, attempt %d%s%s\nstarted %s, finished %s\n", view.ID, view.Build, view.Method, view.Arch,
		view.State, view.Attempt, suffix(", phase ", view.Phase), suffix(": ", view.Reason), whenOrDash(view.Started), whenOrDash(view.Finished))
	printFinding(h.stdout, "  ", view.Finding)
	for _, a := range view.Attempts {
		fmt.Fprintf(h.stdout, "attempt %d on %s, %s to %s: %s\n", a.Attempt, a.Client, when(a.Started), when(a.Ended), suffix("", a.Outcome))
		printFinding(h.stdout, "  ", a.Finding)
	}
	return nil
}
