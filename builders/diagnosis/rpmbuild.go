package diagnosis

import (
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// rpmReader reads what rpmbuild and the scripts it runs print. rpm runs
// scripts with set -e -x: a command that is traced began because the one
// before had not ended the script.
type rpmReader struct {
	step  Step
	enter func(Phase)
	// sections are what rpmbuild did, as far as its announcements say; the
	// first is what it did before its first script.
	sections []*section
	// verdict is the script that rpmbuild names last as the one that failed;
	// nobody prints after rpmbuild.
	verdict string
	// rpm is what rpmbuild calls an error in its own words, first.
	rpm rpmErrors
	// reached is the place of the last script that enter was told of; mock runs
	// rpmbuild several times.
	reached int
	// summary is true in what rpmbuild repeats in the end.
	summary bool
	// hunk is what is left of a hunk of a unified diff.
	hunk hunk
}

// section is what is remembered of a script or of the packaging.
type section struct {
	script string
	// command is the traced command that runs, and current what it printed;
	// earlier is what other commands printed before.
	command          found
	earlier, current evidence
	// gaveUp is how the script ended itself: exit 1 after make || …
	gaveUp found
	patch  string // that is being applied
	source string // that is being unpacked
}

// scripts are what rpmbuild does, in this order, and the phases they belong to.
var scripts = []struct {
	name  string
	phase Phase
}{
	{"mkbuilddir", PhasePrep},
	{"prep", PhasePrep},
	{"generate_buildrequires", PhaseBuildroot},
	{"conf", PhaseBuild},
	{"build", PhaseBuild},
	{"install", PhaseInstall},
	{"check", PhaseCheck},
	{"files", PhaseFiles},
	{"clean", PhasePost},
	{"rmbuild", PhasePost},
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

func newRPMReader(step Step, enter func(Phase)) *rpmReader {
	return &rpmReader{step: step, enter: enter, reached: -1, sections: []*section{{}}}
}

func (r *rpmReader) section() *section { return r.sections[len(r.sections)-1] }

func (r *rpmReader) phase() Phase { return r.phaseOf(r.section().script) }

func (r *rpmReader) phaseOf(script string) Phase {
	if i := place(script); i >= 0 {
		return scripts[i].phase
	}
	return r.step.phase()
}

var (
	// announcement is how rpmbuild begins a script or a package.
	announcement = regexp.MustCompile(`^(?:Executing\(%([a-z_]+)\)|Processing (files)): `)
	// badExit names the script that failed.
	badExit = regexp.MustCompile(`^(?:error:|   ) Bad exit status from \S+ \(%([a-z_]+)\)$`)
	// patching names the patch that a script is about to apply.
	patching = regexp.MustCompile(`^(?:\+ .*/SOURCES/([^/\s']+\.(?:patch|diff))(?:['\s]|$)|Patch #\d+ \((.+)\):$)`)
	// unpacking names the archive that a script is about to unpack.
	unpacking = regexp.MustCompile(`^\+ .*/SOURCES/([^/\s']+\.(?:tar|tgz|tbz2?|txz|zip|gz|bz2|xz|zst|7z|gem)[\w.]*)`)
	// mockCommand is how mock begins a command in build.log.
	mockCommand = regexp.MustCompile(`^Executing command: \[.*rpmbuild -(b[a-z]|r)`)
)

// mockChild is how mock notes in build.log that a command ended.
const mockChild = "Child return code was: "

// line implements reader.
func (r *rpmReader) line(n int, text string) {
	if r.hunk.inside(text) {
		// What differs is not why: the command is.
		r.section().current.last = found{}
		return
	}
	if strings.HasPrefix(text, mockChild) {
		return
	}
	if strings.HasPrefix(text, "Executing") || strings.HasPrefix(text, "Processing files: ") {
		if r.begin(text) {
			return
		}
	}
	// rpmbuild repeats its errors in the end.
	if r.summary = strings.HasPrefix(text, "RPM build ") || r.summary && strings.HasPrefix(text, "    "); r.summary && !strings.Contains(text, "Bad exit status") {
		return
	}
	if strings.Contains(text, "Bad exit status") {
		if m := badExit.FindStringSubmatch(text); m != nil && place(m[1]) >= 0 {
			r.verdict = m[1]
			return
		}
	}
	s := r.section()
	if strings.HasPrefix(text, "+ ") && strings.Contains(text, "/SOURCES/") || strings.HasPrefix(text, "Patch #") {
		if m := patching.FindStringSubmatch(text); m != nil {
			s.patch = m[1] + m[2]
		} else if m := unpacking.FindStringSubmatch(text); m != nil {
			s.source = m[1]
		}
	}
	if r.rpm.line(n, text, s.script) {
		return
	}
	if command, ok := strings.CutPrefix(text, "+ "); ok {
		s.trace(n, command)
		return
	}
	if !strings.HasPrefix(text, "++") {
		s.current.line(n, text, s)
	}
}

// begin begins a script or the work on files, and tells whether the line said
// so. There is no way back, so that a build which prints what rpmbuild would
// has not endless phases.
func (r *rpmReader) begin(line string) bool {
	if m := mockCommand.FindStringSubmatch(line); m != nil {
		reached := r.reached
		*r = *newRPMReader(r.step, r.enter)
		r.reached = reached
		if m[1] == "bs" {
			r.step = StepSRPM
		} else {
			r.step = StepBuild
		}
		return true
	}
	m := announcement.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	script, before := m[1]+m[2], r.section().script
	i := place(script)
	if i < 0 || i < place(before) {
		return true
	}
	if script == before { // the files of the next package
		return true
	}
	entered := scripts[i].phase != r.phaseOf(before) || before == ""
	r.sections = append(r.sections, &section{script: script})
	r.rpm = rpmErrors{} // what rpm called an error did not stop it
	if entered && i > r.reached {
		r.reached = i
		r.enter(scripts[i].phase)
	}
	return true
}

// trace begins a command of the script.
func (s *section) trace(n int, command string) {
	name, rest, _ := strings.Cut(command, " ")
	if afterwards(name, rest) {
		if name == "false" || (name == "exit" || name == "return") && strings.Trim(rest, "0") != "" {
			s.gaveUp = traced(n, command)
		}
		return
	}
	s.earlier.add(&s.current)
	s.current, s.gaveUp = evidence{}, found{}
	s.command = traced(n, command)
}

func traced(n int, command string) found {
	return found{line: n, text: command, excerpt: []string{"+ " + command}}
}

// afterwards tells whether a command is one that scripts run after another has
// failed: to show its log, to note it, or to end.
func afterwards(name, rest string) bool {
	switch name {
	case "exit", "return", "false", "true", ":", "cat", "tail", "head", "echo", "printf":
		return true
	}
	// An assignment of nothing but a number: rc=1.
	variable, value, ok := strings.Cut(name, "=")
	return ok && rest == "" && variable != "" && value != "" && len(value) <= 3 && strings.Trim(value, "0123456789") == ""
}

// finding implements reader.
func (r *rpmReader) finding(ended Exit) Finding {
	s := r.failed(ended)
	f := Finding{Phase: r.phaseOf(s.script), Kind: KindCommandFailed}
	c := r.choose(&f, s, ended)
	f.Line, f.Excerpt = c.line, c.lines()
	return f
}

// failed is the section that failed: the one rpmbuild names, if it could, or
// else the last one. What was announced after the one it names was not
// rpmbuild's word.
func (r *rpmReader) failed(ended Exit) *section {
	if r.verdict != "" && ended.Limit == nil && ended.Signal == 0 {
		i := slices.IndexFunc(r.sections, func(s *section) bool { return s.script == r.verdict })
		if i < 0 {
			s := *r.section()
			s.script = r.verdict
			return &s
		}
		s := *r.sections[i]
		for _, later := range r.sections[i+1:] {
			if later.script == "files" && later.current.empty() && later.earlier.empty() {
				continue
			}
			s.earlier.add(&s.current)
			s.earlier.add(&later.earlier)
			s.current, s.command, s.gaveUp = later.current, later.command, later.gaveUp
		}
		return &s
	}
	return r.section()
}

// choose says what went wrong, and which line says it.
func (r *rpmReader) choose(f *Finding, s *section, ended Exit) found {
	inScript := s.script != "" && s.script != "files"
	best := s.best()
	prefix := ""
	if s.script != "" {
		prefix = "%" + s.script + ": "
	}
	switch {
	case ended.Limit != nil:
		f.Kind, f.Infrastructure, f.Reason = ended.Limit.Kind, ended.Limit.Infrastructure, ended.Limit.Reason
		if best != nil && f.Kind == KindOutOfMemory && (best.kind == KindOutOfMemory || best.kind == KindCrash) {
			return best.found
		}
		return r.running(s)
	case ended.Signal != 0:
		f.Kind, f.Reason = KindKilled, prefix+"rpmbuild was ended by signal "+signalText(ended.Signal)
		return r.running(s)
	case inScript && best != nil && best.quality >= cause, best != nil && best.quality == exhausted:
		return best.tell(f, prefix, s)
	case (!inScript || r.verdict == "") && r.rpm.tell(f, prefix):
		return r.rpm.at
	case best != nil:
		return best.tell(f, prefix, s)
	case inScript && (s.current.last.line > 0 || s.command.line > 0 || s.gaveUp.line > 0):
		return s.unknown(f, prefix)
	default:
		f.Reason = prefix + "rpmbuild ended with exit code " + number(ended.Code)
		return r.running(s)
	}
}

// unknown makes the finding of a script that failed without known words: what
// it printed last, or the command that it ran.
func (s *section) unknown(f *Finding, prefix string) found {
	if f.Phase == PhaseCheck {
		f.Kind = KindTestFailure
	}
	at, words := s.command, "failed: "
	switch {
	case s.current.last.line > 0:
		at, words = s.current.last, ""
	case s.gaveUp.line > 0:
		at = s.gaveUp
	}
	f.Reason = prefix + words + shorten(at.text)
	return at
}

// running is the line that says what was going on.
func (r *rpmReader) running(s *section) found {
	if s.command.line > 0 {
		return s.command
	}
	return s.current.last
}

// best is the line of a section that says best what went wrong; nil when none
// does.
func (s *section) best() *candidate {
	if s.gaveUp.line > 0 || s.command.line == 0 {
		all := s.earlier
		all.add(&s.current)
		return all.best()
	}
	return s.current.best()
}

func signalText(signal int) string {
	return number(signal) + " (" + syscall.Signal(signal).String() + ")"
}

// hunk follows the hunks of unified diffs: their lines begin like traces.
type hunk struct{ old, new int }

var hunkHeader = regexp.MustCompile(`^@@ -\d+(?:,(\d{1,6}))? \+\d+(?:,(\d{1,6}))? @@`)

// inside tells whether a line belongs to a hunk.
func (h *hunk) inside(line string) bool {
	if strings.HasPrefix(line, "@@ -") {
		m := hunkHeader.FindStringSubmatch(line)
		if m == nil {
			return false
		}
		h.old, h.new = count(m[1]), count(m[2])
		return true
	}
	if h.old <= 0 && h.new <= 0 {
		return false
	}
	switch (line + " ")[0] {
	case ' ':
		h.old, h.new = h.old-1, h.new-1
	case '-':
		h.old--
	case '+':
		h.new--
	case '\\':
	default:
		*h = hunk{}
		return false
	}
	return true
}

// count is a number of lines in a hunk's header: 1 when it is left out.
func count(digits string) int {
	if digits == "" {
		return 1
	}
	n := 0
	for _, d := range digits {
		n = 10*n + int(d-'0')
	}
	return n
}
