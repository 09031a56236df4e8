package builders

import (
	"context"
	"time"

	"github.com/distbot/distbot/builders/diagnosis"
)

// Driver makes packages in isolation. Implementations are safe for concurrent
// use, end the whole process tree of a build when its context ends, and leave
// nothing behind but what they wrote to the order's directories.
type Driver interface {
	// Name is the driver's name in distbot.yaml.
	Name() string

	// SRPM makes one source package from a checked-out package. Macros of the
	// spec are evaluated inside the isolation only.
	SRPM(ctx context.Context, order SRPMOrder) (Outcome, error)

	// Build makes the binary packages of a source package for one
	// architecture.
	Build(ctx context.Context, order BuildOrder) (Outcome, error)
}

// Order is what both kinds of work need. An error of a driver is a *Failure,
// or the context's cause.
type Order struct {
	TaskID  int64
	Attempt int32
	Root    Recipe
	// Epoch is the commit's time: SOURCE_DATE_EPOCH.
	Epoch time.Time
	// ResultDir is an empty directory; the driver leaves the packages in it,
	// as regular files with no directories between.
	ResultDir string
	// LogDir is a directory for root.log and build.log, which people follow
	// while they grow.
	LogDir string
	// Phase is told when a phase begins, by one goroutine at a time and never
	// after the driver's answer. Never nil.
	Phase func(Phase)
}

// SRPMOrder asks for a source package.
type SRPMOrder struct {
	Order
	// SourceDir holds the spec and every source and patch.
	SourceDir string
	// Spec is the spec's file name in SourceDir.
	Spec string
	// History is a file with the package's history, for autospec.Decode; empty
	// when the spec uses neither %autorelease nor %autochangelog. With it the
	// driver computes them by autospec.Process, evaluating the specs of the
	// history inside the isolation, and makes the package of the processed spec.
	History string
}

// BuildOrder asks for binary packages.
type BuildOrder struct {
	Order
	// SRPM is the path of the source package.
	SRPM string
	// Arch is what rpmbuild is told as target: the root's architecture or
	// noarch.
	Arch string
}

// Recipe says what a buildroot is made of.
type Recipe struct {
	Tag  string
	Arch string
	// Repos in the order they win.
	Repos []Repo
	// Install names the packages every root of the tag holds: its group build
	// or srpm-build.
	Install []string
	// Macros are set in the buildroot, for example dist = .fc37.
	Macros map[string]string
}

// Repo is a repository that a buildroot is installed from.
type Repo struct {
	Name string
	// URL is file:// for a directory of this host, else http(s)://.
	URL string
	// Cost orders repositories of equal content: lower wins.
	Cost int
}

// Outcome is what a driver tells of a success.
type Outcome struct {
	// Driver is the driver's name; whoever called it notes it.
	Driver string
	// RepoKey identifies the content of the repositories the root came from.
	RepoKey string
	// Installed is what the buildroot held when the build began.
	Installed []Installed
}

// Installed is one package of a buildroot.
type Installed struct {
	NEVRA string
	// Digest is the package's own digest of its header, hexadecimal.
	Digest string
	// Repo is the name of the recipe's repository that the package came from,
	// and SHA256 that of its file; both are empty where it is not known.
	Repo   string
	SHA256 string
}

// Phase is a step of a task that people and failure reasons refer to.
type Phase = diagnosis.Phase

// The phases of a source or arch task, in their order.
const (
	PhaseSources   = diagnosis.PhaseSources
	PhaseBuildroot = diagnosis.PhaseBuildroot
	PhaseSRPM      = diagnosis.PhaseSRPM
	PhasePrep      = diagnosis.PhasePrep
	PhaseBuild     = diagnosis.PhaseBuild
	PhaseInstall   = diagnosis.PhaseInstall
	PhaseCheck     = diagnosis.PhaseCheck
	PhaseFiles     = diagnosis.PhaseFiles
	PhasePost      = diagnosis.PhasePost
	PhaseVerify    = diagnosis.PhaseVerify
	PhaseImport    = diagnosis.PhaseImport
)
