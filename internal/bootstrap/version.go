package bootstrap

import (
	"fmt"
	"regexp"
	"strings"
)

// releasePrefix begins every Release made here, so that a repacked package is
// known at sight. It stands in front, not where a distribution puts its
// %{?dist}: behind, it would take part in comparisons, and 1-1+b1 would be older
// than 1-1. In front it makes a package built from source the newer one at
// the same version, as rpm sorts letters before numbers.
const releasePrefix = "deb."

// evr is a Debian version in RPM's three fields. Epoch is empty when Debian
// gave none: an RPM without an Epoch compares as epoch 0.
type evr struct {
	Epoch, Version, Release string
}

// String gives [epoch:]version-release as written in a dependency.
func (e evr) String() string {
	if e.Epoch == "" {
		return e.Version + "-" + e.Release
	}
	return e.Epoch + ":" + e.Version + "-" + e.Release
}

// withoutEpoch gives version-release. Debian's epochs are Debian's history, so
// names borrowed from Fedora are provided without them: `zlib-devel >= 1.3`
// has to be false for Debian's 1:1.2.13.
func (e evr) withoutEpoch() string {
	return e.Version + "-" + e.Release
}

var (
	debianVersion = regexp.MustCompile(`^(?:([0-9]{1,9}):)?([A-Za-z0-9.+~-]+)$`)
	rpmVersion    = regexp.MustCompile(`^[A-Za-z0-9.+~_]+$`)
)

// parseEVR turns a Debian version ([epoch:]upstream[-revision], Debian Policy
// §5.6.12) into a legal RPM one. RPM allows no `-` within a field, so those in
// the upstream part become `.`, which both orderings treat as a separator; a
// native package, which has no revision, gets Release 0. `~` and `+` mean the
// same to both.
func parseEVR(s string) (evr, error) {
	m := debianVersion.FindStringSubmatch(s)
	if m == nil {
		return evr{}, fmt.Errorf("bootstrap: read version %q: not a Debian version", s)
	}
	upstream, revision := m[2], "0"
	if i := strings.LastIndexByte(upstream, '-'); i >= 0 {
		upstream, revision = upstream[:i], upstream[i+1:]
	}
	e := evr{Epoch: m[1], Version: strings.ReplaceAll(upstream, "-", "."), Release: releasePrefix + revision}
	if !rpmVersion.MatchString(e.Version) || revision == "" {
		return evr{}, fmt.Errorf("bootstrap: read version %q: upstream version or revision is empty", s)
	}
	return e, nil
}
