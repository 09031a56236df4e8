package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// run is one call of Debian, its options checked and filled in.
type run struct {
	arch     architecture
	out      string
	cache    string
	packages []string
	jobs     int
	log      *slog.Logger
	tables   *tables

	mu     sync.Mutex
	report func(Progress)
}

func newRun(o Options) (*run, error) {
	arch, err := architectureByRPM(o.Arch)
	if err != nil {
		return nil, err
	}
	tb, err := loadTables()
	if err != nil {
		return nil, err
	}
	r := &run{arch: arch, packages: o.Packages, jobs: o.Jobs, log: o.Log, report: o.Progress, tables: tb}
	if r.out, err = repositoryPath(o.Out); err != nil {
		return nil, err
	}
	if r.cache, err = cachePath(o.Cache); err != nil {
		return nil, err
	}
	if len(r.packages) == 0 {
		r.packages = DefaultPackages()
	}
	for _, name := range r.packages {
		if !debianName.MatchString(name) {
			return nil, fmt.Errorf("bootstrap: choose packages: %q is not the name of a Debian package", name)
		}
	}
	r.packages = slices.Compact(slices.Sorted(slices.Values(r.packages)))
	if r.jobs <= 0 {
		r.jobs = runtime.NumCPU()
	}
	if r.log == nil {
		r.log = slog.Default()
	}
	return r, nil
}

// repositoryPath follows links, so that the directory is replaced and not the
// link to it.
func repositoryPath(out string) (string, error) {
	if out == "" {
		return "", errors.New("bootstrap: choose output directory: none given")
	}
	abs, err := filepath.Abs(out)
	if err != nil {
		return "", fmt.Errorf("bootstrap: choose output directory: %w", err)
	}
	resolved, err := filepath.EvalSymlinks(abs)
	if errors.Is(err, fs.ErrNotExist) {
		return abs, nil
	}
	if err != nil {
		return "", fmt.Errorf("bootstrap: choose output directory: %w", err)
	}
	return resolved, nil
}

func cachePath(cache string) (string, error) {
	if cache == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("bootstrap: choose cache directory: %w", err)
		}
		cache = filepath.Join(base, "distbot", "bootstrap")
	}
	abs, err := filepath.Abs(cache)
	if err != nil {
		return "", fmt.Errorf("bootstrap: choose cache directory: %w", err)
	}
	return abs, nil
}

// debian does the work; the cache is locked.
func (r *run) debian(ctx context.Context) (*Result, error) {
	if err := replaceable(r.out); err != nil {
		return nil, err
	}
	t, err := findTools(filepath.Join(r.cache, "work"))
	if err != nil {
		return nil, err
	}
	a, err := newApt(ctx, t, filepath.Join(r.cache, "apt", r.arch.deb), r.arch)
	if err != nil {
		return nil, err
	}
	lists, err := a.stamp(ctx)
	if err != nil {
		return nil, err
	}
	builds, err := converterDigest(ctx, t)
	if err != nil {
		return nil, err
	}
	key := digest(lists, builds, r.arch.rpm, strings.Join(r.packages, " "))
	if m, ok := intact(r.out, key); ok {
		return &Result{Path: r.out, Packages: m.Packages, Groups: m.Groups, UpToDate: true}, nil
	}
	debs, err := r.fetch(ctx, a)
	if err != nil {
		return nil, err
	}
	artifacts, groups, err := r.convert(ctx, packer{tools: t, arch: r.arch, cache: r.cache, builds: builds}, debs)
	if err != nil {
		return nil, err
	}
	r.progress(Progress{Stage: StagePublish, Total: 1})
	m, err := publish(ctx, r.out, manifest{Key: key, Arch: r.arch.rpm, Groups: groups}, artifacts)
	if err != nil {
		return nil, err
	}
	r.progress(Progress{Stage: StagePublish, Done: 1, Total: 1})
	return &Result{Path: r.out, Packages: m.Packages, Groups: m.Groups}, nil
}

func (r *run) progress(p Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tell(p)
}

// tell reports with mu held.
func (r *run) tell(p Progress) {
	if r.report != nil {
		r.report(p)
	}
}
