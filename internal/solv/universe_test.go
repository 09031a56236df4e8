package solv

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
)

// universe makes packages that ask things of one another at random: two or
// three versions of most names, capabilities with and without versions, files,
// conflicts, obsoletes, and rich dependencies. The same seed makes the same.
func universe(seed uint64, count int) []Package {
	r := rand.New(rand.NewPCG(seed, 1))
	name := func() string { return fmt.Sprintf("p%d", r.IntN(count)) }
	capability := func() string { return fmt.Sprintf("cap%d", r.IntN(count/2)) }
	file := func() string {
		return fmt.Sprintf([]string{"/usr/bin/f%d", "/usr/share/f%d"}[r.IntN(2)], r.IntN(count/4))
	}
	anything := func() rpmfile.Dependency {
		switch r.IntN(12) {
		case 0, 1:
			return plain(file(), "", "")
		case 2, 3, 4:
			return plain(capability(), "", "")
		case 5:
			return plain(capability(), []string{">=", "<=", "=", "<", ">"}[r.IntN(5)], fmt.Sprint(1+r.IntN(3)))
		case 6, 7:
			return plain(name(), []string{">=", "<="}[r.IntN(2)], fmt.Sprintf("%d-1", 1+r.IntN(3)))
		case 8:
			rich := []string{"(%s or %s)", "(%s and %s)", "(%s if %s)", "(%s with %s)", "(%s unless %s)", "(%s without %s)", "(%s if %s else cap1)"}
			return plain(fmt.Sprintf(rich[r.IntN(len(rich))], capability(), capability()), "", "")
		}
		return plain(name(), "", "")
	}
	some := func(most int, make func() rpmfile.Dependency) (deps []rpmfile.Dependency) {
		for range r.IntN(most + 1) {
			deps = append(deps, make())
		}
		return deps
	}
	seldom := func(make func() rpmfile.Dependency) []rpmfile.Dependency {
		if r.IntN(4) > 0 {
			return nil
		}
		return []rpmfile.Dependency{make()}
	}
	var packages []Package
	for i := range count {
		for v := range 1 + r.IntN(3) {
			p := Package{NEVRA: rpmfile.NEVRA{Name: fmt.Sprintf("p%d", i), Version: fmt.Sprint(v + 1), Release: "1", Arch: []string{"noarch", "x86_64"}[r.IntN(2)]}}
			p.Provides = append(some(3, func() rpmfile.Dependency {
				if r.IntN(2) == 0 {
					return plain(capability(), "", "")
				}
				return plain(capability(), "=", fmt.Sprint(1+r.IntN(3)))
			}), plain(p.Name, "=", p.EVR()))
			p.Requires = some(3, anything)
			p.Conflicts = seldom(func() rpmfile.Dependency { return plain(name(), "<", fmt.Sprint(1+r.IntN(3))) })
			p.Obsoletes = seldom(func() rpmfile.Dependency { return plain(name(), "<", fmt.Sprint(1+r.IntN(2))) })
			p.Recommends = some(1, anything)
			p.Supplements = seldom(anything)
			if r.IntN(2) == 0 {
				p.Files = []string{file()}
			}
			packages = append(packages, p)
		}
	}
	return packages
}

// plain is a dependency as repodata tells it.
func plain(name, op, evr string) rpmfile.Dependency {
	d := rpmfile.Dependency{Name: name, Flags: operators[op], EVR: evr}
	if evr != "" {
		n := parseEVR(evr)
		d.Epoch, d.Version, d.Release = fmt.Sprint(n.Epoch), n.Version, n.Release
	}
	return d
}

// publish writes repodata of the packages into a directory.
func publish(t testing.TB, packages []Package) string {
	t.Helper()
	var entries []repomd.Entry
	for i, p := range packages {
		sum := sha256.Sum256([]byte(fmt.Sprint(i, p.NEVRA)))
		digest := hex.EncodeToString(sum[:])
		rpm := &rpmfile.Package{
			NEVRA: p.NEVRA, Summary: "s", License: "MIT",
			Provides: p.Provides, Requires: p.Requires, Conflicts: p.Conflicts, Obsoletes: p.Obsoletes,
			Recommends: p.Recommends, Suggests: p.Suggests, Supplements: p.Supplements, Enhances: p.Enhances,
		}
		for _, path := range p.Files {
			rpm.Files = append(rpm.Files, rpmfile.File{Path: path, Mode: 0o100644})
		}
		fragments, err := repomd.Render(rpm, repomd.File{Href: p.NVRA() + ".rpm", SHA256: digest, Size: 1})
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, repomd.Entry{NEVRA: p.NEVRA, SHA256: digest, Fragments: fragments})
	}
	slices.SortFunc(entries, repomd.Compare)
	dir := t.TempDir()
	if _, err := repomd.Write(t.Context(), dir, len(entries), func(yield func(repomd.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}, repomd.Options{Revision: "1"}); err != nil {
		t.Fatal(err)
	}
	return dir
}
