package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"

	"github.com/distbot/distbot/internal/tasklog"
)

// place is how far a client has read a task's log. As text it is ATTEMPT:OFFSET.
type place struct {
	attempt int32
	offset  int64 // bytes of the file
}

func (p place) String() string { return fmt.Sprintf("%d:%d", p.attempt, p.offset) }

// placeOf reads where a client wants to go on: where its connection broke, or
// where its page ends, or else at the beginning of the attempt that runs.
func placeOf(r *http.Request, running int32) (place, error) {
	p := place{attempt: running}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		if _, err := fmt.Sscanf(last, "%d:%d", &p.attempt, &p.offset); err != nil || p.attempt < 0 || p.offset < 0 {
			return place{}, badRequest("The Last-Event-ID is none of ours.")
		}
		return p, nil
	}
	q := queryOf(r)
	if attempt := q.number("attempt", 0, 1<<31-1); attempt != nil {
		p.attempt = int32(*attempt)
	}
	if offset := q.number("offset", 0, 1<<62); offset != nil {
		p.offset = *offset
	}
	return p, q.err
}

// followLog sends what is added to a task's log: "text" for whole lines,
// "attempt" when the task begins anew and its log with it, "done" when there
// will be no more.
func (s *server) followLog(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	name := r.PathValue("name")
	if !slices.Contains(tasklog.Names(), name) {
		return errNotFound
	}
	task, err := s.queries.GetTask(r.Context(), id)
	if err != nil {
		return err
	}
	from, err := placeOf(r, task.Attempt)
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		streamHeader(w.Header())
		return nil
	}
	events, end, err := s.follow(w)
	if err != nil {
		return err
	}
	defer end()
	f := &logFollower{server: s, events: events, task: id, name: name, at: from, piece: make([]byte, 32<<10)}
	defer f.close()
	if err := f.run(r.Context()); err != nil {
		// The client comes back and says how far it has read.
		s.streamBroke(r, err)
	}
	return nil
}

// logFollower follows one log for one client.
type logFollower struct {
	server *server
	events *stream
	task   int64
	name   string
	// at is where the lines end that were sent; lines holds what was read
	// beyond.
	at    place
	file  *os.File // nil until the log is there
	lines printer
	piece []byte
}

// run sends until the task is over, the client is gone, or something fails.
func (f *logFollower) run(ctx context.Context) error {
	for {
		// The task first: what it was over with by then is in the file.
		task, err := f.server.queries.GetTask(ctx, f.task)
		if err != nil {
			return err
		}
		if task.Attempt != f.at.attempt {
			if err := f.begin(ctx, task.Attempt); err != nil {
				return err
			}
		}
		over := isOver(task.State)
		if err := f.copy(ctx, over); err != nil {
			return err
		}
		if over {
			return f.events.send("done", f.at.String(), task.State)
		}
		if err := f.events.next(ctx); err != nil {
			return err
		}
	}
}

// begin goes over to the log of another attempt, after the rest of the old one.
func (f *logFollower) begin(ctx context.Context, attempt int32) error {
	if err := f.copy(ctx, true); err != nil {
		return err
	}
	f.close()
	f.at = place{attempt: attempt}
	return f.events.send("attempt", f.at.String(), attempt)
}

// copy sends what the file has by now: whole lines, or all of it when it is
// complete. A log that isn't there yet has nothing.
func (f *logFollower) copy(ctx context.Context, complete bool) error {
	if f.file == nil {
		file, err := f.server.Logs.Open(f.task, f.at.attempt, f.name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := file.Seek(f.at.offset, io.SeekStart); err != nil {
			file.Close()
			return err
		}
		f.file = file
	}
	for ctx.Err() == nil {
		n, err := f.file.Read(f.piece)
		before := f.lines.holds()
		text := f.lines.add(f.piece[:n])
		if err := f.send(text, before+n-f.lines.holds()); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if complete && ctx.Err() == nil {
		held := f.lines.holds()
		return f.send(f.lines.rest(), held)
	}
	return context.Cause(ctx)
}

// send sends the lines that text ends, which stand for so many bytes. What the
// printer holds back was not sent: whoever goes on from there reads it again.
func (f *logFollower) send(text string, bytes int) error {
	f.at.offset += int64(bytes)
	if text == "" {
		return nil
	}
	return f.events.send("text", f.at.String(), text)
}

// close ends the reading of the current file.
func (f *logFollower) close() {
	if f.file != nil {
		f.file.Close()
	}
	f.file, f.lines = nil, printer{}
}
