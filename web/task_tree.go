package web

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/queue"
)

// maxDepth bounds the indentation of the task tree.
const maxDepth = 8

// taskLine is a task of a build's tree, after its parent.
type taskLine struct {
	db.Task
	Depth int
	// Host has the task, or had it last; empty before a host was given it.
	Host      string
	Logs      []logFile
	Attempts  []attemptLine
	Buildroot *db.BuildrootsOfBuildRow
	// Found is why it failed, nil when that is not known.
	Found *finding
	// Waits is the repository it waits for, in words; empty for none.
	Waits string
}

// Name says what a task does.
func (t taskLine) Name() string { return taskName(t.Method, t.Arch) }

// attemptLine is how an earlier attempt of a task ended.
type attemptLine struct {
	db.TaskAttempt
	// Host is empty for one that is not known any more.
	Host  string
	Logs  []logFile
	Found *finding
}

// logFile is a log that can be read.
type logFile struct {
	Task    int64
	Attempt int32
	Name    string
	Size    int64
}

// URL is the log's page.
func (l logFile) URL() string {
	return fmt.Sprintf("/tasks/%d/logs/%s?attempt=%d", l.Task, url.PathEscape(l.Name), l.Attempt)
}

// RawURL is the whole log as text.
func (l logFile) RawURL() string {
	return fmt.Sprintf("/logs/tasks/%d/%d/%s", l.Task, l.Attempt, url.PathEscape(l.Name))
}

// taskName says what a task does, in the words of its method.
func taskName(method, arch string) string {
	switch method {
	case queue.MethodBuild:
		return "build"
	case queue.MethodBuildSRPM:
		return "source package"
	case queue.MethodBuildArch:
		return "packages for " + arch
	case queue.MethodTagBuild:
		return "tag"
	case queue.MethodNewRepo:
		return "repository"
	}
	return method
}

// taskTree reads the tasks of a build, parents before their children.
func (s *server) taskTree(ctx context.Context, b db.GetBuildRow) ([]taskLine, error) {
	build := b.ID
	tasks, err := s.queries.TasksOfBuild(ctx, build)
	if err != nil {
		return nil, err
	}
	attempts, err := s.queries.AttemptsOfBuild(ctx, build)
	if err != nil {
		return nil, err
	}
	roots, err := s.queries.BuildrootsOfBuild(ctx, build)
	if err != nil {
		return nil, err
	}
	hosts, err := s.hostNames(ctx, tasks, attempts)
	if err != nil {
		return nil, err
	}
	waits, err := queue.WaitsOfTasks(ctx, s.queries, tasks)
	if err != nil {
		return nil, err
	}
	lines := make([]taskLine, len(tasks))
	children := map[int64][]int{}
	for i, task := range tasks {
		lines[i] = taskLine{Task: task, Host: nameOf(hosts, task.HostID), Found: findingOf(task.Finding, task.ID, task.Attempt), Waits: waits[task.ID]}
		if lines[i].Logs, err = s.logsOf(task.ID, task.Attempt); err != nil {
			return nil, err
		}
		for _, attempt := range attempts {
			if attempt.TaskID != task.ID {
				continue
			}
			line := attemptLine{TaskAttempt: attempt, Host: nameOf(hosts, attempt.HostID), Found: findingOf(attempt.Finding, task.ID, attempt.Attempt)}
			// The attempt a task waits to do again is still its own.
			if attempt.Attempt != task.Attempt {
				if line.Logs, err = s.logsOf(task.ID, attempt.Attempt); err != nil {
					return nil, err
				}
			}
			lines[i].Attempts = append(lines[i].Attempts, line)
		}
		for j := range roots {
			if roots[j].TaskID == task.ID {
				lines[i].Buildroot = &roots[j]
			}
		}
		parent := int64(0)
		if task.ParentID != nil {
			parent = *task.ParentID
		}
		children[parent] = append(children[parent], i)
	}
	return flatten(nil, lines, children, 0, 0), nil
}

// hostNames reads the names of the hosts of tasks and attempts by their ids.
func (s *server) hostNames(ctx context.Context, tasks []db.Task, attempts []db.TaskAttempt) (map[int64]string, error) {
	var ids []int64
	note := func(id *int64) {
		if id != nil {
			ids = append(ids, *id)
		}
	}
	for _, task := range tasks {
		note(task.HostID)
	}
	for _, attempt := range attempts {
		note(attempt.HostID)
	}
	rows, err := s.queries.HostNames(ctx, ids)
	names := map[int64]string{}
	for _, row := range rows {
		names[row.ID] = row.Name
	}
	return names, err
}

// nameOf is the name of a host; empty for none.
func nameOf(names map[int64]string, id *int64) string {
	if id == nil {
		return ""
	}
	return names[*id]
}

// flatten appends the tasks below a parent in the order of a tree.
func flatten(tree, lines []taskLine, children map[int64][]int, parent int64, depth int) []taskLine {
	for _, i := range children[parent] {
		line := lines[i]
		line.Depth = min(depth, maxDepth)
		tree = append(tree, line)
		tree = flatten(tree, lines, children, line.ID, depth+1)
	}
	return tree
}

// logsOf lists the logs that an attempt left.
func (s *server) logsOf(task int64, attempt int32) ([]logFile, error) {
	var logs []logFile
	for _, name := range tasklog.Names() {
		file, err := s.Logs.Open(task, attempt, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		info, err := file.Stat()
		file.Close()
		if err != nil {
			return nil, err
		}
		logs = append(logs, logFile{Task: task, Attempt: attempt, Name: name, Size: info.Size()})
	}
	return logs, nil
}
