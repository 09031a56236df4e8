package slim

import (
	"fmt"
	"maps"
	"slices"

	"github.com/distbot/distbot/internal/modulemd"
)

// companions tells which defaults, obsoletes and translations go along with the
// streams, all as the sources have them. Defaults may name streams that are not
// here: if they were changed, or lost their time of change, clients that also
// have the source would lose the defaults of all modules.
func companions(x *modulemd.Index, report *Report) {
	streams := map[string]bool{}
	for _, s := range x.Streams {
		streams[s.NameStream()] = true
	}
	for _, d := range x.Defaults {
		report.Defaults = append(report.Defaults, d.Module)
		if d.Stream != "" && !streams[d.Module+":"+d.Stream] {
			report.Warnings = append(report.Warnings, fmt.Sprintf("the default stream %s:%s is not in the repository", d.Module, d.Stream))
		}
		for _, name := range slices.Sorted(maps.Keys(d.Intents)) {
			if stream := d.Intents[name].Stream; stream != "" && !streams[d.Module+":"+stream] {
				report.Warnings = append(report.Warnings, fmt.Sprintf("the default stream %s:%s of the intent %q is not in the repository", d.Module, stream, name))
			}
		}
	}
	for _, o := range x.Obsoletes {
		report.Obsoletes = append(report.Obsoletes, o.Module+":"+o.Stream)
	}
	for _, t := range x.Translations {
		report.Translations = append(report.Translations, t.Module+":"+t.Stream)
	}
}
