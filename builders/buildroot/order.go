package buildroot

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/arch"
)

// macroName is rpm's rule: macros of fewer than three characters can't be set.
var macroName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{2,}$`)

// Check refuses, with a *builders.Failure, what this host cannot do and what
// dnf or rpm would misread. also are the architectures that the driver builds
// for besides the host's own.
func Check(order builders.Order, also ...string) error {
	root := order.Root
	refuse := func(format string, args ...any) error {
		return &builders.Failure{Phase: builders.PhaseBuildroot, Reason: fmt.Sprintf(format, args...)}
	}
	if root.Arch != arch.Host() && !slices.Contains(also, root.Arch) {
		return refuse("this host builds for %s, the task is for %s, which it is not configured to emulate", arch.Host(), root.Arch)
	}
	if len(root.Install) == 0 {
		return refuse("tag %s names no packages for its buildroots", root.Tag)
	}
	for _, name := range root.Install {
		// mock passes what is between blanks on as arguments, and dnf takes files
		// and URLs, whose content nobody would notice to change.
		if name == "" || strings.HasPrefix(name, "-") || strings.HasSuffix(name, ".rpm") || strings.Contains(name, "://") || strings.ContainsFunc(name, func(r rune) bool {
			return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("'\"\\", r)
		}) {
			return refuse("tag %s: %q is no name of a package", root.Tag, name)
		}
	}
	seen := map[string]bool{}
	for _, repo := range root.Repos {
		// dnf would take the last of two with one name.
		if name := OneWord(repo.Name); name == "" || name == "main" || seen[name] {
			return refuse("tag %s: repositories need names of their own, %q is not", root.Tag, repo.Name)
		}
		seen[OneWord(repo.Name)] = true
		if !strings.HasPrefix(repo.URL, "file:///") && !strings.HasPrefix(repo.URL, "http://") && !strings.HasPrefix(repo.URL, "https://") {
			return refuse("tag %s: the URL of repository %s is neither file:///, http:// nor https://", root.Tag, repo.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(root.Macros)) {
		if err := CheckMacro(name, root.Macros[name]); err != nil {
			return refuse("tag %s: %v", root.Tag, err)
		}
	}
	return nil
}
