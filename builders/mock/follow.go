package mock

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/builders"
)

// followTick is how often mock's logs are looked at.
const followTick = 50 * time.Millisecond

// follower passes a log that mock writes on while it grows.
type follower struct {
	path string
	to   io.Writer
	file *os.File
}

// more passes on what is new. That the file is not there yet is no error.
func (f *follower) more() error {
	if f.file == nil {
		file, err := os.OpenFile(f.path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		f.file = file
	}
	_, err := io.Copy(struct{ io.Writer }{f.to}, f.file)
	return err
}

func (f *follower) close() {
	if f.file != nil {
		f.file.Close()
	}
}

// follow passes mock's logs on until ctx is done, and then what is left of
// them. An error cancels, which ends mock.
func follow(ctx context.Context, cancel context.CancelCauseFunc, dir string, logs map[string]io.Writer) {
	var all []*follower
	// state.log says what the lines of the others are about.
	for _, name := range []string{"state.log", "root.log", "build.log"} {
		f := &follower{path: filepath.Join(dir, name), to: logs[name]}
		defer f.close()
		all = append(all, f)
	}
	tick := time.NewTicker(followTick)
	defer tick.Stop()
	for last := false; ; {
		for _, f := range all {
			if err := f.more(); err != nil {
				cancel(err)
				return
			}
		}
		if last {
			return
		}
		select {
		case <-ctx.Done():
			last = true
		case <-tick.C:
		}
	}
}

// lines calls a function for each line that is written, without its end.
// What is longer than a line of interest is cut.
type lines struct {
	read func(string)
	line bytes.Buffer
}

// maxLine bounds what is kept of one line.
const maxLine = 4096

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		part, after, whole := bytes.Cut(rest, []byte{'\n'})
		if room := maxLine - l.line.Len(); room > 0 {
			l.line.Write(part[:min(len(part), room)])
		}
		if whole {
			l.read(l.line.String())
			l.line.Reset()
		}
		rest = after
	}
	return len(p), nil
}

// progress is what mock's logs tell of a run.
type progress struct {
	enter func(builders.Phase)
	// rooted is told when the root is there.
	rooted func()
	// started holds the first words of the steps in state.log that began.
	started map[string]bool
	// child is the exit code of the last command that build.log tells of, or
	// the signal that ended it, negative. 0 when there was none.
	child int
}

// readState reads a line of state.log: time, " - ", "Start: " and the step.
func (p *progress) readState(line string) {
	if strings.HasSuffix(line, "Finish: "+stepInit) {
		p.rooted()
	}
	_, step, ok := strings.Cut(line, "Start: ")
	if !ok {
		return
	}
	for _, known := range []string{stepInit, stepSetup, stepRPMBuild, stepSRPM} {
		if strings.HasPrefix(step, known) {
			p.started[known] = true
		}
	}
	if step == stepSRPM {
		p.enter(builders.PhaseSRPM)
	}
}

// The steps of state.log that tell where a run was. They are told as started
// also when they fail.
const (
	stepInit     = "chroot init"
	stepSetup    = "build setup for "
	stepRPMBuild = "rpmbuild "
	stepSRPM     = "buildsrpm"
)

// childCode is how mock notes the end of a command. A build can print the
// same, but not after its end.
const childCode = "Child return code was: "

// readBuild reads a line of build.log.
func (p *progress) readBuild(line string) {
	text, ok := strings.CutPrefix(line, childCode)
	if !ok {
		return
	}
	if code, err := strconv.Atoi(text); err == nil {
		p.child = code
	}
}
