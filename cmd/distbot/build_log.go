package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/queue"
)

// logChoice is whose log is asked for, and which.
type logChoice struct {
	build string // id or NVR
	task  string // id, "0" for the one a person wants to see
	names []string
}

func readLogChoice(flags *flag.FlagSet) (logChoice, error) {
	build, err := readBuild(flags)
	asked := logChoice{build: build, task: flags.Lookup("task").Value.String(), names: tasklog.Names()}
	if name := optional(flags, "name"); name != nil {
		asked.names = []string{*name}
	}
	return asked, err
}

func buildLog(ctx context.Context, h *hub, asked logChoice) error {
	q := db.New(h.pool)
	b, err := findBuild(ctx, q, asked.build)
	if err != nil {
		return err
	}
	tasks, err := q.TasksOfBuild(ctx, b.ID)
	if err != nil {
		return err
	}
	task, ok := logTask(tasks, asked.task)
	if !ok {
		if asked.task != "0" {
			return fmt.Errorf("build %d has no task %s: distbot build show %d lists its tasks", b.ID, asked.task, b.ID)
		}
		return fmt.Errorf("build %d has no task that writes logs yet", b.ID)
	}
	if h.json {
		return h.listLogs(task, asked.names)
	}
	return printLogs(h.stdout, tasklog.In(h.config.StateDir), task, asked.names)
}

// logTask is the task whose log a person wants to see: the named one, the one
// that failed, or the last that has logs.
func logTask(tasks []db.Task, named string) (found db.Task, ok bool) {
	for _, task := range tasks {
		if named != "0" {
			if strconv.FormatInt(task.ID, 10) == named {
				return task, true
			}
			continue
		}
		if task.Method != queue.MethodBuildSRPM && task.Method != queue.MethodBuildArch {
			continue
		}
		if task.State == queue.TaskFailed {
			return task, true
		}
		found, ok = task, true
	}
	return found, ok
}

// logView is a log for programs, which read it by its URL.
type logView struct {
	Task    int64  `json:"task"`
	Attempt int32  `json:"attempt"`
	Name    string `json:"name"`
	// Size so far, in bytes.
	Size int64  `json:"size"`
	URL  string `json:"url"`
}

// listLogs tells which logs there are of a task's newest attempt.
func (h *hub) listLogs(task db.Task, names []string) error {
	views := []logView{}
	for _, name := range names {
		file, err := tasklog.In(h.config.StateDir).Open(task.ID, task.Attempt, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		info, err := file.Stat()
		file.Close()
		if err != nil {
			return err
		}
		url := fmt.Sprintf("%s/logs/tasks/%d/%d/%s", strings.TrimRight(h.config.ExternalURL, "/"), task.ID, task.Attempt, name)
		views = append(views, logView{Task: task.ID, Attempt: task.Attempt, Name: name, Size: info.Size(), URL: url})
	}
	if len(views) == 0 {
		return noLog(task)
	}
	return writeJSON(h.stdout, views)
}

func noLog(task db.Task) error {
	return fmt.Errorf("task %d of build %d has no such log: it may have %s", task.ID, task.BuildID, strings.Join(tasklog.Names(), ", "))
}

// printLogs prints a task's logs of its newest attempt, made safe for a
// terminal.
func printLogs(w io.Writer, logs tasklog.Dirs, task db.Task, names []string) error {
	printed := false
	for _, name := range names {
		file, err := logs.Open(task.ID, task.Attempt, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "==> task %d, attempt %d, %s\n", task.ID, task.Attempt, name)
		_, err = io.Copy(w, tasklog.Reader(file))
		file.Close()
		if err != nil {
			return err
		}
		printed = true
	}
	if !printed {
		return noLog(task)
	}
	return nil
}
