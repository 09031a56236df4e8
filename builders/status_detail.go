package builders

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strconv"
	"strings"

	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/markdown"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/queue"
)

// Bounds of what a status tells of a failure; the build's page has all of it.
const (
	toldLines   = 20  // of the end of a log
	toldLine    = 240 // characters of one of them
	toldMissing = 20
	toldFiles   = 20
	// toldSummary and toldMessage are in bytes; a detail that is kept may have
	// twice as many of both.
	toldSummary = 24 << 10
	toldMessage = 4 << 10
	// tailSize is what is read of the end of a log, in bytes.
	tailSize = 16 << 10
)

// failureDetail is what a status says of a failed task besides its reason: the
// phase, the first error, what is missing, the end of the log, all with links;
// and a note on the line of the spec that is to blame, where there is one. What
// the build wrote stands in code.
func (a *Attempt) failureDetail(failure Failure) *queue.Detail {
	failure.Reason = queue.OneLine(failure.Reason)
	var found diagnosis.Finding
	if failure.Finding != nil {
		found = failure.Finding.Bounded()
	}
	if failure.Infrastructure {
		found.SpecLine = 0
	}
	return &queue.Detail{
		Summary:     wholeLines(a.failureSummary(failure, found), toldSummary),
		Annotations: annotationsOf(a.build.Spec, taskWords(a.task), failure.Reason, found),
	}
}

// taskWords name a task to people.
func taskWords(task db.Task) string {
	if task.Arch == "" {
		return "source package"
	}
	return task.Arch
}

// annotationsOf is the note on the spec's line that a finding is about: spec is
// the path of the spec in the repository.
func annotationsOf(spec, what, reason string, found diagnosis.Finding) []queue.Annotation {
	if found.SpecLine <= 0 || !fs.ValidPath(spec) || spec == "." {
		return nil
	}
	title := what + " failed"
	if found.Kind != "" {
		title = what + ": " + strings.ReplaceAll(string(found.Kind), "-", " ")
	}
	var message strings.Builder
	message.WriteString(reason)
	for _, missing := range found.Missing[:min(len(found.Missing), toldMissing)] {
		for _, near := range missing.Nearest {
			if !strings.Contains(reason, near) {
				message.WriteString("\n" + near)
			}
		}
	}
	for _, line := range found.Excerpt {
		message.WriteString("\n" + line)
	}
	return []queue.Annotation{{Path: spec, Line: found.SpecLine, Level: queue.LevelFailure, Title: title, Message: wholeLines(message.String(), toldMessage)}}
}

// wholeLines is as much of a text as has room, in whole lines: no code span is
// left open.
func wholeLines(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return text[:strings.LastIndexByte(text[:limit], '\n')+1]
}

// failureSummary is a failure in Markdown.
func (a *Attempt) failureSummary(failure Failure, found diagnosis.Finding) string {
	var text strings.Builder
	fmt.Fprintf(&text, "**%s** failed", taskWords(a.task))
	if failure.Phase.Known() {
		fmt.Fprintf(&text, " in phase %s", markdown.Code(string(failure.Phase)))
	}
	if failure.Infrastructure {
		text.WriteString(", which is not the package's fault")
	}
	fmt.Fprintf(&text, ": %s\n", markdown.Code(failure.Reason))
	if found.SpecLine > 0 {
		fmt.Fprintf(&text, "\nLine %d of %s.\n", found.SpecLine, markdown.Code(a.build.Spec))
	}
	if found.LogFile != "" && len(found.Excerpt) > 0 {
		fmt.Fprintf(&text, "\nThe first error, in %s:\n\n%s", a.logLink(found.LogFile, found.Line), markdown.Block(found.Excerpt))
	}
	tellMissing(&text, found.Missing)
	tellFiles(&text, found.Unpackaged)
	if name, lines := a.logEnd(found.LogFile); len(lines) > 0 {
		fmt.Fprintf(&text, "\nThe end of %s:\n\n%s", a.logLink(name, 0), markdown.Block(lines))
	}
	return text.String()
}

// tellMissing lists requirements that nothing provides, and what comes close.
func tellMissing(text *strings.Builder, list []diagnosis.Requirement) {
	if len(list) == 0 {
		return
	}
	text.WriteString("\nMissing:\n\n")
	for _, missing := range list[:min(len(list), toldMissing)] {
		fmt.Fprintf(text, "- %s", markdown.Code(missing.Text))
		if missing.NeededBy != "" {
			fmt.Fprintf(text, ", needed by %s", markdown.Code(missing.NeededBy))
		}
		text.WriteString("\n")
		for _, near := range missing.Nearest {
			fmt.Fprintf(text, "  - nearest: %s\n", markdown.Code(near))
		}
	}
	tellMore(text, len(list)-toldMissing)
}

// tellFiles lists files that are in no package.
func tellFiles(text *strings.Builder, list []string) {
	if len(list) == 0 {
		return
	}
	text.WriteString("\nIn no package:\n\n")
	for _, file := range list[:min(len(list), toldFiles)] {
		fmt.Fprintf(text, "- %s\n", markdown.Code(file))
	}
	tellMore(text, len(list)-toldFiles)
}

func tellMore(text *strings.Builder, n int) {
	if n > 0 {
		fmt.Fprintf(text, "- and %d more\n", n)
	}
}

// logLink links to a log of the attempt, at a line if that is not 0.
func (a *Attempt) logLink(name string, line int) string {
	words := name
	address := fmt.Sprintf("%s/tasks/%d/logs/%s?attempt=%d", strings.TrimRight(a.stages.ExternalURL, "/"), a.task.ID, url.PathEscape(name), a.task.Attempt)
	if line > 0 {
		words += ", line " + strconv.Itoa(line)
		address += "&line=" + strconv.Itoa(line) + "#line"
	}
	return "[" + words + "](" + address + ")"
}

// logEnd returns the last lines of a log of the attempt: of the one that a
// finding names, else of the one that was written last. That none can be read is
// no reason to say less of the failure.
func (a *Attempt) logEnd(named string) (name string, lines []string) {
	names := []string{named}
	if named == "" {
		names = []string{"build.log", "root.log", "checkout.log"}
	}
	for _, name := range names {
		lines, err := a.readEnd(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			a.stages.Logger.Warn("builders: read the end of a log", "task", a.task.ID, "log", name, "error", err)
		}
		if len(lines) > 0 {
			return name, lines
		}
	}
	return "", nil
}

func (a *Attempt) readEnd(name string) ([]string, error) {
	file, err := a.stages.Logs.Open(a.task.ID, a.task.Attempt, name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	begin := max(0, size-tailSize)
	text, err := io.ReadAll(tasklog.Reader(io.NewSectionReader(file, begin, tailSize)))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n \t"), "\n")
	if begin > 0 && len(lines) > 1 {
		lines = lines[1:] // of which only the end was read
	}
	lines = lines[max(0, len(lines)-toldLines):]
	for i, line := range lines {
		if short := []rune(line); len(short) > toldLine {
			lines[i] = string(short[:toldLine]) + "…"
		}
	}
	if len(lines) == 1 && lines[0] == "" {
		return nil, nil
	}
	return lines, nil
}
