package bootstrap

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/distbot/distbot/internal/rpmfile"
)

// converterVersion is the version of distbot's own RPMs and part of every
// cache key. Raise it when the rules of conversion change; the tables below
// assets/ count by their content.
const converterVersion = "1"

var (
	// ErrUnknownArch: the architecture is none that Debian and RPM share.
	ErrUnknownArch = errors.New("unknown architecture")
	// ErrToolMissing: a program is not installed, or this is no Debian host.
	ErrToolMissing = errors.New("program not found")
	// ErrNoLists: apt knows no packages for the architecture. For the host's
	// own the administrator runs apt-get update; for a foreign one the host's
	// sources do not carry it.
	ErrNoLists = errors.New("apt has no package lists")
	// ErrNotARepository: Out holds something that was not made here.
	ErrNotARepository = errors.New("not a repository made by distbot bootstrap")
)

// Options of Debian.
type Options struct {
	// Arch is the RPM name of the architecture: x86_64, aarch64, riscv64,
	// ppc64le or s390x. Required. One that is not the host's needs the host's
	// apt sources to carry it; nothing of it is run here.
	Arch string
	// Out is the directory of the repository. Required. It may be absent,
	// empty, or a repository made here before, which is replaced.
	Out string
	// Cache keeps package lists of foreign architectures, downloaded packages
	// and finished RPMs. Default $XDG_CACHE_HOME/distbot/bootstrap or
	// ~/.cache/distbot/bootstrap. Several processes may share it; they take
	// turns. It is never pruned; deleting it, or a part of it, costs only time
	// (apt/ARCH: the lists of a foreign architecture are fetched once).
	Cache string
	// Packages are names of Debian packages; what they depend on comes too.
	// Default DefaultPackages.
	Packages []string
	// Jobs is how many packages are converted at a time. Default: the number
	// of CPUs.
	Jobs int
	// Progress, if set, is told of each step, one call at a time.
	Progress func(Progress)
	// Log, default slog.Default, receives one line per stage.
	Log *slog.Logger
}

// Stage is a part of the work.
type Stage string

// The stages, in order. An up-to-date repository goes through none of them.
const (
	StageResolve  Stage = "resolve"
	StageDownload Stage = "download"
	StageConvert  Stage = "convert"
	StagePublish  Stage = "publish"
)

// Progress is a moment in the work: Done of Total steps of Stage are done, the
// last of them for Package (empty at a stage's start).
type Progress struct {
	Stage       Stage
	Package     string
	Done, Total int
}

// Package is an RPM of the repository.
type Package struct {
	rpmfile.NEVRA        // Arch is noarch, or as in Options
	File          string `json:"file"` // relative to the repository
	SHA256        string `json:"sha256"`
	Size          int64  `json:"size"` // bytes
	// Source is the Debian package it was made of, empty for distbot's own.
	Source       string `json:"source,omitempty"`
	SourceSHA256 string `json:"source_sha256,omitempty"`
}

// Result describes the repository.
type Result struct {
	Path     string    // absolute
	Packages []Package // sorted by name
	Groups   []Group   // as in the repository's comps
	// UpToDate says that the repository was there already and is intact.
	UpToDate bool
	Elapsed  time.Duration
}

// Debian makes a repository of RPMs from the packages of the Debian (or
// Ubuntu) host it runs on, as root or not. The same Debian packages give the
// same bytes. It may be called concurrently, also from several processes; calls
// with one cache take turns.
//
// It returns ErrUnknownArch, ErrToolMissing, ErrNoLists or ErrNotARepository,
// else an error that ends with what the failing program said.
func Debian(ctx context.Context, o Options) (*Result, error) {
	start := time.Now()
	run, err := newRun(o)
	if err != nil {
		return nil, err
	}
	release, err := openCache(ctx, run.cache)
	if err != nil {
		return nil, err
	}
	result, err := run.debian(ctx)
	if err := errors.Join(err, release()); err != nil {
		return nil, err
	}
	result.Elapsed = time.Since(start)
	run.log.Info("bootstrap repository ready", "path", result.Path, "packages", len(result.Packages),
		"up_to_date", result.UpToDate, "elapsed", result.Elapsed)
	return result, nil
}
