package buildroot

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// TopDir is rpmbuild's directory inside a buildroot. It is the same for every
// build: paths end up in packages.
const TopDir = "/builddir/build"

// Macros is what a build's ~/.rpmmacros holds: what the build's tag sets, and
// after it, so that it holds, what results rely on.
func Macros(macros map[string]string) string {
	return MacrosIn(TopDir, macros) + "%_dbpath /var/lib/rpm\n"
}

// MacrosIn is as Macros, for a build in another directory, with rpm's own
// database.
func MacrosIn(topDir string, macros map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(macros)) {
		// A line break would end the macro; rpm reads on after a backslash.
		fmt.Fprintf(&text, "%%%s %s\n", name, strings.ReplaceAll(strings.TrimSpace(macros[name]), "\n", "\\\n"))
	}
	fmt.Fprintf(&text, "%%_topdir %s\n%%_buildhost distbot.invalid\n", topDir)
	text.WriteString("%_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm\n")
	// Reproducible Builds: SOURCE_DATE_EPOCH is in the environment.
	text.WriteString("%use_source_date_epoch_as_buildtime 1\n%clamp_mtime_to_source_date_epoch 1\n%source_date_epoch_from_changelog 0\n")
	text.WriteString("%_disable_source_fetch 1\n")
	return text.String()
}
