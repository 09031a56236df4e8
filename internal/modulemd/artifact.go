package modulemd

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/distbot/distbot/internal/rpmfile"
)

// IsArtifact reports whether libmodulemd takes s for N-E:V-R.A: read from the
// end, a dot, a hyphen, a colon without a hyphen between, a hyphen, and between
// these two a digit. That is less than [ParseArtifact] asks for.
func IsArtifact(s string) bool {
	dot := strings.LastIndexByte(s, '.')
	if dot < 0 {
		return false
	}
	release := strings.LastIndexByte(s[:dot], '-')
	if release < 0 {
		return false
	}
	colon := strings.LastIndexAny(s[:release], ":-")
	if colon < 0 || s[colon] == '-' {
		return false
	}
	epoch := strings.LastIndexByte(s[:colon], '-')
	return epoch >= 0 && epoch+1 < colon && '0' <= s[epoch+1] && s[epoch+1] <= '9'
}

// ParseArtifact reads an entry of artifacts.rpms, N-E:V-R.A; the epoch must be
// there. The error wraps [ErrInvalid].
func ParseArtifact(s string) (rpmfile.NEVRA, error) {
	if !IsArtifact(s) {
		return rpmfile.NEVRA{}, fmt.Errorf("modulemd: parse artifact %q: not N-E:V-R.A: %w", s, ErrInvalid)
	}
	n, err := rpmfile.ParseNEVRA(s)
	if err != nil {
		return rpmfile.NEVRA{}, fmt.Errorf("modulemd: parse artifact: %w: %w", ErrInvalid, err)
	}
	return n, nil
}

// FormatArtifact is N-E:V-R.A, the form of artifacts.rpms, with the epoch even
// if it is 0.
func FormatArtifact(n rpmfile.NEVRA) string {
	return formatArtifact(n.Name, uint64(max(n.Epoch, 0)), n.Version, n.Release, n.Arch)
}

func formatArtifact(name string, epoch uint64, version, release, arch string) string {
	return name + "-" + strconv.FormatUint(epoch, 10) + ":" + version + "-" + release + "." + arch
}

// artifactName is the name and architecture of a well-formed artifact without
// the cost of reading all of it.
func artifactName(s string) (name, arch string) {
	dot := strings.LastIndexByte(s, '.')
	colon := strings.LastIndexByte(s[:max(dot, 0)], ':')
	hyphen := strings.LastIndexByte(s[:max(colon, 0)], '-')
	if hyphen < 0 {
		return s, ""
	}
	return s[:hyphen], s[dot+1:]
}
