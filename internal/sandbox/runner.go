package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"syscall"
)

// ErrUnsupported is what New's error wraps when this host lets the caller make
// no sandbox at all. [Probe] tells what to do.
var ErrUnsupported = errors.New("this host allows no sandbox")

// Config is what an operator may choose. The zero value is usable.
type Config struct {
	// UIDBase is the first host id of the range that root maps; the range has
	// 65536 ids, for users and groups alike. Default 200000. Unprivileged
	// callers have the ranges of /etc/subuid and /etc/subgid.
	UIDBase int
	// Mapping forces one strategy. By default New takes the first that works.
	Mapping MappingKind
	// CgroupParent is the control group below which each run gets one of its
	// own, default "distbot". A relative name is below the caller's own group,
	// so that limits of the caller hold for its sandboxes too; an absolute one
	// is below the root of the hierarchy. It is removed when empty, unless it
	// is absolute.
	CgroupParent string
	// NoCgroups leaves control groups alone; limits are rlimits only.
	NoCgroups bool
	// Log receives warnings about leftovers that could not be removed. Default:
	// none are written.
	Log *slog.Logger
}

// Runner runs sandboxes. It is safe for concurrent use and holds nothing that
// needs closing.
type Runner struct {
	mapping Mapping
	lastCap int
	cgroups *cgroupDriver
	log     *slog.Logger
	notes   []string
}

// Capabilities are what a Runner can do on this host.
type Capabilities struct {
	Mapping Mapping
	// Cgroups is "v1", "v2", "v1+v2" or "none".
	Cgroups string
	// MemoryLimit, PIDsLimit and CPULimit say whether a limit holds for the
	// sandbox as a whole. Otherwise memory and pids are limited by rlimits,
	// and CPUs are not.
	MemoryLimit, PIDsLimit, CPULimit bool
	// Owners says that package files of all owners can be unpacked.
	Owners bool
	// Notes tell why something better is not available.
	Notes []string
}

// New finds out, by trying, which id map can be used, and removes control
// groups left by callers that died. Its error wraps [ErrUnsupported] when none
// can be used.
func New(ctx context.Context, cfg Config) (*Runner, error) {
	lastCap, err := lastCapability()
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	r := &Runner{lastCap: lastCap, log: cfg.Log}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if err := r.chooseMapping(ctx, cfg); err != nil {
		return nil, err
	}
	if cfg.NoCgroups {
		r.cgroups = new(cgroupDriver)
		return r, nil
	}
	var notes []string
	r.cgroups, notes = newCgroupDriver(cfg.CgroupParent, r.log)
	r.notes = append(r.notes, notes...)
	return r, nil
}

// chooseMapping takes the first strategy with which a child really becomes
// root of its namespace.
func (r *Runner) chooseMapping(ctx context.Context, cfg Config) error {
	kinds := []MappingKind{MapSubID, MapSingle}
	if os.Geteuid() == 0 {
		kinds = []MappingKind{MapRoot, MapSubID, MapSingle}
	}
	if cfg.Mapping != "" {
		kinds = []MappingKind{cfg.Mapping}
	}
	var errs []error
	for _, kind := range kinds {
		m, err := mappingOf(kind, cfg)
		if err == nil {
			err = r.try(ctx, m)
		}
		if err == nil {
			r.mapping = m
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("sandbox: try id map: %w", context.Cause(ctx))
		}
		errs = append(errs, err)
		r.notes = append(r.notes, fmt.Sprintf("no %s id map: %v", kind, err))
	}
	return fmt.Errorf("sandbox: %w: %w", ErrUnsupported, errors.Join(errs...))
}

func mappingOf(kind MappingKind, cfg Config) (Mapping, error) {
	switch kind {
	case MapRoot:
		base := cfg.UIDBase
		if base == 0 {
			base = defaultBase
		}
		return Mapping{Kind: MapRoot, UIDBase: base, UIDCount: rangeSize, GIDBase: base, GIDCount: rangeSize}, nil
	case MapSubID:
		return subIDMapping()
	case MapSingle:
		return Mapping{Kind: MapSingle, UIDBase: os.Geteuid(), UIDCount: 1, GIDBase: os.Getegid(), GIDCount: 1}, nil
	}
	return Mapping{}, fmt.Errorf("sandbox: unknown mapping %q", kind)
}

// try lets a child take id 0 of m.
func (r *Runner) try(ctx context.Context, m Mapping) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, err := startProcess(r.lastCap, 0)
	if err != nil {
		return explainStart(err)
	}
	defer p.wait()
	defer context.AfterFunc(ctx, p.kill)()
	uids, gids := m.payloadMaps()
	if err := m.apply(ctx, p.pid(), uids, gids); err != nil {
		p.kill()
		return err
	}
	_, err = p.ask(&request{SetGroups: m.Kind != MapSingle, Files: &fileRequest{Op: opNothing}})
	return err
}

// explainStart adds to an error of clone what usually causes it.
func explainStart(err error) error {
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w (user namespaces are forbidden: see kernel.apparmor_restrict_unprivileged_userns, kernel.unprivileged_userns_clone, or the container's seccomp profile)", err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EUSERS):
		return fmt.Errorf("%w (the limit user.max_user_namespaces is reached)", err)
	}
	return err
}

// Mapping tells how ids inside relate to ids of the host.
func (r *Runner) Mapping() Mapping { return r.mapping }

// Capabilities tells what can be enforced on this host.
func (r *Runner) Capabilities() Capabilities {
	c := r.cgroups
	return Capabilities{
		Mapping: r.mapping, Cgroups: c.kind(),
		MemoryLimit: c.has("memory"), PIDsLimit: c.has("pids"), CPULimit: c.has("cpu"),
		Owners: r.mapping.Kind != MapSingle,
		Notes:  append([]string(nil), r.notes...),
	}
}
