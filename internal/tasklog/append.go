package tasklog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// hostNames are the logs that the host of an attempt writes. The others are the
// hub's.
var hostNames = []string{"root.log", "build.log"}

// HostNames lists the logs that a host writes.
func HostNames() []string { return slices.Clone(hostNames) }

// ErrFull says that no more is added to a log.
var ErrFull = errors.New("tasklog: the log is full")

// fullNote ends a log that was cut off.
const fullNote = "\n(the rest of this log was not kept)\n"

// Append writes text, which begins at an offset of a host's log, as far as it is
// beyond the log's end, and returns how long the log is then. Text that begins
// beyond the end is not written: whoever sent it must begin at the end. Of a log
// that reaches most bytes the rest is left out, and ErrFull is returned. Several
// processes may append at once.
func (d Dirs) Append(task int64, attempt int32, name string, offset int64, text []byte, most int64) (size int64, err error) {
	if !slices.Contains(hostNames, name) || offset < 0 {
		return 0, fmt.Errorf("tasklog: append to %q at %d: %w", name, offset, fs.ErrInvalid)
	}
	dir, err := d.Make(task, attempt)
	if err != nil {
		return 0, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, fmt.Errorf("tasklog: open logs of task %d: %w", task, err)
	}
	defer root.Close()
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return 0, fmt.Errorf("tasklog: open %s of task %d: %w", name, task, err)
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return 0, fmt.Errorf("tasklog: lock %s of task %d: %w", name, task, err)
	}
	size, err = appendTo(file, offset, text, most)
	if err != nil && !errors.Is(err, ErrFull) {
		return size, fmt.Errorf("tasklog: append to %s of task %d: %w", name, task, err)
	}
	return size, err
}

// appendTo is Append on a file that is locked.
func appendTo(file *os.File, offset int64, text []byte, most int64) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	size := info.Size()
	if !info.Mode().IsRegular() {
		return 0, fs.ErrInvalid
	}
	if size >= most {
		return size, ErrFull
	}
	if offset > size || offset+int64(len(text)) <= size {
		return size, nil
	}
	text = text[size-offset:]
	full := size+int64(len(text)) > most-int64(len(fullNote))
	if full {
		room := max(0, most-int64(len(fullNote))-size)
		// The note reaches the mark, so that the log stays full.
		text = append(slices.Clone(text[:room]), fullNote...)
	}
	n, err := file.WriteAt(text, size)
	if err != nil {
		return size + int64(n), err
	}
	if full {
		return size + int64(n), ErrFull
	}
	return size + int64(n), nil
}
