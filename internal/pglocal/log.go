package pglocal

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

const (
	logName = "postgres.log"
	// maxLog is the size at which the server's log is moved aside, at a start.
	maxLog = 8 << 20
	// maxTail is how much of a log an error carries.
	maxTail = 4 << 10
)

// openLog opens the log for appending, after moving a long one aside.
func (s *Server) openLog() (*os.File, error) {
	if info, err := s.root.Stat(logName); err == nil && info.Size() > maxLog {
		if err := s.root.Rename(logName, logName+".old"); err != nil {
			return nil, fmt.Errorf("pglocal: move old log aside: %w", err)
		}
	}
	f, err := s.root.OpenFile(logName, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("pglocal: open log: %w", err)
	}
	return f, nil
}

// logTail returns the end of the server's log for an error text.
func (s *Server) logTail() string {
	f, err := s.root.Open(logName)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > maxTail {
		if _, err := f.Seek(-maxTail, io.SeekEnd); err != nil {
			return err.Error()
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxTail))
	if err != nil {
		return err.Error()
	}
	return tail(b)
}

// tail returns the last lines of a program's output, indented.
func tail(b []byte) string {
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	if len(lines) > 12 {
		lines = lines[len(lines)-12:]
	}
	return "\t" + string(bytes.Join(lines, []byte("\n\t")))
}
