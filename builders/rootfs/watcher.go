package rootfs

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/sandbox"
)

// watcher passes rpmbuild's output on to the log, follows the phases in it and
// remembers the lines that say what went wrong.
type watcher struct {
	out     io.Writer
	enter   func(builders.Phase)
	current builders.Phase
	// script is what rpm calls the current phase.
	script string
	line   bytes.Buffer
	seen   seen
}

// seen is what is remembered of a phase.
type seen struct {
	// sign is the line that says best what went wrong, and how good it is;
	// command is the last one that a script began.
	sign    string
	quality quality
	command string
	// patch is the patch that is being applied.
	patch string
	// rpm is what rpm itself, or cargo, called an error first; open is true
	// while the lines that belong to it follow.
	rpm  string
	open bool
}

// newWatcher makes a watcher that writes to out and tells enter, if not nil,
// of each phase.
func newWatcher(out io.Writer, enter func(builders.Phase)) *watcher {
	if enter == nil {
		enter = func(builders.Phase) {}
	}
	return &watcher{out: out, enter: enter}
}

// maxLine bounds what is read of one line.
const maxLine = 4096

// Write implements io.Writer. Its errors are those of the log.
func (w *watcher) Write(p []byte) (int, error) {
	n, err := w.out.Write(p)
	for rest := p[:n]; len(rest) > 0; {
		part, after, whole := bytes.Cut(rest, []byte{'\n'})
		if room := maxLine - w.line.Len(); room > 0 {
			w.line.Write(part[:min(len(part), room)])
		}
		if whole {
			w.endLine()
		}
		rest = after
	}
	return n, err
}

func (w *watcher) endLine() {
	w.read(strings.TrimRight(w.line.String(), "\r"))
	w.line.Reset()
}

// phaseOr is the current phase, or otherwise before the first one.
func (w *watcher) phaseOr(otherwise builders.Phase) builders.Phase {
	if w.current == "" {
		return otherwise
	}
	return w.current
}

var (
	// announcement is how rpmbuild begins a script or a package.
	announcement = regexp.MustCompile(`^(?:Executing\(%([a-z_]+)\)|Processing (files)): `)
	// badExit names the script that failed, when nobody can print any more.
	badExit = regexp.MustCompile(`^error: Bad exit status from \S+ \(%([a-z_]+)\)$`)
	// patching names the patch that a script is about to apply.
	patching = regexp.MustCompile(`^(?:\+ .*/SOURCES/(\S+\.(?:patch|diff))|Patch #\d+ \((.+)\):$)`)
)

// scripts are what rpmbuild does, in this order, and the phases they belong to.
var scripts = []struct {
	name  string
	phase builders.Phase
}{
	{"mkbuilddir", builders.PhasePrep},
	{"prep", builders.PhasePrep},
	{"generate_buildrequires", builders.PhaseBuildroot},
	{"conf", builders.PhaseBuild},
	{"build", builders.PhaseBuild},
	{"install", builders.PhaseInstall},
	{"check", builders.PhaseCheck},
	{"files", builders.PhaseFiles},
	{"clean", builders.PhaseFiles},
}

// place is where a script stands in that order; -1 is before all.
func place(script string) int {
	for i := range scripts {
		if scripts[i].name == script {
			return i
		}
	}
	return -1
}

// read looks at one line.
func (w *watcher) read(line string) {
	if m := announcement.FindStringSubmatch(line); m != nil {
		w.begin(m[1] + m[2])
		return
	}
	if m := badExit.FindStringSubmatch(line); m != nil {
		if i := place(m[1]); i >= 0 {
			w.script, w.current = m[1], scripts[i].phase
		}
		return
	}
	if m := patching.FindStringSubmatch(line); m != nil {
		w.seen.patch = m[1] + m[2]
	}
	if w.seen.open && strings.HasPrefix(line, "\t") || w.seen.open && strings.HasPrefix(line, "  ") {
		w.seen.rpm += " " + strings.TrimSpace(line)
		return
	}
	w.seen.open = false
	if w.seen.rpm == "" && strings.HasPrefix(line, "error: ") {
		w.seen.rpm, w.seen.open = strings.TrimPrefix(line, "error: "), strings.HasSuffix(line, ":")
	}
	if command, ok := strings.CutPrefix(line, "+ "); ok {
		w.seen.command = command
		return
	}
	q := qualityOf(line)
	if q <= w.seen.quality {
		return
	}
	w.seen.sign, w.seen.quality = line, q
	switch {
	case w.seen.patch != "" && strings.Contains(line, " FAILED"):
		w.seen.sign = w.seen.patch + ": " + line
	case strings.HasSuffix(line, noJobControl):
		name, _, _ := strings.Cut(w.seen.command, " ")
		w.seen.sign = name + " is not defined: no installed package has this macro"
	}
}

// begin begins a script or the work on files: what was printed before has not
// stopped rpmbuild. There is no way back, so that a build which prints what
// rpmbuild would has not endless phases.
func (w *watcher) begin(script string) {
	i := place(script)
	if i <= place(w.script) {
		return
	}
	entered := scripts[i].phase != w.current
	w.script, w.current, w.seen = script, scripts[i].phase, seen{}
	if entered {
		w.enter(w.current)
	}
}

// failure says why rpmbuild failed: in the words of the first tool that failed
// in the phase, or rpm's own. before is the phase of what comes before the
// first one.
func (w *watcher) failure(before builders.Phase, result sandbox.Result) *builders.Failure {
	if w.line.Len() > 0 {
		w.endLine()
	}
	script := w.script != "" && w.script != "files"
	what := fmt.Sprintf("rpmbuild ended with exit code %d", result.ExitCode)
	switch {
	case result.Signal != 0:
		what = fmt.Sprintf("rpmbuild was ended by signal %d (%s)", int(result.Signal), result.Signal)
	case script && w.seen.quality >= cause, w.seen.quality == exhausted:
		what = w.seen.sign
	case w.seen.rpm != "":
		what = strings.TrimPrefix(w.seen.rpm, "Failed build dependencies: ")
	case w.seen.sign != "":
		what = w.seen.sign
	case script && w.seen.command != "":
		what = "failed: " + w.seen.command
	}
	reason := shorten(what)
	if w.script != "" {
		reason = "%" + w.script + ": " + reason
	}
	return &builders.Failure{Phase: w.phaseOr(before), Reason: oneLine(reason)}
}
