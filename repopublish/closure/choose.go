package closure

import (
	"fmt"
	"slices"
	"strings"
)

// UnknownError lists packages that were to be checked and don't exist.
type UnknownError struct{ Packages []string }

// Error implements error.
func (e *UnknownError) Error() string {
	return "closure: no package matched: " + strings.Join(e.Packages, ", ")
}

// choose says which packages are checked where they can be seen.
func (c *checker) choose() ([]bool, error) {
	chosen := make([]bool, len(c.packages))
	matched := make([]bool, len(c.opts.Packages))
	for i, p := range c.packages {
		if !c.repos[p.repo].Check {
			continue
		}
		named := len(c.opts.Packages) == 0
		for j, text := range c.opts.Packages {
			if slices.Contains([]string{p.Name, p.Name + "." + p.Arch, p.NVR(), p.NVRA(), p.Name + "-" + p.EVR(), p.String()}, text) ||
				text == fmt.Sprintf("%s-%d:%s-%s.%s", p.Name, p.Epoch, p.Version, p.Release, p.Arch) {
				named, matched[j] = true, true
			}
		}
		chosen[i] = named && c.checked(p.Arch)
	}
	var unknown []string
	for j, text := range c.opts.Packages {
		if !matched[j] {
			unknown = append(unknown, text)
		}
	}
	if len(unknown) > 0 {
		return nil, &UnknownError{unknown}
	}
	return chosen, nil
}

// checked says whether packages of an architecture are checked: those asked for
// that can be installed on the machine, and source packages.
func (c *checker) checked(arch string) bool {
	if len(c.opts.Arches) > 0 && !slices.Contains(c.opts.Arches, arch) {
		return false
	}
	return isSource(arch) || c.pool.Compatible(arch)
}
