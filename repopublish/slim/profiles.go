package slim

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/modulemd"
)

// shipped is what a client of the repository finds: here and in repositories
// that are beside it.
type shipped struct {
	artifacts map[string]bool // N-E:V-R.A of all packages
	// names are those of all packages here, and of all in externals.
	names map[string]bool
}

// trimProfiles is what a document's profiles lose: packages that a client can't
// find. A profile that names an artifact of its stream needs that of the
// stream, in any version; other packages come from anywhere.
func trimProfiles(s *modulemd.Stream, index *modulemd.Index, have shipped, opts Options, report *StreamReport) (func(profile, rpm string) bool, func(profile string) bool, error) {
	own, there := map[string]bool{}, map[string]bool{}
	for _, d := range index.Streams {
		if d.Name != s.Name || d.Stream != s.Stream {
			continue
		}
		for _, artifact := range d.Artifacts {
			n, err := modulemd.ParseArtifact(artifact)
			if err != nil || n.Arch == "src" || n.Arch == "nosrc" {
				continue
			}
			own[n.Name] = true
			there[n.Name] = there[n.Name] || have.artifacts[artifact]
		}
	}
	keepRPM := func(_, rpm string) bool {
		if own[rpm] {
			return there[rpm]
		}
		return have.names[rpm]
	}
	isDefault := func(profile string) bool { return isDefaultProfile(index.DefaultsOf(s.Name), s.Stream, profile) }
	for _, name := range slices.Sorted(maps.Keys(s.Profiles)) {
		var lost []string
		for _, rpm := range s.Profiles[name].RPMs {
			if !keepRPM(name, rpm) {
				lost = append(lost, rpm)
			}
		}
		switch {
		case len(lost) == 0:
		case len(lost) < len(s.Profiles[name].RPMs):
			report.Shortened[name] = lost
		case opts.KeepEmptyProfiles:
			report.Empty = append(report.Empty, name)
		case isDefault(name):
			return nil, nil, fmt.Errorf("slim: %w: %s: its default profile %q would lose all its packages (%s); take some of them, or --complete-profiles, or --keep-empty-profiles",
				ErrRefused, s, name, strings.Join(lost, ", "))
		default:
			report.Dropped = append(report.Dropped, name)
		}
	}
	return keepRPM, func(string) bool { return opts.KeepEmptyProfiles }, nil
}

// isDefaultProfile says whether a defaults document names the profile of a stream,
// for all systems or for those of one intent.
func isDefaultProfile(d *modulemd.Defaults, stream, profile string) bool {
	if d == nil {
		return false
	}
	if slices.Contains(d.Profiles[stream], profile) {
		return true
	}
	for _, intent := range d.Intents {
		if slices.Contains(intent.Profiles[stream], profile) {
			return true
		}
	}
	return false
}
