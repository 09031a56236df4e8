package closure

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/solv"
)

// multilib are the architectures whose packages belong to machines of another
// one, if that is there.
var multilib = map[string]string{"i386": "x86_64", "ppc": "ppc64", "s390": "s390x", "sparc": "sparc64"}

// arches are the architectures of packages, by their canonical forms.
type arches map[string]string

func (a arches) add(pkg string) {
	if pkg != arch.Noarch && !isSource(pkg) {
		a[arch.Canonical(pkg)] = max(a[arch.Canonical(pkg)], pkg)
	}
}

// machines are the architectures of the clients that the packages are for:
// 32-bit ones beside 64-bit ones are multilib, not a machine of their own. Where
// all packages are for any, it is this machine's.
func (a arches) machines() []string {
	a = maps.Clone(a)
	for small, large := range multilib {
		if a[large] != "" {
			delete(a, small)
		}
	}
	if len(a) == 0 {
		return []string{arch.Host()}
	}
	return slices.Sorted(maps.Values(a))
}

// sampleSize is how many packages are looked at to guess a machine.
const sampleSize = 200

// errEnough ends the reading of a sample.
var errEnough = errors.New("enough packages seen")

// guess is a machine that packages to be checked are for, by the first of them.
func guess(ctx context.Context, repos []Repo) (string, error) {
	found := arches{}
	for _, r := range repos {
		if !r.Check {
			continue
		}
		seen := 0
		err := solv.ReadRepodata(ctx, r.Files, func(p repomd.PrimaryPackage) error {
			if seen++; seen > sampleSize {
				return errEnough
			}
			found.add(p.Arch)
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return "", fmt.Errorf("closure: repository %s: %w", r.Name, err)
		}
	}
	return found.machines()[0], nil
}

func isSource(pkg string) bool { return pkg == "src" || pkg == "nosrc" }
