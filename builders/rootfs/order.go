package rootfs

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/distbot/distbot/builders"
)

// macroName is rpm's rule: macros of fewer than three characters can't be set.
var macroName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{2,}$`)

// checkOrder refuses what this driver cannot do or would misread.
func checkOrder(order builders.Order) error {
	root := order.Root
	refuse := func(format string, args ...any) error {
		return &builders.Failure{Phase: builders.PhaseBuildroot, Reason: fmt.Sprintf(format, args...)}
	}
	if root.Arch != hostArch() {
		return refuse("this host builds for %s, the task is for %s", hostArch(), root.Arch)
	}
	if len(root.Install) == 0 {
		return refuse("tag %s names no packages for its buildroots", root.Tag)
	}
	for _, name := range root.Install {
		if name == "" || strings.HasPrefix(name, "-") {
			return refuse("tag %s: %q is no name of a package", root.Tag, name)
		}
	}
	seen := map[string]bool{}
	for _, repo := range root.Repos {
		// dnf would take the last of two with one name.
		if name := oneWord(repo.Name); name == "" || name == "main" || seen[name] {
			return refuse("tag %s: repositories need names of their own, %q is not", root.Tag, repo.Name)
		}
		seen[oneWord(repo.Name)] = true
		if !strings.HasPrefix(repo.URL, "file:///") && !strings.HasPrefix(repo.URL, "http://") && !strings.HasPrefix(repo.URL, "https://") {
			return refuse("tag %s: the URL of repository %s is neither file:///, http:// nor https://", root.Tag, repo.Name)
		}
	}
	for name := range root.Macros {
		if !macroName.MatchString(name) {
			return refuse("tag %s: %q is no name of a macro", root.Tag, name)
		}
	}
	return nil
}

// macrosFile is the builder's ~/.rpmmacros outside of its reach.
const macrosFile = "rpmmacros"

// macrosText is what the build's tag sets, and after it, so that it holds,
// what this driver relies on.
func macrosText(macros map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(macros)) {
		// A line break would end the macro; rpm reads on after a backslash.
		fmt.Fprintf(&text, "%%%s %s\n", name, strings.ReplaceAll(strings.TrimSpace(macros[name]), "\n", "\\\n"))
	}
	fmt.Fprintf(&text, "%%_topdir %s\n%%_dbpath /var/lib/rpm\n%%_buildhost distbot.invalid\n", topDir)
	text.WriteString("%_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm\n")
	// Reproducible Builds: SOURCE_DATE_EPOCH is in the environment.
	text.WriteString("%use_source_date_epoch_as_buildtime 1\n%clamp_mtime_to_source_date_epoch 1\n%source_date_epoch_from_changelog 0\n")
	text.WriteString("%_disable_source_fetch 1\n")
	return text.String()
}
