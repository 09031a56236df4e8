package solv

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/rpmfile"
)

// maxNearest is how many suggestions Nearest makes.
const maxNearest = 3

// Nearest says, in words, what comes nearest to a requirement that nothing in
// the pool provides: the same name in another version, and then nothing else, or
// for another architecture or excluded; a library by another soname; the name in other case or in another
// namespace ("cmake(zlib)" for "pkgconfig(zlib)"); a name that differs by what
// such names are decorated with (-devel, lib, python3-); a file in another
// directory; a name with at most two letters changed, a short one with one. The nearest comes first, at
// most three come, always the same for the same packages. It is empty for
// requirements that are provided, or that resemble nothing. Of a rich requirement
// the parts that nothing provides are looked at. Errors are those of Solve.
func (p *Pool) Nearest(ctx context.Context, requirement string) ([]string, error) {
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
	if p.index == nil {
		p.index = p.newIndex()
	}
	if met, err := p.met(d); err != nil || met {
		return nil, err
	}
	parts, err := leaves(d)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, part := range parts {
		found, err := p.nearestTo(part)
		if err != nil {
			return nil, fmt.Errorf("solv: nearest: %w", err)
		}
		for _, text := range found {
			if len(texts) < maxNearest && !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
	}
	return texts, nil
}

// met says whether single packages provide a dependency. Of a rich one that
// needs several, libsolv can't tell.
func (p *Pool) met(d rpmfile.Dependency) (bool, error) {
	if isRich(d) {
		if t, err := parseRich(d.Name); err != nil || !t.simple() {
			return false, err
		}
	}
	ids, err := p.providers(d)
	return len(ids) > 0, err
}

// suggestion is a candidate for Nearest.
type suggestion struct {
	rank     rank
	distance int
	name     string // what is provided
	pkg      int32  // by this package
	text     string
}

// nearestTo is Nearest for one plain dependency.
func (p *Pool) nearestTo(d rpmfile.Dependency) ([]string, error) {
	if met, err := p.met(d); err != nil || met {
		return nil, err
	}
	same, suitable := p.otherwise(d)
	if suitable {
		return []string{same.text}, nil
	}
	found := p.similar(d.Name)
	if same.text != "" {
		found = append(found, same)
	}
	return ranked(found), nil
}

// similar finds other names that can be installed.
func (p *Pool) similar(name string) []suggestion {
	var found []suggestion
	wanted := describe(name)
	for i, there := range p.index.names {
		if there == name {
			continue
		}
		rank, distance := wanted.resembles(p.index.shapes[i])
		if rank == unlike {
			continue
		}
		at, ok := p.best(p.index.entries(i), true)
		if !ok {
			continue
		}
		found = append(found, suggestion{rank: rank, distance: distance, name: there, pkg: at.pkg, text: p.there(at)})
	}
	return found
}

// ranked are the texts of the nearest, of each package one.
func ranked(found []suggestion) []string {
	slices.SortFunc(found, func(a, b suggestion) int {
		order := cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.distance, b.distance))
		if order == 0 && a.rank == soname {
			order = rpmfile.CompareVersion(b.name, a.name) // the newest
		}
		return cmp.Or(order, strings.Compare(a.name, b.name))
	})
	var texts []string
	var told []int32
	for _, s := range found {
		if len(texts) < maxNearest && !slices.Contains(told, s.pkg) {
			texts, told = append(texts, s.text), append(told, s.pkg)
		}
	}
	return texts
}

// otherwise finds the very name, zero if there is none, and says whether
// nothing but the version is unsuitable.
func (p *Pool) otherwise(d rpmfile.Dependency) (same suggestion, suitable bool) {
	i, ok := slices.BinarySearch(p.index.names, d.Name)
	if !ok {
		return suggestion{}, false
	}
	entries := p.index.entries(i)
	at, suitable := p.best(entries, true)
	trouble := "," + strings.TrimPrefix(d.String(), d.Name) + " is needed"
	if !suitable {
		at, _ = p.best(entries, false)
		trouble = ", but " + p.obstacle(at.pkg)
	}
	return suggestion{rank: sameName, name: d.Name, pkg: at.pkg, text: p.version(at) + trouble}, suitable
}

// best is the entry of the highest version, then of the first package by name,
// of packages that can be installed or of all.
func (p *Pool) best(entries []int32, installable bool) (provided, bool) {
	var best provided
	found := false
	for _, e := range entries {
		at := p.provided[e]
		if installable && p.obstacle(at.pkg) != "" {
			continue
		}
		if !found || p.better(at, best) {
			best, found = at, true
		}
	}
	return best, found
}

func (p *Pool) better(a, b provided) bool {
	x, y := p.packages[a.pkg].NEVRA, p.packages[b.pkg].NEVRA
	return cmp.Or(
		rpmfile.CompareEVR(parseEVR(a.evr), parseEVR(b.evr)),
		strings.Compare(y.Name, x.Name),
		rpmfile.CompareEVR(x, y),
		p.native(x.Arch)-p.native(y.Arch),
		strings.Compare(y.Arch, x.Arch),
	) > 0
}

// native is 1 for the architecture of the pool and 0 for others.
func (p *Pool) native(arch string) int {
	if arch == p.arch {
		return 1
	}
	return 0
}

// obstacle says why a package can't be installed whatever is asked for; empty
// if it can.
func (p *Pool) obstacle(pkg int32) string {
	m := p.packages[pkg]
	switch {
	case m.excluded:
		return "is excluded"
	case m.Arch == "src" || m.Arch == "nosrc":
		return "is a source package"
	case !p.compatible(m.Arch):
		return "not for " + p.arch
	}
	return ""
}

// version tells which version of a name there is.
func (p *Pool) version(at provided) string {
	m := p.packages[at.pkg]
	switch {
	case at.name == m.Name && p.obstacle(at.pkg) != "":
		return m.String() + " is there"
	case at.name == m.Name:
		return m.Name + " " + m.EVR() + " is there"
	case at.evr == "":
		return p.there(at)
	}
	return at.name + " " + at.evr + " is there (" + m.String() + ")"
}

// there tells that something else is there.
func (p *Pool) there(at provided) string {
	m := p.packages[at.pkg]
	if at.name == m.Name {
		return m.String() + " is there"
	}
	return at.name + " is there (" + m.String() + ")"
}

// parseEVR reads a version as dependencies have it.
func parseEVR(evr string) rpmfile.NEVRA {
	var n rpmfile.NEVRA
	if epoch, rest, ok := strings.Cut(evr, ":"); ok {
		for _, c := range epoch {
			if c < '0' || c > '9' || n.Epoch > 1<<27 {
				break
			}
			n.Epoch = n.Epoch*10 + int(c-'0')
		}
		evr = rest
	}
	n.Version, n.Release, _ = strings.Cut(evr, "-")
	return n
}

// index finds what is provided by name.
type index struct {
	names  []string // sorted, each once
	shapes []shape  // of the names
	order  []int32  // entries of Pool.provided, sorted by name
	begin  []int    // where each name's entries begin in order; one more at the end
}

func (p *Pool) newIndex() *index {
	x := &index{order: make([]int32, len(p.provided))}
	for i := range x.order {
		x.order[i] = int32(i)
	}
	slices.SortFunc(x.order, func(a, b int32) int {
		return cmp.Or(strings.Compare(p.provided[a].name, p.provided[b].name), cmp.Compare(a, b))
	})
	for at, e := range x.order {
		if name := p.provided[e].name; len(x.names) == 0 || x.names[len(x.names)-1] != name {
			x.names, x.begin = append(x.names, name), append(x.begin, at)
			x.shapes = append(x.shapes, describe(name))
		}
	}
	x.begin = append(x.begin, len(x.order))
	return x
}

// entries are the entries of Pool.provided of the i-th name.
func (x *index) entries(i int) []int32 { return x.order[x.begin[i]:x.begin[i+1]] }
