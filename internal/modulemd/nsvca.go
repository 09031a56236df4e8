package modulemd

import (
	"fmt"
	"strconv"
	"strings"
)

// NSVCA names one build of a module stream for one architecture: name, stream,
// version, context, architecture. Version 0 and empty texts stand for what a
// document does not say.
type NSVCA struct {
	Name    string `json:"name"`
	Stream  string `json:"stream"`
	Version uint64 `json:"version"`
	Context string `json:"context,omitempty"`
	Arch    string `json:"arch,omitempty"`
}

// String is N:S:V:C:A, with nothing between the colons where nothing is known
// and without colons at the end.
func (n NSVCA) String() string {
	return strings.TrimRight(n.NSVC()+":"+n.Arch, ":")
}

// NSVC is N:S:V:C, the form of an RPM's ModularityLabel.
func (n NSVCA) NSVC() string {
	version := ""
	if n.Version != 0 {
		version = strconv.FormatUint(n.Version, 10)
	}
	return strings.Join([]string{n.Name, n.Stream, version, n.Context}, ":")
}

// NameStream is N:S, what users enable.
func (n NSVCA) NameStream() string { return n.Name + ":" + n.Stream }

// ParseNSVCA reads N:S, N:S:V, N:S:V:C or N:S:V:C:A. The version may be empty;
// name and stream may not. The error wraps [ErrInvalid].
func ParseNSVCA(s string) (NSVCA, error) {
	parts := strings.Split(s, ":")
	if len(parts) < 2 || len(parts) > 5 {
		return NSVCA{}, fmt.Errorf("modulemd: parse %q: not NAME:STREAM[:VERSION[:CONTEXT[:ARCH]]]: %w", s, ErrInvalid)
	}
	parts = append(parts, make([]string, 5-len(parts))...)
	n := NSVCA{Name: parts[0], Stream: parts[1], Context: parts[3], Arch: parts[4]}
	if n.Name == "" || n.Stream == "" {
		return NSVCA{}, fmt.Errorf("modulemd: parse %q: name and stream must not be empty: %w", s, ErrInvalid)
	}
	if parts[2] != "" {
		v, err := strconv.ParseUint(parts[2], 10, 64)
		if err != nil {
			return NSVCA{}, fmt.Errorf("modulemd: parse %q: version %q is not a number: %w", s, parts[2], ErrInvalid)
		}
		n.Version = v
	}
	return n, nil
}
