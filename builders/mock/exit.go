package mock

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/diagnosis"
)

// Exit codes of mock (its exception.py). What a failing build gives in
// practice is exitError, not exitBuild.
const (
	exitError   = 1
	exitBuild   = 10
	exitTimeout = 11
	exitRoot    = 20
	exitInstall = 30 // dnf failed: a requirement or a repository
	exitDeps    = 31
	exitPackage = 40
	exitLocked  = 60
	exitResults = 70
)

// explain says why mock failed. own is what mock printed itself.
func (r *run) explain(end diagnosis.Exit, own string) error {
	infrastructure := func(what string) error {
		reason := fmt.Sprintf("mock: %s: %s", what, firstMessage(own))
		return &builders.Failure{Phase: r.phase(), Infrastructure: true, Reason: reason, Err: errors.New(reason)}
	}
	switch end.Code {
	case exitError, exitBuild, exitPackage:
		return r.explainBuild(end, own)
	case exitTimeout:
		return r.tooLong()
	case exitInstall, exitDeps:
		return r.judgeRoot(end)
	case exitRoot:
		return infrastructure("the buildroot can't be made")
	case exitLocked:
		return infrastructure("another process uses the buildroot")
	case exitResults:
		return infrastructure("the results can't be written")
	}
	return infrastructure(fmt.Sprintf("exit code %d", end.Code))
}

// unusable is how mock and rpm refuse a source package.
var unusable = regexp.MustCompile(`(?m)^(?:Cannot find/open srpm: \S+ Error: (.*)|File is not an srpm: .*|Source RPM is not installable:\n(?:.*\n)*?error: (.*))$`)

// explainBuild tells a build that failed from a mock that did.
func (r *run) explainBuild(end diagnosis.Exit, own string) error {
	if m := unusable.FindStringSubmatch(own); m != nil && !r.progress.started[stepRPMBuild] {
		why := m[1] + m[2]
		if why == "" {
			why = "it is none"
		}
		return &builders.Failure{Phase: builders.PhasePrep, Reason: "the source package can't be unpacked: " + why}
	}
	if r.lacksTools(own) {
		return &builders.Failure{
			Phase:  builders.PhaseBuildroot,
			Reason: "the buildroot lacks what every build needs (bash, coreutils, findutils, rpm, rpm-build): add it to the groups of tag " + r.job.order.Root.Tag,
		}
	}
	if child := r.progress.child; child < 0 {
		return r.judge(diagnosis.Exit{Code: 128 - child, Signal: -child})
	} else if child != 0 {
		return r.judge(diagnosis.Exit{Code: child})
	}
	reason := "mock: " + firstMessage(own)
	if end.Code == exitPackage {
		return &builders.Failure{Phase: builders.PhaseFiles, Reason: reason}
	}
	return &builders.Failure{Phase: r.phase(), Infrastructure: true, Reason: reason, Err: fmt.Errorf("exit code %d", end.Code)}
}

// noTools is what mock says of a root in which it can't run its first commands.
var noTools = regexp.MustCompile(`\[Errno 2\] No such file or directory: '(?:bash|/bin/rpm|/usr/bin/rpmbuild)'|rpmbuild: (?:command not found|No such file or directory)`)

func (r *run) lacksTools(own string) bool {
	return noTools.MatchString(own) || r.progress.child == notFound
}

// notFound is a shell's exit code for a program that is not there; rpmbuild has
// none so high.
const notFound = 127

// newBuildLog reads the build.log of a task on its way to out.
func newBuildLog(out io.Writer, t task, enter func(builders.Phase)) *diagnosis.Log {
	log := diagnosis.NewLog("build.log", out, enter)
	log.Begin(t.step())
	return log
}

// judge reads from build.log why rpmbuild failed.
func (r *run) judge(ended diagnosis.Exit) error {
	ended.Step = r.build.Step()
	finding := r.build.Finding(ended)
	finding.Phase = r.ofTask(finding.Phase)
	failure := builders.Diagnosed(finding, ended)
	failure.InSpec(specOf(r.task, r.job.path("in")))
	return failure
}

// judgeRoot reads from root.log, as the order has it, why dnf failed.
func (r *run) judgeRoot(ended diagnosis.Exit) error {
	ended.Step = diagnosis.StepRequires
	log, err := os.Open(filepath.Join(r.job.order.LogDir, "root.log"))
	if err != nil {
		return fmt.Errorf("mock: read root.log: %w", err)
	}
	defer log.Close()
	finding, err := diagnosis.Read("root.log", ended.Step, log, ended)
	if err != nil {
		return fmt.Errorf("mock: read root.log: %w", err)
	}
	failure := builders.Diagnosed(finding, ended)
	failure.InSpec(specOf(r.task, r.job.path("in")))
	return failure
}

// messages is what mock printed itself.
func (r *run) messages() string { return string(readTail(r.job.path("mock.out"))) }

// firstMessage is the first line with which mock, or Python, gave up.
func firstMessage(own string) string {
	var last string
	for line := range strings.Lines(own) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "Exception(") || strings.HasPrefix(line, "Results and/or logs in:") {
			continue
		}
		if line != "" {
			last = line
		}
	}
	if last == "" {
		return "it says nothing"
	}
	return last
}
