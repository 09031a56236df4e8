package solv

/*
#cgo pkg-config: libsolv
#include <stdlib.h>
#include "binding.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
)

// Bounds of a pool. Fedora has 70,000 packages with 5 million dependencies.
const (
	maxPackages     = 500_000
	maxDependencies = 20_000_000
	maxTextBytes    = 1 << 30
	// maxWork bounds the rules that libsolv can be brought to make, as estimated
	// by Pool.work: about 10 s and 500 MB. Fedora needs a hundredth.
	maxWork = 10_000_000
	// maxRichWork bounds what one rich dependency is multiplied out to. libsolv
	// does that in quadratic time.
	maxRichWork = 100_000
)

// firstID is libsolv's id of the first package; 1 is the system itself.
const firstID = 2

// Package is what the solver must know of a package. Source packages provide
// nothing and can be asked for by NEVRA only.
type Package struct {
	rpmfile.NEVRA
	repomd.Dependencies
	// Files are provided by the package too.
	Files []string
}

// Pool is a set of repositories and what was asked about them. Not safe for
// concurrent use.
type Pool struct {
	c        *C.Pool
	arch     string
	repos    []*Repo
	packages []member   // by id, from firstID
	provided []provided // by package
	text     int        // bytes of all dependencies
	entries  int        // number of all dependencies

	buffer []byte // of the package being added

	asked  map[string]float64 // how much work each provider of a name makes
	rich   []*term            // all requirements of that kind
	wanted map[string]int     // paths outside of primary.xml, and in how many repos they were looked for

	ready bool   // for questions
	index *index // for Nearest; nil until it is needed

	roots []*os.Root // directories opened by LoadDir
}

// member is a package of the pool.
type member struct {
	rpmfile.NEVRA
	repo     *Repo
	excluded bool
}

// provided is one name that a package provides, with its version.
type provided struct {
	name, evr string
	pkg       int32 // index in Pool.packages
}

// Repo is one repository of a pool.
type Repo struct {
	Name string

	c *C.Repo
	// files calls visit with the packages that have files which primary.xml
	// does not list, and with all of their files.
	files func(ctx context.Context, visit func(pkg int32, files []string) error) error
}

// Rank says which repository packages are taken from when several have them.
// The zero value is neither preferred nor avoided.
type Rank struct {
	// Priority of the repository: the lower one wins even against newer
	// versions.
	Priority int
	// Cost decides between equal packages: the lower one wins.
	Cost int
}

// New returns an empty pool for machines of an architecture, such as "x86_64";
// packages of compatible ones and of noarch can be installed too. Close it.
func New(arch string) (*Pool, error) {
	if arch == "" || len(arch) > 64 || strings.ContainsAny(arch, "\x00:=>") {
		return nil, fmt.Errorf("solv: new pool: architecture %.80q: %w", arch, ErrMalformed)
	}
	text := C.CString(arch)
	defer C.free(unsafe.Pointer(text))
	c := C.binding_pool(text)
	if c == nil {
		return nil, errors.New("solv: new pool: this libsolv is built without support for RPMs")
	}
	return &Pool{c: c, arch: arch, asked: map[string]float64{}, wanted: map[string]int{}}, nil
}

// Close frees what libsolv holds; twice is once.
func (p *Pool) Close() {
	if p.c == nil {
		return
	}
	C.binding_close(p.c)
	p.c = nil
	for _, root := range p.roots {
		root.Close()
	}
}

// AddPackages adds a repository of the given packages, whose Files are read
// again later and must not change. After an error the pool can only be closed:
// it wraps ErrMalformed, ErrTooLarge, or is ErrClosed.
func (p *Pool) AddPackages(name string, rank Rank, packages []Package) (*Repo, error) {
	repo, err := p.newRepo(name, rank)
	if err != nil {
		return nil, err
	}
	first := int32(len(p.packages))
	for i := range packages {
		if err := p.add(repo, &packages[i]); err != nil {
			return nil, fmt.Errorf("solv: repository %s: %w", name, err)
		}
	}
	repo.files = func(_ context.Context, visit func(int32, []string) error) error {
		for i := range packages {
			if err := visit(first+int32(i), packages[i].Files); err != nil {
				return err
			}
		}
		return nil
	}
	return repo, nil
}

func (p *Pool) newRepo(name string, rank Rank) (*Repo, error) {
	if p.c == nil {
		return nil, ErrClosed
	}
	if len(name) > maxNameBytes || strings.ContainsRune(name, 0) {
		return nil, fmt.Errorf("solv: name of repository %.80q: %w", name, ErrMalformed)
	}
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	repo := &Repo{Name: name, c: C.repo_create(p.c, text)}
	repo.c.priority, repo.c.subpriority = C.int(-rank.Priority), C.int(-rank.Cost)
	p.repos = append(p.repos, repo)
	p.ready = false
	return repo, nil
}
