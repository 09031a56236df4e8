package solv

/*
#include "binding.h"
*/
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/distbot/distbot/internal/rpmfile"
)

// Action is what a Job wants done with packages.
type Action int

// The actions of jobs.
const (
	// Install installs one of the packages.
	Install Action = iota
	// Lock leaves all of the packages as they are, which is not installed.
	Lock
	// Favor prefers the packages where several would do.
	Favor
	// Disfavor avoids the packages where others would do.
	Disfavor
)

// Job is one thing to be solved. The packages are those that the one field
// which is set beside Action says.
type Job struct {
	Action Action
	// Requirement selects the packages that provide it, in any form that
	// ParseDependency reads.
	Requirement string
	// Name selects the packages of a name.
	Name string
	// NEVRA selects the package of every repository that has it.
	NEVRA rpmfile.NEVRA
}

func (j Job) String() string {
	if j.NEVRA != (rpmfile.NEVRA{}) {
		return j.NEVRA.String()
	}
	return j.Name + j.Requirement
}

// selected is what a job is about, as libsolv has it: how to select, and what.
type selected struct{ how, what C.Id }

// selectAll translates the jobs' selections.
func (p *Pool) selectAll(jobs []Job) ([]selected, error) {
	all := make([]selected, len(jobs))
	var err error
	for i, j := range jobs {
		byName, byNEVRA := j.Name != "", j.NEVRA != (rpmfile.NEVRA{})
		switch {
		case byName && j.Requirement == "" && !byNEVRA:
			all[i].how = C.SOLVER_SOLVABLE_NAME
			all[i].what, err = p.dependency(rpmfile.Dependency{Name: j.Name})
		case byNEVRA && j.Requirement == "" && !byName:
			all[i], err = p.selectNEVRA(j.NEVRA)
		case j.Requirement != "" && !byName && !byNEVRA:
			var d rpmfile.Dependency
			all[i].how = C.SOLVER_SOLVABLE_PROVIDES
			if d, err = ParseDependency(j.Requirement); err == nil {
				all[i].what, err = p.dependency(d)
			}
		default:
			err = fmt.Errorf("job %q needs one of requirement, name and NEVRA: %w", j, ErrMalformed)
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// selectNEVRA selects the packages of a NEVRA in all repositories. One that
// is nowhere is an unknown name to libsolv, which then tells it as a problem.
func (p *Pool) selectNEVRA(n rpmfile.NEVRA) (selected, error) {
	if err := checkNEVRA(n); err != nil {
		return selected{}, err
	}
	var ids []C.Id
	for i := range p.packages {
		if p.packages[i].NEVRA == n {
			ids = append(ids, C.Id(firstID+i))
		}
	}
	if len(ids) == 0 {
		id, err := p.dependency(rpmfile.Dependency{Name: n.String()})
		return selected{C.SOLVER_SOLVABLE_NAME, id}, err
	}
	return selected{C.SOLVER_SOLVABLE_ONE_OF, C.binding_one_of(p.c, unsafe.SliceData(ids), C.int(len(ids)))}, nil
}
