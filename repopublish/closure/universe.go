package closure

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/solv"
)

// universe is all packages of all repositories on one machine.
type universe struct {
	machine  string
	repos    []Repo
	pool     *solv.Pool
	packages []pkg // numbered as in the pool

	requirements []requirement
	ids          map[string]int32 // of requirements

	artifacts map[string][]int32 // packages by N-E:V-R.A, of names that modules have
	named     map[string][]int32 // packages called so, of names that modules have
	providing map[string][]int32 // packages that provide such a name
}

type pkg struct {
	rpmfile.NEVRA
	repo     int
	requires []int32
}

// requirement is asked for by packages.
type requirement struct {
	rpmfile.Dependency
	*solv.Requirement
}

// load reads the repositories. Close the universe's pool.
func load(ctx context.Context, machine string, repos []Repo, names map[string]bool) (_ *universe, err error) {
	u := &universe{
		machine: machine, repos: repos, ids: map[string]int32{},
		artifacts: map[string][]int32{}, named: map[string][]int32{}, providing: map[string][]int32{},
	}
	if u.pool, err = solv.New(machine); err != nil {
		return nil, fmt.Errorf("closure: %w", err)
	}
	defer func() {
		if err != nil {
			u.pool.Close()
		}
	}()
	for i, r := range repos {
		_, err := u.pool.AddRepodataFunc(ctx, r.Name, solv.Rank{}, r.Files, func(p repomd.PrimaryPackage) error {
			u.add(i, p, names)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("closure: %w", err)
		}
	}
	for i := range u.requirements {
		r := &u.requirements[i]
		if r.Requirement, err = u.pool.Requirement(ctx, r.Dependency); err != nil {
			return nil, fmt.Errorf("closure: %s: %w", r.Dependency, err)
		}
	}
	return u, nil
}

// add notes a package.
func (u *universe) add(repo int, p repomd.PrimaryPackage, names map[string]bool) {
	id := int32(len(u.packages))
	added := pkg{NEVRA: p.NEVRA, repo: repo}
	for _, d := range p.Requires {
		if !strings.HasPrefix(d.Name, "rpmlib(") {
			added.requires = append(added.requires, u.requirement(d))
		}
	}
	u.packages = append(u.packages, added)
	if len(names) == 0 {
		return
	}
	if names[p.Name] {
		u.named[p.Name] = append(u.named[p.Name], id)
		artifact := modulemd.FormatArtifact(p.NEVRA)
		u.artifacts[artifact] = append(u.artifacts[artifact], id)
	}
	if !u.pool.Compatible(p.Arch) {
		return // what can't be installed provides nothing
	}
	for _, d := range p.Provides {
		if names[d.Name] && d.Name != p.Name {
			u.providing[d.Name] = append(u.providing[d.Name], id)
		}
	}
}

// requirement is the number of a requirement. That one is needed before others
// are installed makes no difference.
func (u *universe) requirement(d rpmfile.Dependency) int32 {
	d.Pre = false
	key := d.Name
	if d.EVR != "" {
		key += d.Flags.Op() + d.EVR
	}
	id, known := u.ids[key]
	if !known {
		id = int32(len(u.requirements))
		u.ids[key] = id
		u.requirements = append(u.requirements, requirement{Dependency: d})
	}
	return id
}

// artifactNames are the names of all artifacts.
func artifactNames(x *modulemd.Index) map[string]bool {
	names := map[string]bool{}
	for _, s := range x.Streams {
		for _, a := range s.Artifacts {
			if n, err := modulemd.ParseArtifact(a); err == nil {
				names[n.Name] = true
			}
		}
	}
	return names
}

// visible says which packages a client sees in a combination, see the package
// comment.
func (u *universe) visible(x *modulemd.Index, c modulemd.Combination) []bool {
	seen := make([]bool, len(u.packages))
	for i := range seen {
		seen[i] = true
	}
	hide := func(ids []int32) {
		for _, id := range ids {
			if !u.repos[u.packages[id].repo].Hotfixes {
				seen[id] = false
			}
		}
	}
	for _, s := range x.Streams {
		for _, a := range s.Artifacts {
			hide(u.artifacts[a])
		}
	}
	for name := range c.MaskedNames() {
		hide(u.named[name])
		hide(u.providing[name])
	}
	for _, s := range c.Documents() {
		hide(u.otherSources(s))
	}
	for _, s := range c.Documents() {
		for _, a := range s.Artifacts {
			for _, id := range u.artifacts[a] {
				seen[id] = true
			}
		}
	}
	return seen
}

// otherSources are the source packages that are called like sources of a
// stream: these hide no others.
func (u *universe) otherSources(s *modulemd.Stream) (hidden []int32) {
	for _, a := range s.Artifacts {
		if !strings.HasSuffix(a, "src") {
			continue
		}
		n, err := modulemd.ParseArtifact(a)
		if err != nil || !isSource(n.Arch) || slices.Contains(s.Demodularized, n.Name) {
			continue
		}
		for _, id := range u.named[n.Name] {
			if isSource(u.packages[id].Arch) {
				hidden = append(hidden, id)
			}
		}
	}
	return hidden
}

// newest leaves of the seen packages those of the highest version, of each name
// and architecture, in each repository or in all.
func (u *universe) newest(seen []bool, perRepo bool) []bool {
	type key struct {
		name, arch string
		repo       int
	}
	best := map[key]int{}
	of := func(p pkg) key {
		k := key{p.Name, p.Arch, 0}
		if perRepo {
			k.repo = p.repo
		}
		return k
	}
	for i, p := range u.packages {
		if b, ok := best[of(p)]; seen[i] && (!ok || rpmfile.CompareEVR(u.packages[b].NEVRA, p.NEVRA) < 0) {
			best[of(p)] = i
		}
	}
	left := make([]bool, len(seen))
	for i, p := range u.packages {
		if seen[i] {
			left[i] = rpmfile.CompareEVR(u.packages[best[of(p)]].NEVRA, p.NEVRA) == 0
		}
	}
	return left
}
