package rootfs

import (
	"regexp"
	"strings"
)

// quality says how well a line tells what went wrong in a build.
type quality int

const (
	nothing quality = iota
	// consequence: that a step failed, printed by who ran it.
	consequence
	// hint: may be what went wrong, or something that is often so.
	hint
	// cause: what went wrong, with the object's name.
	cause
	// exhausted: something ran out; errors that follow are about that.
	exhausted
)

// signs are what tools print when they fail. Where nothing else is said it is
// the text of all programs that use strerror, or of the POSIX shell.
var signs = []struct {
	text    string
	quality quality
}{
	{"No space left on device", exhausted},
	{"File size limit exceeded", exhausted},
	{"File too large", exhausted},
	{"Cannot allocate memory", exhausted},
	{"out of memory", exhausted},            // gcc, ld
	{"virtual memory exhausted", exhausted}, // gcc, make
	{"MemoryError", exhausted},              // Python
	{"Killed signal terminated", exhausted}, // gcc, of the compiler proper
	{"Resource temporarily unavailable", exhausted},
	{": error: ", cause},               // GNU programs, clang, configure
	{": fatal error: ", cause},         // gcc
	{"undefined reference to ", cause}, // ld
	{"cannot find -l", cause},          // ld
	{"No rule to make target", cause},  // make
	{"CMake Error", cause},
	{" FAILED -- saving rejects", cause}, // patch
	{"can't find file to patch", cause},  // patch
	{"not in gzip format", cause},
	{"File format not recognized", cause}, // xz
	{"does not look like a tar archive", hint},
	{noJobControl, cause},
	{": command not found", cause}, // bash
	{": not found", hint},          // dash; ldd and others print it too
	{"No such file or directory", hint},
	{"Permission denied", hint},
	{"Error: ", hint}, // Python, the assembler
	{"ERROR: ", hint},
	{"FAIL: ", hint}, // automake
	{"FAILED", hint}, // pytest, ctest
	{"Network is unreachable", hint},
	{"name resolution", hint},
	{"Could not resolve host", hint}, // curl, git
	{"*** ", consequence},            // make
	{"ninja: build stopped", consequence},
}

// noJobControl is bash's answer to a command that begins with a percent sign.
const noJobControl = ": fg: no job control"

// qualityOf judges one line.
func qualityOf(line string) quality {
	// Shell traces repeat what they run, tests of configure and cmake fail as
	// a matter of course, and warnings end nothing.
	if strings.HasPrefix(line, "+") || strings.HasPrefix(line, "checking ") || strings.HasPrefix(line, "-- ") || strings.Contains(line, "warning: ") {
		return nothing
	}
	best := nothing
	if strings.HasPrefix(line, "error[") || strings.HasPrefix(line, "fatal: ") { // rustc, git
		best = cause
	}
	for _, sign := range signs {
		if sign.quality > best && strings.Contains(line, sign.text) {
			best = sign.quality
		}
	}
	return best
}

// Paths of the buildroot that say nothing to people.
var (
	scriptName = regexp.MustCompile(`/var/tmp/rpm-tmp\.\w+: (?:line \d+: +(?:\d+ )?)?`)
	// bash puts the command right after it.
	limitExceeded = regexp.MustCompile(`(limit exceeded)(\S)`)
	insidePaths   = regexp.MustCompile(`/builddir/build/(?:BUILDROOT/[^/\s]+|SPECS/|SOURCES/|BUILD/)`)
)

// shorten takes out what is the same for every build.
func shorten(text string) string {
	text = limitExceeded.ReplaceAllString(scriptName.ReplaceAllString(text, ""), "$1: $2")
	return strings.TrimSpace(insidePaths.ReplaceAllString(text, ""))
}
