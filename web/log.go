package web

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/queue"
)

// logTail is how much of a log its page shows.
const logTail = 256 << 10

// logView is what the page of a log shows.
type logView struct {
	Build   db.GetBuildRow
	NVRText string
	Task    db.Task
	What    string
	Name    string
	Attempt int32
	// Attempts are those that left logs, and the one that is shown.
	Attempts []int32
	Names    []string
	Text     string
	// Line is the line, from 1, that was asked for; 0 without one. Then Text is
	// what stands before it, Marked is the line and After what follows.
	Line   int
	Marked string
	After  string
	// Size is the log's, in bytes; Cut is true when its beginning is left out.
	Size    int64
	Cut     bool
	Missing bool
	// Follow is where the rest comes from while the task runs; empty when
	// there will be none.
	Follow string
}

// log is the page of a task's log: its end, and what is added to it.
func (s *server) log(r *http.Request) (*view, error) {
	id, err := pathID(r, "id")
	if err != nil {
		return nil, err
	}
	name := r.PathValue("name")
	if !slices.Contains(tasklog.Names(), name) {
		return nil, errNotFound
	}
	q := queryOf(r)
	wanted, line := q.number("attempt", 0, 1<<31-1), q.number("line", 1, 1<<31-1)
	if q.err != nil {
		return nil, q.err
	}
	data := logView{Name: name}
	// The task first: what it is over with will not be written to afterwards.
	if data.Task, err = s.queries.GetTask(r.Context(), id); err != nil {
		return nil, err
	}
	if data.Build, err = s.queries.GetBuild(r.Context(), data.Task.BuildID); err != nil {
		return nil, err
	}
	data.NVRText = nvrOf(data.Build.Nvr, data.Build.PlannedNvr, data.Build.Package)
	data.What = taskName(data.Task.Method, data.Task.Arch)
	data.Attempt = data.Task.Attempt
	if wanted != nil {
		data.Attempt = int32(*wanted)
	}
	if line != nil {
		data.Line = int(*line)
	}
	if err := s.fillLog(&data); err != nil {
		return nil, err
	}
	return &view{page: "log", Title: name + " of " + data.NVRText, Nav: "builds", Refresh: data.Follow != "", Data: data}, nil
}

// fillLog reads the end of the log and says what other logs there are.
func (s *server) fillLog(data *logView) error {
	attempts, err := s.Logs.Attempts(data.Task.ID)
	if err != nil {
		return err
	}
	if !slices.Contains(attempts, data.Attempt) {
		if data.Attempt != data.Task.Attempt {
			return errNotFound
		}
		attempts = append(attempts, data.Attempt)
	}
	data.Attempts = attempts
	present, err := s.logsOf(data.Task.ID, data.Attempt)
	if err != nil {
		return err
	}
	for _, name := range tasklog.Names() {
		if name == data.Name || slices.ContainsFunc(present, func(l logFile) bool { return l.Name == name }) {
			data.Names = append(data.Names, name)
		}
	}
	live := data.Attempt == data.Task.Attempt && !isOver(data.Task.State)
	offset := int64(0)
	file, err := s.Logs.Open(data.Task.ID, data.Attempt, data.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		data.Missing = true
	case err != nil:
		return err
	case data.Line > 0:
		defer file.Close()
		return data.fillAround(file)
	default:
		defer file.Close()
		end, err := readTail(file, logTail, live)
		if err != nil {
			return err
		}
		data.Text, data.Size, data.Cut, offset = tasklog.Printable(end.text), end.size, end.cut, end.offset
	}
	if live {
		data.Follow = "/tasks/" + strconv.FormatInt(data.Task.ID, 10) + "/logs/" + data.Name + "/follow?attempt=" +
			strconv.FormatInt(int64(data.Attempt), 10) + "&offset=" + strconv.FormatInt(offset, 10)
	}
	return nil
}

// tail is the end of a file.
type tail struct {
	text   string
	offset int64 // where it ends
	size   int64
	cut    bool // something comes before it
}

// readTail reads at most limit bytes of the end of a file, from the beginning
// of a line where there is one. While lines are being written (live) it ends
// after the last whole one.
func readTail(file *os.File, limit int64, live bool) (tail, error) {
	info, err := file.Stat()
	if err != nil {
		return tail{}, err
	}
	t := tail{size: info.Size()}
	start := max(t.size-limit, 0)
	bytes, err := io.ReadAll(io.NewSectionReader(file, start, t.size-start))
	if err != nil {
		return tail{}, err
	}
	t.text, t.offset, t.cut = string(bytes), start+int64(len(bytes)), start > 0
	if t.cut {
		if _, rest, found := strings.Cut(t.text, "\n"); found {
			t.text = rest
		}
	}
	if live {
		partial := len(t.text) - strings.LastIndexByte(t.text, '\n') - 1
		t.text, t.offset = t.text[:len(t.text)-partial], t.offset-int64(partial)
	}
	return t, nil
}

// isOver tells whether a task will be worked on no more.
func isOver(state string) bool {
	return state == queue.TaskClosed || state == queue.TaskFailed || state == queue.TaskCanceled
}

// rawLog answers with a whole log as plain text, made printable on the way.
func (s *server) rawLog(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	attempt, err := strconv.ParseInt(r.PathValue("attempt"), 10, 32)
	if err != nil || attempt < 0 {
		return errNotFound
	}
	file, err := s.Logs.Open(id, int32(attempt), r.PathValue("name"))
	if err != nil {
		return err
	}
	defer file.Close()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	if r.Method == http.MethodHead {
		return nil
	}
	var lines printer
	piece := make([]byte, 64<<10)
	for {
		n, err := file.Read(piece)
		text := lines.add(piece[:n])
		if err != nil {
			text += lines.rest()
		}
		if _, sendErr := io.WriteString(w, text); sendErr != nil {
			return nil // the client hung up
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			// Half a log must not look whole.
			s.Logger.ErrorContext(r.Context(), "web: read log", "task", id, "error", err, "request", requestID(r.Context()))
			panic(http.ErrAbortHandler)
		}
	}
}
