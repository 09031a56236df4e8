package builders

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/store"
)

// Bounds of what one task may leave behind.
const (
	maxResults     = 5000
	maxResultBytes = 16 << 30
)

// result is one verified package in the store.
type result struct {
	file string
	pkg  *rpmfile.Package
	blob store.Blob
}

// checker judges the header of a result. What it returns fails the task.
type checker func(file string, pkg *rpmfile.Package) error

// gatherer brings the results of an attempt into the store, each judged.
type gatherer func(ctx context.Context, check checker) ([]result, error)

// collect reads every package a driver left in dir, checks it and puts it into the
// store. check sees the header; what it returns fails the task. Nothing else
// than regular files named *.rpm may lie there.
func (s *Stages) collect(ctx context.Context, dir string, check checker) ([]result, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("builders: read results: %w", err)
	}
	if len(entries) > maxResults {
		return nil, &Failure{Phase: PhaseVerify, Reason: fmt.Sprintf("the build left %d files, more than %d", len(entries), maxResults)}
	}
	var results []result
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if !entry.Type().IsRegular() || !strings.HasSuffix(entry.Name(), ".rpm") {
			return nil, &Failure{Phase: PhaseVerify, Reason: fmt.Sprintf("the build left %q, which is no package", entry.Name())}
		}
		info, err := entry.Info()
		if err != nil {
			return nil, fmt.Errorf("builders: read results: %w", err)
		}
		if info.Size() > maxResultBytes {
			return nil, &Failure{Phase: PhaseVerify, Reason: fmt.Sprintf("%s has %d bytes, more than %d", entry.Name(), info.Size(), int64(maxResultBytes))}
		}
		r, err := s.take(ctx, filepath.Join(dir, entry.Name()), check)
		if err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	return results, nil
}

// take stores one file first and judges what is stored: nobody can change it
// between the two.
func (s *Stages) take(ctx context.Context, path string, check checker) (result, error) {
	name := filepath.Base(path)
	blob, err := s.Store.Import(ctx, path, "", maxResultBytes)
	if err != nil {
		return result{}, fmt.Errorf("builders: store %s: %w", name, err)
	}
	return s.judge(name, blob, check)
}

// judge reads a stored result and has it checked.
func (s *Stages) judge(name string, blob store.Blob, check checker) (result, error) {
	pkg, digest, err := rpmfile.ReadFile(s.Store.Path(blob))
	if err != nil {
		return result{}, unreadable(name+" can't be read", err)
	}
	if digest.SHA256 != blob.SHA256 {
		return result{}, fmt.Errorf("builders: store %s: the blob changed under its name", name)
	}
	if err := check(name, pkg); err != nil {
		return result{}, err
	}
	// What repository metadata can't express, or what is more than its readers
	// take, would hold up the repositories of all tags that it gets into.
	item := repomd.Item{NEVRA: pkg.NEVRA, File: repomd.File{Href: name, SHA256: digest.SHA256, Size: digest.Size}}
	if _, err := repomd.Describe(pkg, item); err != nil {
		return result{}, &Failure{Phase: PhaseVerify, Reason: fmt.Sprintf("%s can't be in a repository: %v", name, err), Err: err}
	}
	return result{file: name, pkg: pkg, blob: blob}, nil
}

// unreadable is why a stored package can't be read: the package is to blame,
// unless it was the disk.
func unreadable(what string, err error) error {
	var disk *fs.PathError
	return &Failure{
		Phase: PhaseVerify, Infrastructure: errors.As(err, &disk), Reason: fmt.Sprintf("%s: %v", what, err), Err: err,
	}
}

// checkBinary refuses a binary package that does not belong to the build: by
// its name, by the source package it says it came from, by its architecture or
// by the machine of the programs in it.
func checkBinary(nvr string, arches []string) func(string, *rpmfile.Package) error {
	return func(file string, pkg *rpmfile.Package) error {
		refuse := func(format string, args ...any) error {
			return &Failure{Phase: PhaseVerify, Reason: file + " " + fmt.Sprintf(format, args...)}
		}
		switch {
		case pkg.Source:
			return refuse("is a source package")
		case file != pkg.NVRA()+".rpm":
			return refuse("says it is %s", pkg.NVRA())
		case pkg.SourceRPM != nvr+".src.rpm":
			return refuse("says it was built from %q, this is %s.src.rpm", pkg.SourceRPM, nvr)
		case !slices.Contains(arches, pkg.Arch):
			return refuse("is for %s, this task builds %s", pkg.Arch, strings.Join(arches, " and "))
		}
		return nil
	}
}

// checkMachines refuses packages that hold programs of another machine than
// the package's architecture.
func (s *Stages) checkMachines(results []result) error {
	for _, r := range results {
		file, err := s.Store.OpenBlob(r.blob)
		if err != nil {
			return fmt.Errorf("builders: open %s: %w", r.file, err)
		}
		err = rpmfile.CheckELF(file, r.pkg, rpmfile.Limits{})
		file.Close()
		var machine *rpmfile.ELFError
		switch {
		case errors.As(err, &machine):
			return &Failure{Phase: PhaseVerify, Reason: r.file + ": " + machine.Error(), Err: err}
		case err != nil:
			return unreadable(r.file+": its payload can't be read", err)
		}
	}
	return nil
}

// record notes results and buildroot of the attempt in tx.
func (a *Attempt) record(ctx context.Context, tx pgx.Tx, outcome Outcome, results []result) error {
	record := db.RecordResultsParams{
		TaskID: a.task.ID, Attempt: a.task.Attempt, Tag: a.build.BuildTagName, RootArch: a.task.RootArch,
		RepoKey: outcome.RepoKey, Driver: outcome.Driver, Recipe: a.recipe,
	}
	for _, r := range results {
		kind := "rpm"
		if r.pkg.Source {
			kind = "srpm"
		}
		record.Names, record.Kinds = append(record.Names, r.file), append(record.Kinds, kind)
		record.Sha256s, record.Sizes = append(record.Sha256s, r.blob.SHA256), append(record.Sizes, r.blob.Size)
		record.RpmNames, record.Epochs = append(record.RpmNames, r.pkg.Name), append(record.Epochs, int32(r.pkg.Epoch))
		record.Versions, record.Releases = append(record.Versions, r.pkg.Version), append(record.Releases, r.pkg.Release)
		record.Arches, record.BuildTimes = append(record.Arches, r.pkg.Arch), append(record.BuildTimes, r.pkg.BuildTime)
	}
	for _, installed := range outcome.Installed {
		record.Nevras, record.Digests = append(record.Nevras, installed.NEVRA), append(record.Digests, installed.Digest)
		record.Repos, record.RepoSha256s = append(record.Repos, installed.Repo), append(record.RepoSha256s, installed.SHA256)
	}
	if err := db.New(tx).RecordResults(ctx, record); err != nil {
		return fmt.Errorf("builders: record results: %w", err)
	}
	return nil
}
