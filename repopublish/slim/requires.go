package slim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/modulemd"
)

// required refuses streams whose required modules are neither here nor in
// externals, all at once, and streams for another platform.
func required(x *modulemd.Index, externals *catalog, opts Options) error {
	var problems []string
	for _, s := range x.Streams {
		for _, r := range s.Requirements() {
			switch {
			case r.Module == "platform":
				if opts.Platform != "" && !r.Allows(opts.Platform) {
					problems = append(problems, fmt.Sprintf("%s is for %s, not for %s", s, r, opts.Platform))
				}
			case !hasStream(x, r) && !slices.ContainsFunc(externals.modules, func(p modulemd.Part) bool { return hasStream(p.Index, r) }):
				problems = append(problems, fmt.Sprintf("%s requires %s; take packages of that stream, or name a repository that clients have beside this one with --external", s, r))
			}
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("slim: %w: required modules are missing:\n  %s", ErrRefused, strings.Join(problems, "\n  "))
	}
	return nil
}

func hasStream(x *modulemd.Index, r modulemd.Requirement) bool {
	return slices.ContainsFunc(x.Streams, func(s *modulemd.Stream) bool { return s.Name == r.Module && r.Allows(s.Stream) })
}
