package web

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/distbot/distbot/internal/tasklog"
)

// linesBefore is how many lines are shown before the one that was asked for.
const linesBefore = 100

// fillAround reads the part of a log around the line that was asked for. The
// page of a line does not grow: what is on it stays where it is.
func (d *logView) fillAround(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("web: read log: %w", err)
	}
	d.Size = info.Size()
	start, err := offsetOf(file, d.Line-linesBefore)
	if err != nil {
		return err
	}
	bytes := make([]byte, logTail)
	n, err := file.ReadAt(bytes, start)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("web: read log: %w", err)
	}
	d.Cut = start > 0
	before := min(d.Line-1, linesBefore)
	var text, marked, after strings.Builder
	for line := range strings.Lines(string(bytes[:n])) {
		switch part := tasklog.Printable(line); {
		case before > 0:
			text.WriteString(part)
		case before == 0:
			marked.WriteString(part)
		default:
			after.WriteString(part)
		}
		before--
	}
	d.Text, d.Marked, d.After = text.String(), marked.String(), after.String()
	return nil
}

// offsetOf is where a line begins in a file; lines count from 1 and end with
// \n. It is the file's beginning for lines before the first, and its end for
// lines after the last.
func offsetOf(file *os.File, line int) (int64, error) {
	offset := int64(0)
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return 0, fmt.Errorf("web: read log: %w", err)
	}
	lines := bufio.NewReaderSize(file, 64<<10)
	for at := 1; at < line; {
		piece, err := lines.ReadSlice('\n')
		offset += int64(len(piece))
		switch {
		case err == nil:
			at++
		case errors.Is(err, io.EOF):
			return offset, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return 0, fmt.Errorf("web: read log: %w", err)
		}
	}
	return offset, nil
}
