package rootfs

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/distbot/distbot/builders"
)

// watcher passes rpmbuild's output on to the log, follows the phases in it and
// remembers the lines that say what went wrong.
type watcher struct {
	out io.Writer
	// phase is told of each phase; may be nil.
	phase   func(builders.Phase)
	current builders.Phase

	line bytes.Buffer
	// first is the first error line of the current phase, last the last line
	// that rpm itself calls an error.
	first, rpm string
	written    int64
}

// maxLog bounds the log of one command; the rest of the output is dropped.
const maxLog = 256 << 20

// maxLine bounds what is read of one line.
const maxLine = 4096

// Write implements io.Writer. It never fails: a full disk must not end a build
// half way in a log.
func (w *watcher) Write(p []byte) (int, error) {
	if w.written < maxLog {
		n, err := w.out.Write(p[:min(int64(len(p)), maxLog-w.written)])
		w.written += int64(n)
		if err != nil {
			return 0, fmt.Errorf("rootfs: write build log: %w", err)
		}
		if w.written >= maxLog {
			fmt.Fprintf(w.out, "\n[the log ends here: more than %d MiB]\n", maxLog>>20)
		}
	}
	for rest := p; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		part := rest
		if end >= 0 {
			part = rest[:end]
		}
		if room := maxLine - w.line.Len(); room > 0 {
			w.line.Write(part[:min(len(part), room)])
		}
		if end < 0 {
			break
		}
		w.read(w.line.String())
		w.line.Reset()
		rest = rest[end+1:]
	}
	return len(p), nil
}

// phases are rpmbuild's announcements.
var phases = map[string]builders.Phase{
	"Executing(%prep)":    builders.PhasePrep,
	"Executing(%build)":   builders.PhaseBuild,
	"Executing(%install)": builders.PhaseInstall,
	"Executing(%check)":   builders.PhaseCheck,
	"Processing files":    builders.PhaseFiles,
}

// read looks at one line.
func (w *watcher) read(line string) {
	if name, _, ok := strings.Cut(line, ":"); ok {
		if phase, known := phases[name]; known && phase != w.current {
			w.current, w.first = phase, ""
			if w.phase != nil {
				w.phase(phase)
			}
		}
	}
	switch {
	case strings.HasPrefix(line, "error: ") && !strings.HasPrefix(line, "error: Bad exit status"):
		if w.rpm == "" {
			w.rpm = line
		}
	case w.first == "" && isErrorLine(line):
		w.first = strings.TrimSpace(line)
	}
}

// isErrorLine recognises the first line of what tools print when they fail.
func isErrorLine(line string) bool {
	for _, sign := range []string{
		": error: ", ": fatal error: ", "undefined reference to ", "Error: ", "ERROR: ", "FAILED", "Traceback (most recent call last)",
		": command not found", ": not found", "No such file or directory", "No rule to make target", "*** ", "Hunk #", "cannot find -l",
	} {
		if strings.Contains(line, sign) && !strings.HasPrefix(line, "+ ") {
			return true
		}
	}
	return false
}

// failure says why rpmbuild failed: the first error of the phase it failed in,
// or rpm's own.
func (w *watcher) failure(fallback builders.Phase, otherwise string) *builders.Failure {
	if w.line.Len() > 0 {
		w.read(w.line.String())
		w.line.Reset()
	}
	failure := &builders.Failure{Phase: fallback}
	if w.current != "" {
		failure.Phase = w.current
	}
	what := otherwise
	if w.first != "" {
		what = w.first
	}
	if w.rpm != "" && (w.first == "" || failure.Phase == builders.PhaseFiles || w.current == "") {
		what = strings.TrimPrefix(w.rpm, "error: ")
	}
	failure.Reason = what
	if w.current != "" {
		failure.Reason = "%" + string(w.current) + ": " + what
	}
	return failure
}
