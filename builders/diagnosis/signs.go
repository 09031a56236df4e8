package diagnosis

import (
	"regexp"
	"strings"
)

// ignored is the kind of a line that takes an error back.
const ignored Kind = "ignored"

// sign is what a tool prints when it fails.
type sign struct {
	text    string
	quality quality
	kind    Kind
	// pattern, if not nil, must match too; its first group is the object.
	pattern *regexp.Regexp
}

// signs are looked for in this order; the first of the best quality counts.
// Where nothing else is said it is the text of all programs that use strerror,
// or of the POSIX shell.
var signs = []sign{
	// What ran out.
	{"Cannot allocate memory", exhausted, KindOutOfMemory, nil},
	{"out of memory", exhausted, KindOutOfMemory, nil},            // gcc, ld
	{"memory exhausted", exhausted, KindOutOfMemory, nil},         // gcc, make
	{"MemoryError", exhausted, KindOutOfMemory, nil},              // Python
	{"std::bad_alloc", exhausted, KindOutOfMemory, nil},           // C++
	{"Killed signal terminated", exhausted, KindOutOfMemory, nil}, // gcc, of the compiler proper
	{"No space left on device", exhausted, KindDiskFull, nil},
	{"Disk quota exceeded", exhausted, KindDiskFull, nil},
	{"File size limit exceeded", exhausted, KindFileSize, nil},
	{"File too large", exhausted, KindFileSize, nil},
	{"Resource temporarily unavailable", exhausted, KindProcesses, regexp.MustCompile(`(?i)fork|clone|thread|spawn|exec|process`)},
	{"fork/exec", hint, KindProcesses, nil},

	// The network, which no build has.
	{"Network is unreachable", cause, KindNetworkNeeded, nil},
	{"network is unreachable", cause, KindNetworkNeeded, nil},
	{"name resolution", cause, KindNetworkNeeded, nil},
	{"Could not resolve", cause, KindNetworkNeeded, nil}, // curl, git
	{"Couldn't resolve", cause, KindNetworkNeeded, nil},  // cargo
	{"Name or service not known", cause, KindNetworkNeeded, nil},
	{"getaddrinfo", cause, KindNetworkNeeded, regexp.MustCompile(`getaddrinfo(?::| ENOTFOUND| EAI_)`)}, // Ruby, Node
	{"unable to resolve host", cause, KindNetworkNeeded, nil},
	{"no such host", cause, KindNetworkNeeded, nil}, // Go
	{"dial tcp", cause, KindNetworkNeeded, nil},     // Go

	// Preparing.
	{"Hunk #", cause, KindPatchHunk, regexp.MustCompile(`^Hunk #\d+ FAILED at `)},
	{" FAILED -- saving rejects", cause, KindPatchHunk, nil},
	{"can't find file to patch", cause, KindPatchHunk, nil},
	{"No file to patch", cause, KindPatchHunk, nil},
	{"Reversed (or previously applied) patch detected", cause, KindPatchHunk, nil},
	{"patch: **** ", cause, KindPatchHunk, nil},
	{"error: patch failed: ", cause, KindPatchHunk, nil}, // git apply
	{"not in gzip format", cause, KindBadSource, nil},
	{"invalid compressed data", cause, KindBadSource, nil}, // gzip
	{"unexpected end of file", cause, KindBadSource, regexp.MustCompile(`^(?:gzip|zcat|xz|bzip2|zstd|unzip|tar|/\S*/(?:gzip|xz|bzip2|zstd|unzip|tar)): `)},
	{"Unexpected end of input", cause, KindBadSource, nil},                      // xz
	{"File format not recognized", cause, KindBadSource, nil},                   // xz
	{"Compressed data is corrupt", cause, KindBadSource, nil},                   // xz
	{"not a bzip2 file", cause, KindBadSource, nil},                             // bzip2
	{"Unexpected EOF in archive", cause, KindBadSource, nil},                    // tar
	{"End-of-central-directory signature not found", cause, KindBadSource, nil}, // unzip
	{"does not look like a tar archive", hint, KindBadSource, nil},
	{": unsupported format", cause, KindBadSource, regexp.MustCompile(`^(?:zstd|/\S*/zstd): `)},

	// Shells.
	{noJobControl, cause, KindUndefinedMacro, nil},
	{": command not found", cause, KindMissingCommand, regexp.MustCompile(`([^\s:]+): command not found`)},
	{"bad interpreter", cause, KindMissingCommand, nil},
	{": not found", hint, KindMissingCommand, regexp.MustCompile(`: (?:\d+|line \d+): ([^\s:]+): not found$|^make(?:\[\d+\])?: .*: not found$`)},
	{"env: ", cause, KindMissingCommand, regexp.MustCompile(`^(?:/usr/bin/)?env: [‘']?([^\s’':]+)[’']?: No such file or directory`)},
	{": No such file or directory", cause, KindMissingCommand, regexp.MustCompile(`^make(?:\[\d+\])?: ([^\s:]+): No such file or directory$`)},
	{"syntax error near unexpected token", cause, KindBadSpec, regexp.MustCompile(`/var/tmp/rpm-tmp\.`)},
	{"syntax error: unexpected end of file", cause, KindBadSpec, regexp.MustCompile(`/var/tmp/rpm-tmp\.`)},
	{"unexpected EOF while looking for matching", cause, KindBadSpec, regexp.MustCompile(`/var/tmp/rpm-tmp\.`)},

	{"Can't exec ", cause, KindMissingCommand, regexp.MustCompile(`^Can't exec "([^"]+)"`)}, // Perl

	// Modules of languages.
	{"ModuleNotFoundError: ", cause, KindMissingModule, regexp.MustCompile(`No module named '?([\w.]+)`)},
	{": No module named ", cause, KindMissingModule, regexp.MustCompile(`No module named '?([\w.]+)`)},
	{"Can't locate ", cause, KindMissingModule, regexp.MustCompile(`^Can't locate (\S+?)\.pm in @INC`)},
	{"cannot load such file -- ", cause, KindMissingModule, regexp.MustCompile(`-- ([^\s)]+)`)},

	// Configuring.
	{"CMake Error", cause, KindConfigure, nil},
	{": error: ", cause, KindConfigure, regexp.MustCompile(`^configure(?:\.ac|\.in)?(?::\d+)?: error: `)},
	{"ERROR: ", cause, KindConfigure, regexp.MustCompile(`(?:^|/)meson(?:\.build|_options\.txt|\.options):\d+:\d+: ERROR: `)},
	{"No package '", hint, KindConfigure, regexp.MustCompile(`^No package '([^']+)' found`)},
	{"was not found in the pkg-config search path", hint, KindConfigure, regexp.MustCompile(`^Package (\S+) was not`)},

	// Compiling.
	{": fatal error: ", cause, KindMissingHeader, regexp.MustCompile(`^\S+:\d+(?::\d+)?: fatal error: (\S+): No such file or directory`)},
	{": fatal error: ", cause, KindCompileError, regexp.MustCompile(`^(?:\S+:\d+|cc1\S*|gcc|g\+\+|clang\S*|<)`)},
	{"internal compiler error", cause, KindCompileError, nil},
	{": error: ", consequence, KindLinkError, regexp.MustCompile(`^(?:collect2|lto-wrapper|clang\S*|autoreconf|autom4te|error): (?:fatal )?error: `)},
	{": error: ", cause, KindLinkError, regexp.MustCompile(`^(?:/\S*/)?ld(?:\.\w+)?: error: `)},
	{": error: ", cause, KindCompileError, regexp.MustCompile(`^(\S+?):\d+(?:[.:]\d+)?(?:-\d+(?:\.\d+)?)?: error: `)}, // GNU Coding Standards, "Errors"
	{": error: ", cause, KindCompileError, regexp.MustCompile(`^(?:cc1\w*|gcc|g\+\+|cc|c\+\+|\S+-(?:gcc|g\+\+))(?:-\d+)?: error: `)},
	{": Error: ", cause, KindCompileError, regexp.MustCompile(`^(\S+):\d+: Error: `)}, // as
	{".go:", cause, KindCompileError, regexp.MustCompile(`^(?:vet: )?(\S+\.go):\d+(?::\d+)?: `)},
	{"error[E", cause, KindCompileError, regexp.MustCompile(`^error\[E\d+\]: `)}, // rustc
	{"SyntaxError: ", cause, KindCompileError, nil},
	{"syntax error", cause, KindCompileError, regexp.MustCompile(`^(?:syntax error at (\S+) line \d+|(\S+\.rb):\d+: syntax error)`)},
	{"undefined reference to ", cause, KindLinkError, regexp.MustCompile("undefined reference to [`']([^']+)'")},
	{"multiple definition of ", cause, KindLinkError, nil},
	{"cannot find -l", cause, KindLinkError, regexp.MustCompile(`cannot find (-l[^\s:]+)`)},
	{": cannot find ", cause, KindLinkError, regexp.MustCompile(`(?:^|/)ld(?:\.\w+)?: cannot find (\S+)`)},
	{"relocation truncated to fit", cause, KindLinkError, nil},
	{"file not recognized", cause, KindLinkError, nil},

	// Those that run others.
	{"No rule to make target", cause, KindBuildError, regexp.MustCompile("No rule to make target [`'‘]([^'’]+)['’]")},
	{"*** ", cause, KindBuildError, regexp.MustCompile(`^[^\s:]+:\d+: \*\*\* |^make(?:\[\d+\])?: \*\*\* No targets`)},
	{"(ignored)", cause, ignored, regexp.MustCompile(`^make(?:\[\d+\])?: \[.*\] (?:Error \d+|\w.*) \(ignored\)$`)},
	{"ninja: error: ", cause, KindBuildError, nil},
	{"error: could not compile ", consequence, KindCompileError, nil},             // cargo
	{"error: aborting due to ", consequence, KindCompileError, nil},               // rustc
	{"error: test failed, to rerun", consequence, KindTestFailure, nil},           // cargo
	{"error: linking with ", cause, KindLinkError, nil},                           // rustc
	{"FAILED: ", consequence, KindBuildError, regexp.MustCompile(`^FAILED: \S+`)}, // ninja
	{"ninja: build stopped", consequence, KindBuildError, nil},
	{"*** ", consequence, KindBuildError, regexp.MustCompile(`^g?make(?:\[\d+\])?: \*\*\* `)},
	{"returned non-zero exit status", consequence, KindCommandFailed, nil}, // Python's subprocess

	// Programs that die.
	{"Segmentation fault", cause, KindCrash, nil},
	{"Illegal instruction", cause, KindCrash, nil},
	{"Bus error", cause, KindCrash, nil},
	{"Floating point exception", cause, KindCrash, nil},
	{"core dumped", hint, KindCrash, nil},
	{"Aborted", hint, KindCrash, regexp.MustCompile(`(?:^|: +\d+ |: )Aborted\b`)},
	{"Killed", hint, KindCrash, regexp.MustCompile(`^(?:\S*rpm-tmp\.\w+: line \d+:)? +\d+ Killed|^make(?:\[\d+\])?: \*\*\* .* Killed$`)},
	{"ERROR: AddressSanitizer", cause, KindCrash, nil},
	{"Assertion `", cause, KindTestFailure, regexp.MustCompile("Assertion `.*' failed")},
	{"panic: ", cause, KindTestFailure, regexp.MustCompile(`^panic: `)}, // Go
	{"panicked at ", cause, KindTestFailure, regexp.MustCompile(`^thread '([^']+)' panicked at `)},

	// Tests.
	{"E   ", cause, KindTestFailure, regexp.MustCompile(`^E   \s*\S`)}, // pytest
	{"--- FAIL: ", hint, KindTestFailure, regexp.MustCompile(`^\s*--- FAIL: (\S+)`)},
	{"FAIL: ", hint, KindTestFailure, regexp.MustCompile(`^FAIL: (.+)`)},                      // automake, unittest
	{"Failed test ", hint, KindTestFailure, regexp.MustCompile(`^#\s+Failed test '([^']+)'`)}, // Perl
	{"not ok ", hint, KindTestFailure, regexp.MustCompile(`^\s*not ok \d+(?: [^#]*)?$`)},
	{"FAILED ", hint, KindTestFailure, regexp.MustCompile(`^FAILED (\S+::\S+)`)},
	{"***Failed", hint, KindTestFailure, regexp.MustCompile(`Test +#\d+: (\S+) `)},
	{"***Exception", hint, KindTestFailure, regexp.MustCompile(`Test +#\d+: (\S+) `)},
	{"***Timeout", hint, KindTestFailure, regexp.MustCompile(`Test +#\d+: (\S+) `)},
	{"***Not Run", hint, KindTestFailure, regexp.MustCompile(`Test +#\d+: (\S+) `)},
	{" FAIL ", hint, KindTestFailure, regexp.MustCompile(`^ *\d+/\d+ (.+?) +FAIL `)},        // meson
	{" TIMEOUT ", hint, KindTestFailure, regexp.MustCompile(`^ *\d+/\d+ (.+?) +TIMEOUT `)},  // meson
	{" ... FAILED", hint, KindTestFailure, regexp.MustCompile(`^test (\S+) \.\.\. FAILED`)}, // cargo
	{"FAILED", consequence, KindTestFailure, nil},
	{"Result: FAIL", consequence, KindTestFailure, nil}, // Perl's prove

	// Summaries.
	{"aborted due to compilation errors", consequence, KindCompileError, nil},                      // Perl
	{"BEGIN failed--compilation aborted", consequence, KindCompileError, nil},                      // Perl
	{"fatal error", consequence, KindCompileError, regexp.MustCompile(`found \d+ fatal errors?$`)}, // gettext
	{"compilation terminated.", consequence, KindCompileError, nil},                                // gcc

	// All programs.
	{"AssertionError", hint, KindTestFailure, nil},
	{"error: ", hint, KindCommandFailed, regexp.MustCompile(`^error: `)},
	{": error: ", hint, KindCommandFailed, nil},
	{"fatal: ", hint, KindCommandFailed, regexp.MustCompile(`^fatal: `)}, // git
	{"Permission denied", hint, KindPermission, nil},
	{"Operation not permitted", hint, KindPermission, nil},
	{"Read-only file system", hint, KindPermission, nil},
	{"No such file or directory", hint, KindMissingFile, regexp.MustCompile(`['‘]?([^\s'‘’:]+)['’]?: No such file or directory`)},
	{"Error: ", hint, KindCommandFailed, nil},
	{"ERROR: ", hint, KindCommandFailed, nil},
	{"error:", hint, KindCommandFailed, nil},
	{"unbound variable", hint, KindCommandFailed, nil},
	{" line ", location, KindCommandFailed, regexp.MustCompile(`.+ at (\S+) line \d+\.$`)},                           // Perl
	{":in `", location, KindCommandFailed, regexp.MustCompile("^(\\S+):\\d+:in `[^']*': .")},                         // Ruby
	{": ", location, KindCommandFailed, regexp.MustCompile(`^([\w./+-]*[a-zA-Z][\w./+-]*):\d+(?:[.:]\d+)?: [^:]*$`)}, // GNU Coding Standards, "Errors"
}

// noJobControl is bash's answer to a command that begins with a percent sign.
const noJobControl = ": fg: no job control"

// judge says how well one line tells what went wrong, what that is and about
// which object. Locations, which take time to see, are looked for when they are
// wanted.
func judge(line string, locations bool) (kind Kind, best quality, object string) {
	// Tests of configure, CMake and Meson fail as a matter of course, and
	// warnings end nothing: but that of a missing network may be all that is
	// said of it.
	if strings.HasPrefix(line, "checking ") || strings.HasPrefix(line, "-- ") {
		return "", nothing, ""
	}
	found := signsIn(line)
	if found == (signSet{}) {
		return "", nothing, ""
	}
	warning := strings.Contains(line, "warning: ") || strings.HasPrefix(line, "WARNING: ")
	for i := range signs {
		s := &signs[i]
		if !found.has(i) || s.quality <= best || s.quality == location && !locations || warning && s.kind != KindNetworkNeeded {
			continue
		}
		about := ""
		if s.pattern != nil {
			m := s.pattern.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			if len(m) > 1 {
				about = m[1]
			}
		}
		kind, best, object = s.kind, s.quality, about
	}
	return kind, best, object
}

// signSet holds places in signs.
type signSet [4]uint64

func (s *signSet) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s *signSet) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

// signsIn are the signs whose text is in a line, found in one pass: builds
// print hundreds of megabytes.
func signsIn(line string) (found signSet) {
	for i := 0; i+1 < len(line); i++ {
		pair := uint16(line[i])<<8 | uint16(line[i+1])
		if signIndex.pairs[pair/64]&(1<<(pair%64)) == 0 {
			continue
		}
		for _, s := range signIndex.begin[pair] {
			if strings.HasPrefix(line[i:], signs[s].text) {
				found.add(s)
			}
		}
	}
	return found
}

// signIndex finds signs by their first two bytes.
var signIndex = indexSigns()

type index struct {
	pairs [1 << 16 / 64]uint64 // a bit for each pair of bytes that begins a sign
	begin map[uint16][]int
}

func indexSigns() *index {
	x := &index{begin: map[uint16][]int{}}
	for i, s := range signs {
		pair := uint16(s.text[0])<<8 | uint16(s.text[1])
		x.pairs[pair/64] |= 1 << (pair % 64)
		x.begin[pair] = append(x.begin[pair], i)
	}
	return x
}
