package modulemd

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// defaultCombinations bounds [Combinations].
const defaultCombinations = 10_000

// stepsPerCombination is how much searching a combination may cost.
const stepsPerCombination = 100

// ActivationOptions describes the client whose streams are enumerated.
type ActivationOptions struct {
	// Platform is the client's stream of the module "platform", such as "el8".
	// If empty, streams for any platform are taken.
	Platform string
	// Arch leaves out documents of other architectures; if empty, none.
	Arch string
	// External reports whether a requirement that the index cannot satisfy is
	// satisfied elsewhere. If nil, none is.
	External func(Requirement) bool
	// Limit is how many combinations there may be. Default 10,000.
	Limit int
}

// Combination is a set of streams that can be active together on a client: at
// most one of each module, with everything they require.
type Combination struct {
	// Enabled is the stream that was enabled beyond the defaults, as N:S, with
	// the context if the stream can be active in several: "perl:5.30" or
	// "perl-App-cpanminus:1.7044 (context 7c5dc3b1)". Empty for the defaults.
	Enabled string
	// Active are the active streams by module.
	Active []ActiveStream
	// Dropped are the default streams, as N:S, that cannot be active beside
	// the others.
	Dropped []string
}

// ActiveStream is a stream that is active in a combination.
type ActiveStream struct {
	Name, Stream string
	// Default: it is the module's default stream.
	Default bool
	// Documents are those that count: all versions in the chosen context,
	// the newest first.
	Documents []*Stream
}

// String is N:S.
func (a ActiveStream) String() string { return a.Name + ":" + a.Stream }

// String says in words which combination it is.
func (c Combination) String() string {
	if c.Enabled == "" {
		return "default streams"
	}
	return c.Enabled + " enabled"
}

// Documents are the stream documents that count in the combination.
func (c Combination) Documents() []*Stream {
	var out []*Stream
	for _, a := range c.Active {
		out = append(out, a.Documents...)
	}
	return out
}

// MaskedNames are the names of RPMs of which a client sees those of active
// streams only: all names of artifacts, sources aside, unless the newest
// document of the stream says that the RPM is no longer part of it.
func (c Combination) MaskedNames() map[string]bool {
	names := map[string]bool{}
	for _, a := range c.Active {
		for _, d := range a.Documents {
			for _, artifact := range d.Artifacts {
				if name, arch := artifactName(artifact); arch != "src" && arch != "nosrc" {
					names[name] = true
				}
			}
		}
	}
	for _, a := range c.Active {
		for _, name := range a.Documents[0].Demodularized {
			delete(names, name)
		}
	}
	return names
}

// ByArtifact are the stream documents that list each artifact, N-E:V-R.A.
func (x *Index) ByArtifact() map[string][]*Stream {
	by := map[string][]*Stream{}
	for _, s := range x.Streams {
		for _, a := range s.Artifacts {
			by[a] = append(by[a], s)
		}
	}
	return by
}

// candidate is what a client chooses for a module: a stream in a context, with
// the documents of all its versions.
type candidate struct {
	name, stream string
	isDefault    bool
	// context is that of the newest document.
	context      string
	documents    []*Stream
	requirements []Requirement
	number       int // tells candidates apart
}

// candidates groups the documents of the index by module: the default stream
// first, then by name of the stream. As in libdnf, contexts that are static are
// told apart by name, others by what they require.
func (x *Index) candidates(opts ActivationOptions) map[string][]*candidate {
	groups := map[string]*candidate{}
	out := map[string][]*candidate{}
	for _, s := range x.Streams {
		if opts.Arch != "" && s.Arch != "" && s.Arch != opts.Arch {
			continue
		}
		requirements := s.Requirements()
		key := fmt.Sprintf("%q %q %v %q", s.Name, s.Stream, s.StaticContext, s.Context)
		if !s.StaticContext {
			key = fmt.Sprintf("%q %q %q", s.Name, s.Stream, requirements)
		}
		c := groups[key]
		if c == nil {
			d := x.DefaultsOf(s.Name)
			c = &candidate{name: s.Name, stream: s.Stream, isDefault: d != nil && d.Stream == s.Stream, number: len(groups)}
			groups[key] = c
			out[s.Name] = append(out[s.Name], c)
		}
		c.documents = append(c.documents, s)
	}
	for _, group := range groups {
		slices.SortFunc(group.documents, func(a, b *Stream) int {
			return cmp.Or(cmp.Compare(b.Version, a.Version), cmp.Compare(a.String(), b.String()))
		})
		group.context = group.documents[0].Context
		group.requirements = group.documents[0].Requirements()
	}
	for _, all := range out {
		slices.SortFunc(all, func(a, b *candidate) int {
			if a.isDefault != b.isDefault {
				if a.isDefault {
					return -1
				}
				return 1
			}
			return cmp.Or(
				cmp.Compare(a.stream, b.stream),
				cmp.Compare(b.documents[0].Version, a.documents[0].Version),
				cmp.Compare(a.context, b.context),
			)
		})
	}
	return out
}

// selection is the candidate chosen for each module.
type selection map[string]*candidate

// combination makes the result of a selection.
func (s selection) combination(enabled string, dropped []string) Combination {
	c := Combination{Enabled: enabled, Dropped: dropped}
	for _, name := range slices.Sorted(maps.Keys(s)) {
		chosen := s[name]
		c.Active = append(c.Active, ActiveStream{name, chosen.stream, chosen.isDefault, chosen.documents})
	}
	return c
}

// key tells selections apart.
func (s selection) key() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s)) {
		b.WriteString(strconv.Itoa(s[name].number) + " ")
	}
	return b.String()
}
