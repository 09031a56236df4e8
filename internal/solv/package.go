package solv

/*
#include "binding.h"
*/
import "C"

import (
	"fmt"
	"strings"
	"unsafe"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
)

// kind is a list of dependencies with the letter by which binding.c knows it.
type kind struct {
	letter byte
	list   []rpmfile.Dependency
}

const (
	provides  = 'p'
	requires  = 'r'
	conflicts = 'c'
	obsoletes = 'o'
)

func kinds(d *repomd.Dependencies) [8]kind {
	return [...]kind{
		{provides, d.Provides},
		{requires, d.Requires},
		{conflicts, d.Conflicts},
		{obsoletes, d.Obsoletes},
		{'m', d.Recommends},
		{'s', d.Suggests},
		{'u', d.Supplements},
		{'e', d.Enhances},
	}
}

// add hands one package to libsolv.
func (p *Pool) add(repo *Repo, pkg *Package) error {
	if err := checkNEVRA(pkg.NEVRA); err != nil {
		return err
	}
	p.buffer = p.buffer[:0]
	for _, text := range [...]string{pkg.Name, evr(pkg.NEVRA), pkg.Arch} {
		p.buffer = append(append(p.buffer, text...), 0)
	}
	for _, kind := range kinds(&pkg.Dependencies) {
		for _, d := range kind.list {
			if err := p.addDependency(kind.letter, d); err != nil {
				return fmt.Errorf("%.300s: %w", pkg.NEVRA, err)
			}
		}
	}
	for _, path := range pkg.Files {
		if !repomd.IsPrimary(path) {
			continue
		}
		if err := p.addDependency(provides, rpmfile.Dependency{Name: path}); err != nil {
			return fmt.Errorf("%.300s: %w", pkg.NEVRA, err)
		}
	}
	p.provide(pkg.Name, evr(pkg.NEVRA))
	if p.text += len(p.buffer); len(p.packages) >= maxPackages || p.text > maxTextBytes || p.entries > maxDependencies {
		return fmt.Errorf("%.300s comes after %d packages with %d dependencies: %w", pkg.NEVRA, len(p.packages), p.entries, ErrTooLarge)
	}
	id := C.binding_add(repo.c, (*C.char)(unsafe.Pointer(&p.buffer[0])), C.size_t(len(p.buffer)))
	if id != C.Id(firstID+len(p.packages)) {
		return fmt.Errorf("%.300s: libsolv refuses a dependency: %w", pkg.NEVRA, ErrMalformed)
	}
	p.packages = append(p.packages, member{NEVRA: pkg.NEVRA, repo: repo})
	p.ready = false
	return nil
}

// addDependency checks one dependency, notes what prepare must know of it, and
// appends it to the buffer.
func (p *Pool) addDependency(letter byte, d rpmfile.Dependency) error {
	if letter == requires && ignored(d.Name) {
		return nil
	}
	p.entries++
	switch {
	case letter == provides && isRich(d), letter == obsoletes && isRich(d):
		return fmt.Errorf("dependency %.200q can't be rich: %w", d.Name, ErrMalformed)
	case isRich(d):
		t, err := parseRich(d.Name)
		if err != nil {
			return err
		}
		p.rich = append(p.rich, t)
		t.plains(func(d rpmfile.Dependency) { p.note(letter, d) })
		p.buffer = append(t.code(append(p.buffer, letter)), C.BINDING_END)
	default:
		if err := check(d); err != nil {
			return err
		}
		if letter == provides {
			p.provide(d.Name, version(d.EVR))
		} else {
			p.note(letter, d)
		}
		p.buffer = append(code(append(p.buffer, letter), d), C.BINDING_END)
	}
	return nil
}

// code appends to buf what binding.h calls code of a plain dependency.
func code(buf []byte, d rpmfile.Dependency) []byte {
	buf = append(buf, C.BINDING_PUSH, comparison(d))
	buf = append(append(buf, d.Name...), 0)
	return append(append(buf, version(d.EVR)...), 0)
}

// relations are libsolv's numbers of operators.
var relations = map[string]byte{
	"and": C.REL_AND, "or": C.REL_OR, "if": C.REL_COND, "unless": C.REL_UNLESS, "else": C.REL_ELSE,
	"with": C.REL_WITH, "without": C.REL_WITHOUT,
}

// code appends the code of a term to buf.
func (t *term) code(buf []byte) []byte {
	if t.op == "" {
		return code(buf, t.plain)
	}
	return append(t.right.code(t.left.code(buf)), relations[t.op])
}

// provide notes what the package that is being added provides.
func (p *Pool) provide(name, evr string) {
	p.provided = append(p.provided, provided{name, evr, int32(len(p.packages))})
}

// note notes what a package asks for.
func (p *Pool) note(letter byte, d rpmfile.Dependency) {
	switch {
	case letter == conflicts || letter == obsoletes:
		p.asked[d.Name]++ // a rule
	case comparison(d) != 0:
		p.asked[d.Name] += 0.1 // an entry in a list
	}
	p.want(d.Name)
}

// want notes a path that is in filelists only, and says whether it is new.
func (p *Pool) want(name string) bool {
	if !strings.HasPrefix(name, "/") || repomd.IsPrimary(name) {
		return false
	}
	_, known := p.wanted[name]
	if !known {
		p.wanted[name] = 0
	}
	return !known
}

// checkNEVRA says whether a package can be named to libsolv. Names need not be
// those of files: module streams are packages to the solver too.
func checkNEVRA(n rpmfile.NEVRA) error {
	text := n.Name + n.Version + n.Release + n.Arch
	switch {
	case n.Name == "" || n.Version == "" || n.Arch == "" || n.Epoch < 0:
		return fmt.Errorf("package %.300q lacks a part of its name: %w", n.String(), ErrMalformed)
	case len(text) > maxNameBytes:
		return fmt.Errorf("package %.300q: %d bytes: %w", n.String(), len(text), ErrTooLarge)
	case strings.ContainsRune(text, 0) || reserved(n.Name):
		return fmt.Errorf("package %.300q: %w", n.String(), ErrMalformed)
	}
	return nil
}

// evr is a package's version as dependencies spell it; the release may be
// missing.
func evr(n rpmfile.NEVRA) string {
	if n.Release == "" {
		n.Release = "-"
	}
	return strings.TrimSuffix(n.EVR(), "--")
}
