package diagnosis

import (
	"bytes"
	"io"
	"strconv"
	"strings"
)

func number(n int) string { return strconv.Itoa(n) }

// Step is what a driver runs: it says whose words its output is in.
type Step string

const (
	// StepSources checks a package out and fetches its sources: distgit's words.
	StepSources Step = "sources"
	// StepRoot installs the packages of a tag's group: dnf's words.
	StepRoot Step = "root"
	// StepRequires installs the build requirements of a package: dnf's words.
	StepRequires Step = "requires"
	// StepSRPM makes a source package: rpmbuild -bs.
	StepSRPM Step = "srpm"
	// StepUnpack unpacks a source package: rpm -i.
	StepUnpack Step = "unpack"
	// StepBuild makes the packages: rpmbuild -bb.
	StepBuild Step = "build"
)

// phase is that of a step before anything says another.
func (s Step) phase() Phase {
	switch s {
	case StepSources:
		return PhaseSources
	case StepSRPM:
		return PhaseSRPM
	case StepRoot, StepRequires:
		return PhaseBuildroot
	default:
		return PhasePrep
	}
}

// reader reads the lines of one step.
type reader interface {
	// line looks at one line: its number, and its text without colours.
	line(n int, text string)
	// finding says why the step failed; ended is how.
	finding(ended Exit) Finding
	// phase is the current one.
	phase() Phase
}

// Log passes what steps print on to a log, and reads it on the way. One
// goroutine at a time may use it.
type Log struct {
	name  string
	step  Step
	out   io.Writer
	enter func(Phase)

	reader  reader
	partial bytes.Buffer // of the line that is not ended yet
	lines   int          // ended so far
}

// NewLog makes a log that writes to out, by the name under which people find
// it: checkout.log, root.log or build.log. enter, if not nil, is told of each phase that
// begins.
func NewLog(name string, out io.Writer, enter func(Phase)) *Log {
	if enter == nil {
		enter = func(Phase) {}
	}
	l := &Log{name: name, out: out, enter: enter}
	l.Begin(StepBuild)
	return l
}

// Begin begins a step: what was printed before is no reason for its failure.
// The lines of the log are counted on.
func (l *Log) Begin(step Step) {
	l.flush()
	l.step = step
	switch step {
	case StepSources:
		l.reader = &sourcesReader{}
	case StepRoot, StepRequires:
		l.reader = newDNFReader(step)
	default:
		l.reader = newRPMReader(step, l.enter)
	}
}

// Step is the one that was begun last.
func (l *Log) Step() Step { return l.step }

// Phase is the current one of the step.
func (l *Log) Phase() Phase { return l.reader.phase() }

// Write implements io.Writer. Its errors are those of the log.
func (l *Log) Write(p []byte) (int, error) {
	n, err := l.out.Write(p)
	for rest := p[:n]; len(rest) > 0; {
		part, after, whole := bytes.Cut(rest, []byte{'\n'})
		if room := maxLine - l.partial.Len(); room > 0 {
			l.partial.Write(part[:min(len(part), room)])
		}
		if whole {
			l.endLine()
		}
		rest = after
	}
	return n, err
}

// flush ends a line that has no end.
func (l *Log) flush() {
	if l.partial.Len() > 0 {
		l.read()
		l.partial.Reset()
	}
}

func (l *Log) endLine() {
	l.read()
	l.lines++
	l.partial.Reset()
}

// read gives the line that is being written to the step's reader. Each piece
// that a progress bar overwrites is looked at.
func (l *Log) read() {
	line := strings.TrimRight(plain(l.partial.String()), "\r")
	for piece := range strings.SplitSeq(line, "\r") {
		if piece = withoutMock(piece); piece != "" || line == "" {
			l.reader.line(l.lines+1, piece)
		}
	}
}

// withoutMock takes out what mock puts before lines of its root.log:
// "DEBUG util.py:446:  ".
func withoutMock(line string) string {
	for _, level := range []string{"DEBUG ", "INFO ", "WARNING ", "ERROR "} {
		rest, ok := strings.CutPrefix(line, level)
		if !ok {
			continue
		}
		if i := strings.Index(rest, ".py:"); i > 0 && !strings.ContainsAny(rest[:i], " \t") {
			if at, text, ok := strings.Cut(rest[i+len(".py:"):], ":"); ok && strings.Trim(at, "0123456789") == "" {
				return strings.TrimPrefix(strings.TrimPrefix(text, " "), " ")
			}
		}
	}
	return line
}

// Finding says why the step failed; ended is how its command did. It may be
// asked once for each step, after its last Write.
func (l *Log) Finding(ended Exit) Finding {
	l.flush()
	f := l.reader.finding(ended)
	if f.Line > 0 {
		f.LogFile = l.name
	}
	f.Reason = clip(f.Reason, MaxReason)
	if f.Reason == "" {
		f.Reason = "see " + l.name
	}
	f.Object = clip(f.Object, maxExcerptLine)
	f.Excerpt = f.Excerpt[:min(len(f.Excerpt), maxExcerpt)]
	for i := range f.Excerpt {
		f.Excerpt[i] = clip(f.Excerpt[i], maxExcerptLine)
	}
	return f
}

// Read reads a finished log whose last step failed, for drivers that get no
// output but files. What begins a step in them is the drivers' own word, or
// mock's. Lines are counted from the reader's beginning. Errors are the
// reader's.
func Read(name string, step Step, log io.Reader, ended Exit) (Finding, error) {
	l := NewLog(name, io.Discard, nil)
	l.Begin(step)
	if r, ok := l.reader.(*dnfReader); ok {
		r.whole = true
	}
	if _, err := io.Copy(struct{ io.Writer }{l}, log); err != nil {
		return Finding{}, err
	}
	return l.Finding(ended), nil
}
