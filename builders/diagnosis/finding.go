package diagnosis

import (
	"context"
	"fmt"
)

// Phase is a step of a task that people and reasons refer to.
type Phase string

// The phases, in the order in which a task goes through them. Post is what
// follows once the packages are written: %clean and taking them out of the
// buildroot. No log is read of the last two, which are the hub's.
const (
	PhaseSources   Phase = "sources"
	PhaseBuildroot Phase = "buildroot"
	PhaseSRPM      Phase = "srpm"
	PhasePrep      Phase = "prep"
	PhaseBuild     Phase = "build"
	PhaseInstall   Phase = "install"
	PhaseCheck     Phase = "check"
	PhaseFiles     Phase = "files"
	PhasePost      Phase = "post"
	PhaseVerify    Phase = "verify"
	PhaseImport    Phase = "import"
)

// Known reports whether this is one of the phases above.
func (p Phase) Known() bool {
	switch p {
	case PhaseSources, PhaseBuildroot, PhaseSRPM, PhasePrep, PhaseBuild, PhaseInstall, PhaseCheck, PhaseFiles, PhasePost, PhaseVerify, PhaseImport:
		return true
	}
	return false
}

// Kind is what went wrong, for counting and for programs.
type Kind string

// The kinds. Those of the first group are the host's or a repository's fault
// when Finding.Infrastructure is true, and else the package's.
const (
	KindOutOfMemory Kind = "out-of-memory"
	KindTimeOut     Kind = "time-out"
	KindDiskFull    Kind = "disk-full"
	KindLogSize     Kind = "log-size"
	KindFileSize    Kind = "file-size"
	KindProcesses   Kind = "processes"
	KindKilled      Kind = "killed" // by a signal nobody here sent

	KindRepository       Kind = "repository"        // can't be read
	KindCorruptDownload  Kind = "corrupt-download"  // is not what the metadata says
	KindBuilderSetup     Kind = "builder-setup"     // the host lacks something
	KindMissingRequires  Kind = "missing-requires"  // no repository provides it
	KindConflict         Kind = "conflict"          // requirements exclude one another
	KindFileConflict     Kind = "file-conflict"     // two packages have one file
	KindScriptlet        Kind = "scriptlet"         // of a package of the buildroot
	KindBuildroot        Kind = "buildroot"         // anything else about it
	KindBadSpec          Kind = "bad-spec"          // rpm can't use it
	KindWrongArch        Kind = "wrong-arch"        // not for this architecture
	KindMissingSource    Kind = "missing-source"    // a Source or Patch that is not there
	KindBadSource        Kind = "bad-source"        // an archive that can't be unpacked
	KindPatchHunk        Kind = "patch-hunk"        // a patch that does not apply
	KindUndefinedMacro   Kind = "undefined-macro"   // run as a command
	KindMissingCommand   Kind = "missing-command"   // not in the buildroot
	KindMissingModule    Kind = "missing-module"    // of Python, Perl or Ruby
	KindMissingHeader    Kind = "missing-header"    // of C or C++
	KindConfigure        Kind = "configure-error"   // autoconf, CMake, Meson
	KindCompileError     Kind = "compile-error"     // of any language
	KindLinkError        Kind = "link-error"        // ld
	KindBuildError       Kind = "build-error"       // make, ninja, cargo, go themselves
	KindNetworkNeeded    Kind = "network-needed"    // there is none during a build
	KindPermission       Kind = "permission-denied" // EACCES, EPERM, EROFS
	KindMissingFile      Kind = "missing-file"      // a script wanted it
	KindCrash            Kind = "crash"             // a program died by a signal
	KindTestFailure      Kind = "test-failure"
	KindCommandFailed    Kind = "command-failed" // without known words
	KindUnpackagedFiles  Kind = "unpackaged-files"
	KindMissingFiles     Kind = "missing-files" // %files names what was not installed
	KindBadFiles         Kind = "bad-files"     // %files can't be used otherwise
	KindArchInNoarch     Kind = "arch-in-noarch"
	KindUnreadableResult Kind = "unreadable-result" // what the build left is no package
)

// MaxReason bounds a reason, in characters: GitHub cuts the description of a
// commit status there.
const MaxReason = 140

// Bounds of what a finding holds; what is more is counted in the reason.
const (
	maxExcerpt     = 8
	maxExcerptLine = 240
	maxMissing     = 50
	maxUnpackaged  = 200
	maxNotSearched = 20
)

// Finding is why a step failed. All texts are printable UTF-8 without line
// breaks; they may be a hostile build's words.
type Finding struct {
	Phase Phase `json:"phase"`
	Kind  Kind  `json:"kind"`
	// Infrastructure is true when the package is not to blame and trying again
	// may help.
	Infrastructure bool `json:"infrastructure,omitempty"`
	// Reason is what happened, to which object: at most MaxReason characters.
	Reason string `json:"reason"`
	// LogFile is the name of the log (checkout.log, root.log, build.log) in which Line, from
	// 1, is the first real error. Lines end with \n only. Both are empty when no
	// log says it.
	LogFile string `json:"log_file,omitempty"`
	Line    int    `json:"line,omitempty"`
	// Excerpt is that line and a few that follow it.
	Excerpt []string `json:"excerpt,omitempty"`
	// Object is the file, patch, macro, command or tag it is about; empty when
	// there is no single one.
	Object string `json:"object,omitempty"`
	// Missing are the requirements that could not be met.
	Missing []Requirement `json:"missing,omitempty"`
	// NotSearched names the repositories of the buildroot in which nobody looked
	// for what comes nearest to Missing: what is told as nearest may not be, and
	// where nothing is told something may be there.
	NotSearched []string `json:"not_searched,omitempty"`
	// Unpackaged are the files that were installed and are in no package.
	Unpackaged []string `json:"unpackaged,omitempty"`
	// SpecLine is the line of the spec, from 1, that an annotation belongs to;
	// 0 when none can be named.
	SpecLine int `json:"spec_line,omitempty"`
}

// Requirement is something that a buildroot should hold.
type Requirement struct {
	// Text is the requirement in RPM's words: pkgconfig(greet) >= 1.2.
	Text string `json:"text"`
	// NeededBy is the package that requires it; empty for the spec itself.
	NeededBy string `json:"needed_by,omitempty"`
	// Nearest says in words what comes close, the best first.
	Nearest []string `json:"nearest,omitempty"`
}

// Providers knows what the repositories of a buildroot provide.
type Providers interface {
	// Nearest says in words what comes close to a requirement which nothing
	// meets, the best first: another version of the same, or a similar name.
	// Empty when nothing does.
	Nearest(ctx context.Context, requirement string) ([]string, error)
}

// maxNearest bounds how many of them are told.
const maxNearest = 3

// maxAsked bounds how many requirements providers are looked for.
const maxAsked = 10

// AddNearest asks for what comes close to each missing requirement of the spec,
// and tells it in the reason when it fits. Errors are the providers'; what was
// found before stays.
func (f *Finding) AddNearest(ctx context.Context, providers Providers) error {
	for i := range f.Missing[:min(len(f.Missing), maxAsked)] {
		missing := &f.Missing[i]
		if missing.NeededBy != "" {
			continue
		}
		nearest, err := providers.Nearest(ctx, missing.Text)
		if err != nil {
			return fmt.Errorf("diagnosis: look for %s: %w", missing.Text, err)
		}
		missing.Nearest = clipAll(nearest, maxNearest)
	}
	if len(f.Missing) == 1 && len(f.Missing[0].Nearest) > 0 {
		if longer := f.Reason + ": " + f.Missing[0].Nearest[0]; clip(longer, MaxReason) == longer {
			f.Reason = longer
		}
	}
	return nil
}

// Exit is how the command of a step ended, as its driver measured it.
type Exit struct {
	Step Step `json:"step"`
	// Code is the exit code; 128+n when signal n ended it.
	Code int `json:"code"`
	// Signal ended the command; 0 when it exited by itself.
	Signal int `json:"signal,omitempty"`
	// OutOfMemory says that the kernel killed a process of the step at its
	// memory limit.
	OutOfMemory bool `json:"out_of_memory,omitempty"`
	// Temporary says that who ran the step expects another try to help. It is
	// asked for StepSources only.
	Temporary bool `json:"temporary,omitempty"`
	// Limit is set when the driver ended the command.
	Limit *Limit `json:"limit,omitempty"`
}

// Limit is what a driver ended a command for. As an error it is what the
// driver's parts tell each other.
//
//nolint:errname // a limit is a noun of the domain
type Limit struct {
	// Kind is KindOutOfMemory, KindTimeOut, KindDiskFull, KindLogSize or
	// KindKilled.
	Kind Kind `json:"kind"`
	// Infrastructure is true when it was not the package's own limit.
	Infrastructure bool `json:"infrastructure,omitempty"`
	// Reason is what people are told.
	Reason string `json:"reason"`
	Err    error  `json:"-"`
}

// Error implements error.
func (l *Limit) Error() string { return l.Reason }

// Unwrap returns the cause.
func (l *Limit) Unwrap() error { return l.Err }

// Limited is the finding of a limit that was met where no log is written.
func Limited(phase Phase, limit *Limit) Finding {
	return Finding{Phase: phase, Kind: limit.Kind, Infrastructure: limit.Infrastructure, Reason: clip(limit.Reason, MaxReason)}
}
