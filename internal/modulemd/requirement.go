package modulemd

import (
	"slices"
	"strings"
)

// platform is the module that stands for the operating system itself.
const platform = "platform"

// allows reports whether a list of required streams admits the stream: an empty
// list admits any, streams that begin with '-' any but these.
func allows(wanted []string, stream string) bool {
	if len(wanted) == 0 {
		return true
	}
	if strings.HasPrefix(wanted[0], "-") {
		return !slices.Contains(wanted, "-"+stream)
	}
	return slices.Contains(wanted, stream)
}

// Requirement is one module that must be active, in one of some streams.
type Requirement struct {
	Module string
	// Streams are those that will do; if empty, any; if they begin with '-',
	// any but these.
	Streams []string
}

// Allows reports whether the stream will do.
func (r Requirement) Allows(stream string) bool { return allows(r.Streams, stream) }

// String is "MODULE:STREAM", or "MODULE:[STREAM, STREAM]".
func (r Requirement) String() string { return formatRequirement(r.Module, r.Streams) }

// Requirements are what must be active beside the stream, by module. Of several
// blocks all count, as in libdnf; MBS writes one.
func (s *Stream) Requirements() []Requirement {
	var out []Requirement
	for _, d := range s.Dependencies {
		for module, streams := range d.Requires {
			out = append(out, Requirement{module, streams})
		}
	}
	slices.SortFunc(out, compareRequirements)
	return slices.CompactFunc(out, func(a, b Requirement) bool { return compareRequirements(a, b) == 0 })
}

func compareRequirements(a, b Requirement) int {
	if c := strings.Compare(a.Module, b.Module); c != 0 {
		return c
	}
	return slices.Compare(a.Streams, b.Streams)
}
