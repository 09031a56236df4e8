package rpmfile

import (
	"fmt"
	"strconv"
	"strings"
)

// maxNameLength bounds N-V-R.A so that N-V-R.A.rpm fits a file name (255 bytes
// on every file system Linux knows).
const maxNameLength = 255 - len(".rpm")

// NEVRA names one RPM: name, epoch, version, release, architecture. A missing
// epoch is 0, as RPM orders it. Arch is "src" for a source RPM and empty where
// a NEVRA stands for a whole build.
type NEVRA struct {
	Name    string `json:"name"`
	Epoch   int    `json:"epoch"`
	Version string `json:"version"`
	Release string `json:"release"`
	Arch    string `json:"arch"`
}

// String is N-E:V-R.A when the epoch is not 0, otherwise N-V-R.A; without an
// architecture the ".A" is left out.
func (n NEVRA) String() string {
	if n.Epoch == 0 {
		return n.NVRA()
	}
	s := n.Name + "-" + n.EVR()
	if n.Arch != "" {
		s += "." + n.Arch
	}
	return s
}

// NVR is N-V-R, the name of a build.
func (n NEVRA) NVR() string { return n.Name + "-" + n.Version + "-" + n.Release }

// NVRA is N-V-R.A, the name of an RPM file without ".rpm"; without an
// architecture it is the NVR.
func (n NEVRA) NVRA() string {
	if n.Arch == "" {
		return n.NVR()
	}
	return n.NVR() + "." + n.Arch
}

// EVR is E:V-R when the epoch is not 0, otherwise V-R.
func (n NEVRA) EVR() string {
	if n.Epoch == 0 {
		return n.Version + "-" + n.Release
	}
	return strconv.Itoa(n.Epoch) + ":" + n.Version + "-" + n.Release
}

// Validate returns nil when every part is safe to use as a path component and
// is what RPM lets a spec say: letters, digits and ._+~^ everywhere, '-' in the
// name only, no "..", no name that starts with '-' or '.'. Arch may be empty.
// Otherwise the error wraps ErrName and says which part is wrong.
func (n NEVRA) Validate() error {
	if len(n.NVRA()) > maxNameLength {
		return fmt.Errorf("rpmfile: validate NEVRA: %d bytes, at most %d: %w", len(n.NVRA()), maxNameLength, ErrName)
	}
	if n.Epoch < 0 {
		return fmt.Errorf("rpmfile: validate NEVRA: negative epoch %d: %w", n.Epoch, ErrName)
	}
	for _, part := range []struct {
		what, value string
		allow       func(byte) bool
	}{
		{"name", n.Name, func(c byte) bool { return isVersionByte(c) || c == '-' }},
		{"version", n.Version, isVersionByte},
		{"release", n.Release, isVersionByte},
	} {
		if err := validatePart(part.what, part.value, part.allow); err != nil {
			return err
		}
	}
	if n.Name[0] == '-' || n.Name[0] == '.' {
		return fmt.Errorf("rpmfile: validate NEVRA: name %q starts with %q: %w", n.Name, n.Name[0], ErrName)
	}
	if n.Arch == "" {
		return nil
	}
	return validatePart("architecture", n.Arch, func(c byte) bool { return isAlnum(c) || c == '_' })
}

func validatePart(what, value string, allow func(byte) bool) error {
	if value == "" {
		return fmt.Errorf("rpmfile: validate NEVRA: empty %s: %w", what, ErrName)
	}
	for i := range len(value) {
		if !allow(value[i]) {
			return fmt.Errorf("rpmfile: validate NEVRA: character %q not allowed in %s %q: %w", value[i], what, value, ErrName)
		}
	}
	// rpm refuses ".." in all three fields; alone, "." would be a path of its own.
	if value == "." || strings.Contains(value, "..") {
		return fmt.Errorf("rpmfile: validate NEVRA: %s %q is a path: %w", what, value, ErrName)
	}
	return nil
}

// ParseNEVRA reads N-V-R.A or N-E:V-R.A; all four parts must be there. The
// error wraps ErrName.
func ParseNEVRA(s string) (NEVRA, error) {
	if len(s) > maxNameLength+len("2147483647:") {
		return NEVRA{}, fmt.Errorf("rpmfile: parse NEVRA: %d bytes is too long: %w", len(s), ErrName)
	}
	dot := strings.LastIndexByte(s, '.')
	if dot < 0 || strings.Contains(s[dot:], "-") {
		return NEVRA{}, fmt.Errorf("rpmfile: parse NEVRA %q: no architecture after the last dot: %w", s, ErrName)
	}
	if dot == len(s)-1 {
		return NEVRA{}, fmt.Errorf("rpmfile: parse NEVRA %q: empty architecture: %w", s, ErrName)
	}
	n, err := splitNVR(s[:dot])
	if err != nil {
		return NEVRA{}, fmt.Errorf("rpmfile: parse NEVRA %q: %w", s, err)
	}
	n.Arch = s[dot+1:]
	return n, n.Validate()
}

// ParseNVR reads N-V-R or N-E:V-R; Arch stays empty. The error wraps ErrName.
func ParseNVR(s string) (NEVRA, error) {
	if len(s) > maxNameLength+len("2147483647:") {
		return NEVRA{}, fmt.Errorf("rpmfile: parse NVR: %d bytes is too long: %w", len(s), ErrName)
	}
	n, err := splitNVR(s)
	if err != nil {
		return NEVRA{}, fmt.Errorf("rpmfile: parse NVR %q: %w", s, err)
	}
	return n, n.Validate()
}

func splitNVR(s string) (NEVRA, error) {
	r := strings.LastIndexByte(s, '-')
	if r < 0 {
		return NEVRA{}, fmt.Errorf("no '-' before a release: %w", ErrName)
	}
	v := strings.LastIndexByte(s[:r], '-')
	if v < 0 {
		return NEVRA{}, fmt.Errorf("no '-' before a version: %w", ErrName)
	}
	n := NEVRA{Name: s[:v], Version: s[v+1 : r], Release: s[r+1:]}
	if epoch, version, ok := strings.Cut(n.Version, ":"); ok {
		e, err := parseEpoch(epoch)
		if err != nil {
			return NEVRA{}, err
		}
		n.Epoch, n.Version = e, version
	}
	return n, nil
}

// parseEpoch reads an epoch: decimal digits, at most 2³¹-1.
func parseEpoch(s string) (int, error) {
	e, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("epoch %q is not a number below 2147483648: %w", s, ErrName)
	}
	return int(e), nil
}

func isAlnum(c byte) bool { return isDigit(c) || isAlpha(c) }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isAlpha(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func isVersionByte(c byte) bool {
	return isAlnum(c) || c == '.' || c == '_' || c == '+' || c == '~' || c == '^'
}
