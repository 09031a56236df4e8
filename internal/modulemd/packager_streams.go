package modulemd

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Streams are the stream documents that the packager document asks for, without
// version and architecture, sorted by context: the content itself, or in format
// 3 one for each configuration. The defaults document names the default profiles
// that format 3 may mark; it is nil if none is marked. The documents are made,
// not read: they have no Text. The error wraps [ErrInvalid]: format 3 without
// configurations, or default profiles without the names of module and stream.
func (p *Packager) Streams() ([]*Stream, *Defaults, error) {
	if p.Format != 3 {
		s := *p.Content
		s.Origin = Origin{}
		return []*Stream{&s}, nil, nil
	}
	if len(p.Configurations) == 0 {
		return nil, nil, fmt.Errorf("modulemd: expand %s: no configurations: %w", p.title(), ErrInvalid)
	}
	defaults, err := p.defaultProfiles()
	if err != nil {
		return nil, nil, err
	}
	var streams []*Stream
	for _, c := range p.Configurations {
		s := *p.Content
		s.Origin = Origin{}
		s.Context = c.Context
		s.BuildOpts = c.BuildOpts
		s.Profiles = make(map[string]Profile, len(p.Content.Profiles))
		for name, profile := range p.Content.Profiles {
			profile.Default = false
			s.Profiles[name] = profile
		}
		s.Dependencies = []Dependencies{{
			withPlatform(c.BuildRequires, c.Platform), withPlatform(c.Requires, c.Platform),
		}}
		if err := s.checkArches(); err != nil {
			return nil, nil, fmt.Errorf("modulemd: expand %s: configuration %q: %w", p.title(), c.Context, err)
		}
		streams = append(streams, &s)
	}
	slices.SortFunc(streams, func(a, b *Stream) int { return cmp.Compare(a.Context, b.Context) })
	return streams, defaults, nil
}

// defaultProfiles is a defaults document of the profiles marked as default.
func (p *Packager) defaultProfiles() (*Defaults, error) {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(p.Content.Profiles)) {
		if p.Content.Profiles[name].Default {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	if p.Content.Name == "" || p.Content.Stream == "" {
		return nil, fmt.Errorf("modulemd: expand %s: default profile %q needs the names of module and stream: %w", p.title(), names[0], ErrInvalid)
	}
	return &Defaults{
		Module:   p.Content.Name,
		Profiles: map[string][]string{p.Content.Stream: names},
	}, nil
}

// withPlatform are requirements of one stream each, and the platform.
func withPlatform(pinned map[string]string, platform string) map[string][]string {
	sets := map[string][]string{"platform": {platform}}
	for module, stream := range pinned {
		sets[module] = asSet(append(sets[module], stream))
	}
	return sets
}
