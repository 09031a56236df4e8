package solv

/*
#include <stdlib.h>
#include "binding.h"
*/
import "C"

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/distbot/distbot/internal/rpmfile"
)

// Member is a package of a repository of the pool.
type Member struct {
	rpmfile.NEVRA
	Repo string
}

// Options say how jobs are solved.
type Options struct {
	// Weak also installs what is recommended, as dnf does unless
	// install_weak_deps is off.
	Weak bool
}

// Solve returns the packages that carrying out the jobs on an empty system
// installs, sorted by name, version, architecture and repository. The choice
// between several solutions is dnf's: best version, preferred repository, few
// packages; the same packages and jobs always give the same one. A job that
// can't be done is an *UnsolvableError; other errors are of the context, wrap
// ErrMalformed or ErrTooLarge, or are ErrClosed. The context ends the reading of
// file lists, but not the solving.
func (p *Pool) Solve(ctx context.Context, jobs []Job, opts Options) ([]Member, error) {
	if err := p.wantAll(jobs); err != nil {
		return nil, err
	}
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	queue, err := p.queue(jobs)
	if err != nil {
		return nil, fmt.Errorf("solv: solve: %w", err)
	}
	weak := C.int(0)
	if opts.Weak {
		weak = 1
	}
	solver := C.binding_solver(p.c, weak)
	defer C.solver_free(solver)
	if C.binding_solve(solver, unsafe.SliceData(queue), C.int(len(queue))) != 0 {
		return nil, &UnsolvableError{Problems: p.problems(solver)}
	}
	return p.sorted(takeIDs(C.binding_installed(solver))), nil
}

// wantAll notes the paths in jobs that are in filelists only.
func (p *Pool) wantAll(jobs []Job) error {
	for _, j := range jobs {
		if j.Requirement == "" {
			continue
		}
		d, err := ParseDependency(j.Requirement)
		if err != nil {
			return err
		}
		if err := p.wantDependency(d); err != nil {
			return err
		}
	}
	return nil
}

// wantDependency notes the paths in a dependency that are in filelists only.
func (p *Pool) wantDependency(d rpmfile.Dependency) error {
	parts, err := leaves(d)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if p.want(part.Name) {
			p.ready = false
		}
	}
	return nil
}

// queue is the jobs as libsolv reads them: pairs of action and selection.
func (p *Pool) queue(jobs []Job) ([]C.Id, error) {
	all, err := p.selectAll(jobs)
	if err != nil {
		return nil, err
	}
	actions := map[Action]C.Id{Install: C.SOLVER_INSTALL, Lock: C.SOLVER_LOCK, Favor: C.SOLVER_FAVOR, Disfavor: C.SOLVER_DISFAVOR}
	queue := make([]C.Id, 0, 2*len(jobs))
	for i, j := range jobs {
		action, ok := actions[j.Action]
		if !ok {
			return nil, fmt.Errorf("job %q: action %d: %w", j, j.Action, ErrMalformed)
		}
		queue = append(queue, action|all[i].how, all[i].what)
	}
	return queue, nil
}

// dependency is libsolv's id of a dependency.
func (p *Pool) dependency(d rpmfile.Dependency) (C.Id, error) {
	if err := check(d); err != nil {
		return 0, err
	}
	var buf []byte
	if isRich(d) {
		t, err := parseRich(d.Name)
		if err == nil {
			_, err = richWork(t, p.countProviders([]*term{t}))
		}
		if err != nil {
			return 0, err
		}
		buf = t.code(nil)
	} else {
		buf = code(nil, d)
	}
	buf = append(buf, C.BINDING_END)
	id := C.binding_dependency(p.c, (*C.char)(unsafe.Pointer(&buf[0])))
	if id == 0 {
		return 0, fmt.Errorf("dependency %.200q: %w", d.String(), ErrMalformed)
	}
	return id, nil
}

// WhatProvides returns the packages that provide a requirement, in the order
// of Solve. A rich requirement with "and", "if" or "unless" is not provided by
// single packages: what libsolv takes for its providers is meant for its own
// use. Errors are those of Solve.
func (p *Pool) WhatProvides(ctx context.Context, requirement string) ([]Member, error) {
	d, err := ParseDependency(requirement)
	if err != nil {
		return nil, err
	}
	if err := p.wantDependency(d); err != nil {
		return nil, err
	}
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	ids, err := p.providers(d)
	if err != nil {
		return nil, fmt.Errorf("solv: providers: %w", err)
	}
	return p.sorted(ids), nil
}

// providers are the ids of packages that provide d.
func (p *Pool) providers(d rpmfile.Dependency) ([]C.Id, error) {
	id, err := p.dependency(d)
	if err != nil {
		return nil, err
	}
	list := unsafe.Pointer(C.binding_providers(p.c, id))
	var ids []C.Id
	for i := 0; ; i++ {
		id := *(*C.Id)(unsafe.Add(list, i*int(unsafe.Sizeof(C.Id(0)))))
		if id == 0 {
			return ids, nil
		}
		ids = append(ids, id)
	}
}

// Compatible says whether packages of an architecture can be installed; source
// packages can't. A closed pool is compatible with nothing.
func (p *Pool) Compatible(arch string) bool {
	return p.c != nil && arch != "src" && arch != "nosrc" && p.compatible(arch)
}

func (p *Pool) compatible(arch string) bool {
	text := C.CString(arch)
	defer C.free(unsafe.Pointer(text))
	return C.binding_compatible(p.c, text) != 0
}

// sorted are the packages of ids; the system itself is none.
func (p *Pool) sorted(ids []C.Id) []Member {
	var members []Member
	for _, id := range ids {
		if id >= firstID {
			m := p.packages[id-firstID]
			members = append(members, Member{NEVRA: m.NEVRA, Repo: m.repo.Name})
		}
	}
	slices.SortFunc(members, func(a, b Member) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), rpmfile.CompareEVR(a.NEVRA, b.NEVRA),
			strings.Compare(a.Arch, b.Arch), strings.Compare(a.NEVRA.String(), b.NEVRA.String()), strings.Compare(a.Repo, b.Repo))
	})
	return members
}

// takeIDs copies what libsolv allocated, and frees it.
func takeIDs(array C.IdArray) []C.Id {
	ids := slices.Clone(unsafe.Slice(array.ids, array.count))
	C.solv_free(unsafe.Pointer(array.ids))
	return ids
}
