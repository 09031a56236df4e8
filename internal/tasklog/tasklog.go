// Package tasklog knows where the logs of a task lie and how their text is
// made fit for a terminal or a page. It refuses to know what they say.
//
// Logs are written by hostile programs: any byte may be in them.
package tasklog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// names are the logs a task can have, in the order in which they are written.
var names = []string{"checkout.log", "root.log", "build.log"}

// Names lists the logs a task can have, in the order in which they are
// written.
func Names() []string { return slices.Clone(names) }

// Dirs is the tree of all logs.
type Dirs struct{ root string }

// In is the tree of logs below a state directory.
func In(stateDir string) Dirs { return Dirs{root: filepath.Join(stateDir, "logs", "tasks")} }

// Dir is where an attempt of a task writes its logs.
func (d Dirs) Dir(task int64, attempt int32) string {
	return filepath.Join(d.root, strconv.FormatInt(task, 10), strconv.FormatInt(int64(attempt), 10))
}

// Make makes the directory of an attempt's logs and returns its path.
func (d Dirs) Make(task int64, attempt int32) (string, error) {
	dir := d.Dir(task, attempt)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("tasklog: make directory of task %d: %w", task, err)
	}
	return dir, nil
}

// Open opens one log of an attempt. It returns an error that is
// fs.ErrNotExist for names a task can't have and for logs not written yet, and
// never follows a link.
func (d Dirs) Open(task int64, attempt int32, name string) (*os.File, error) {
	if !slices.Contains(names, name) {
		return nil, fmt.Errorf("tasklog: open %q: %w", name, fs.ErrNotExist)
	}
	root, err := os.OpenRoot(d.Dir(task, attempt))
	if err != nil {
		return nil, fmt.Errorf("tasklog: open log of task %d: %w", task, err)
	}
	defer root.Close()
	info, err := root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("tasklog: open log of task %d: %w", task, err)
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("tasklog: open log of task %d: %w", task, err)
	}
	return file, nil
}

// Attempts lists the attempts of a task that left logs, in order.
func (d Dirs) Attempts(task int64) ([]int32, error) {
	entries, err := os.ReadDir(filepath.Join(d.root, strconv.FormatInt(task, 10)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("tasklog: list attempts of task %d: %w", task, err)
	}
	var attempts []int32
	for _, entry := range entries {
		if n, err := strconv.ParseInt(entry.Name(), 10, 32); err == nil {
			attempts = append(attempts, int32(n))
		}
	}
	slices.Sort(attempts)
	return attempts, nil
}

// Printable makes a piece of a log safe for a terminal and for HTML that
// escapes: escape sequences and control characters go, line ends and tabs
// stay, a carriage return begins a new line as progress bars mean it to, and
// bytes that are not UTF-8 become U+FFFD. Characters that turn the direction
// of text go too: they make a line read as what it is not.
func Printable(text string) string {
	text = stripEscapes(strings.ToValidUTF8(text, "\uFFFD"))
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r':
			return '\n'
		case r < ' ' || r >= 0x7f && r < 0xa0:
			return -1
		case r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f || r == 0xfeff:
			return -1
		}
		return r
	}, strings.ReplaceAll(text, "\r\n", "\n"))
}

// stripEscapes removes the sequences of ECMA-48: CSI, OSC and the two-byte
// escapes. An unfinished sequence takes at most the rest of its line with it.
func stripEscapes(text string) string {
	var out strings.Builder
	for {
		at := strings.IndexByte(text, 0x1b)
		if at < 0 {
			out.WriteString(text)
			return out.String()
		}
		out.WriteString(text[:at])
		text = text[at+1:]
		text = text[escapeLength(text):]
	}
}

// escapeLength is how many bytes after ESC belong to its sequence.
func escapeLength(after string) int {
	if after == "" {
		return 0
	}
	switch after[0] {
	case '[': // CSI: parameters, then one final byte 0x40–0x7e
		for i := 1; i < len(after); i++ {
			if c := after[i]; c >= 0x40 && c <= 0x7e {
				return i + 1
			} else if c < 0x20 || c > 0x7e {
				return i
			}
		}
		return len(after)
	case ']', 'P', 'X', '^', '_': // strings, ended by BEL or ESC \
		for i := 1; i < len(after); i++ {
			switch after[i] {
			case 0x07:
				return i + 1
			case 0x1b:
				if i+1 < len(after) && after[i+1] == '\\' {
					return i + 2
				}
				return i
			case '\n':
				return i
			}
		}
		return len(after)
	}
	if after[0] >= 0x20 && after[0] < 0x7f {
		return 1
	}
	return 0
}
