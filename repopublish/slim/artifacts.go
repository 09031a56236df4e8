package slim

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/modulemd"
)

// unmasked warns of packages that clients will see because trimmed documents
// name them no more, in all repositories that are known. whole are the
// documents before, by which they were hidden.
func unmasked(whole, trimmed *modulemd.Index, repos []*catalog) []string {
	before, after := maskedNames(whole), maskedNames(trimmed)
	var gone []string
	for name := range before {
		if !after[name] {
			gone = append(gone, name)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	slices.Sort(gone)
	var warnings []string
	for _, name := range gone {
		seen := map[string]bool{}
		for _, c := range repos {
			listed := c.listing()
			for _, id := range c.named[name] {
				p := c.packages[id]
				if p.Arch != "src" && len(listed[modulemd.FormatArtifact(p.NEVRA)]) == 0 {
					seen[p.String()+" of "+c.sources[p.source].Name] = true
				}
			}
		}
		for _, p := range slices.Sorted(maps.Keys(seen)) {
			warnings = append(warnings, fmt.Sprintf("%s, which the module hid, can be installed beside it now", p))
		}
	}
	return append(warnings, fmt.Sprintf("trimmed documents no longer hide packages called %s in other repositories", strings.Join(gone, ", ")))
}

// maskedNames are the names that stream documents hide when they are active.
func maskedNames(x *modulemd.Index) map[string]bool {
	names := map[string]bool{}
	for _, s := range x.Streams {
		for _, artifact := range s.Artifacts {
			if n, err := modulemd.ParseArtifact(artifact); err == nil && n.Arch != "src" && n.Arch != "nosrc" {
				names[n.Name] = true
			}
		}
	}
	return names
}
