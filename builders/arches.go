package builders

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/queue"
)

const noarch = arch.Noarch

// Koji's refusals of a package that the architectures of a tag can't build.
var (
	// ErrNoArches is of one that none of them can build.
	ErrNoArches = errors.New("builders: no matching arches were found")
	// ErrNoRoot is of noarch packages that none of them may make.
	ErrNoRoot = errors.New("builders: no valid arches were found for noarch")
	// ErrTooManyArches is ours, of a header that names architectures without end.
	ErrTooManyArches = fmt.Errorf("builders: more than %d arches", maxArchTasks)
)

// maxArchTasks bounds the arch tasks of a build, which a hostile header chooses.
const maxArchTasks = 64

// ArchTags are the tags of a source package that choose architectures, as its
// header has them.
type ArchTags struct {
	BuildArch     []string
	ExclusiveArch []string
	ExcludeArch   []string
}

// ArchChoice is what chooses the architectures of a build.
type ArchChoice struct {
	// Tag are the architectures of the build tag, in its order.
	Tag []string
	// Extra are those of the package's entry in the destination tag. They add
	// variants of the tag's architectures, such as i686 to i386; a machine that
	// the tag has not they can't add.
	Extra []string
	// Noarch limits where noarch packages are made: the build tag's setting
	// noarch_arches; empty does not.
	Noarch []string
	// Override replaces all that tags say, of scratch builds.
	Override []string
	// Header is what the source package says.
	Header ArchTags
}

// ArchTask is one arch task to run.
type ArchTask struct {
	// Arch is what is built: an architecture of the tag, or noarch.
	Arch string
	// RootArches are the architectures of the tag whose buildroots will do: one
	// for an architecture, any of them for noarch.
	RootArches []string
}

// Selection is what a build is made for and what not.
type Selection struct {
	// Tasks are in the tag's order, noarch last.
	Tasks []ArchTask
	// Skipped are the architectures of the tag, and the package's own, that no
	// task builds, in their order.
	Skipped []queue.SkippedArch
}

// SelectArches chooses by Koji's rules (getArchList of kojid): BuildArch replaces
// the list of the tag and the package, ExclusiveArch limits and ExcludeArch
// reduces it; noarch stands for itself where BuildArch or ExclusiveArch name it
// and ExcludeArch does not; and only what the tag's architectures can build is
// kept. It returns ErrNoArches when nothing is left, and ErrNoRoot when noarch
// is and nothing may make it. The values of the header may be anything: what is
// no name of an architecture is none.
func SelectArches(c ArchChoice) (Selection, error) {
	asked := c.asked()
	var s Selection
	for _, root := range c.Tag {
		for _, a := range asked {
			if a != noarch && rootOf(c.Tag, a) == root && !s.builds(a) {
				s.Tasks = append(s.Tasks, ArchTask{Arch: a, RootArches: []string{root}})
			}
		}
		if len(s.Tasks) > maxArchTasks {
			return Selection{}, ErrTooManyArches
		}
	}
	if slices.Contains(asked, noarch) {
		roots := c.noarchRoots()
		if len(roots) == 0 {
			return Selection{}, ErrNoRoot
		}
		for i, root := range roots {
			roots[i] = rootOf(c.Tag, root)
		}
		s.Tasks = append(s.Tasks, ArchTask{Arch: noarch, RootArches: slices.Compact(roots)})
	}
	if len(s.Tasks) == 0 {
		return Selection{}, ErrNoArches
	}
	for _, a := range slices.Concat(c.Tag, c.Extra) {
		skipped := func(k queue.SkippedArch) bool { return k.Arch == a }
		if !s.builds(a) && !slices.ContainsFunc(s.Skipped, skipped) {
			s.Skipped = append(s.Skipped, queue.SkippedArch{Arch: a, Reason: c.reason(a)})
		}
	}
	return s, nil
}

// builds reports whether a task builds exactly this architecture.
func (s Selection) builds(a string) bool {
	return slices.ContainsFunc(s.Tasks, func(t ArchTask) bool { return t.Arch == a })
}

// asked lists what tags and header ask for, whether the build tag can build it
// or not.
func (c ArchChoice) asked() []string {
	h := c.Header
	list := slices.Concat(c.Tag, c.Extra)
	if len(h.BuildArch) > 0 {
		list = slices.Clone(h.BuildArch)
	}
	if len(h.ExclusiveArch) > 0 {
		list = keep(list, func(a string) bool { return slices.Contains(h.ExclusiveArch, a) })
	}
	list = keep(list, func(a string) bool { return !slices.Contains(h.ExcludeArch, a) })
	if !slices.Contains(h.ExcludeArch, noarch) && (slices.Contains(h.BuildArch, noarch) || slices.Contains(h.ExclusiveArch, noarch)) {
		list = append(list, noarch)
	}
	if len(c.Override) > 0 {
		list = c.Override
	}
	return keep(list, archName.MatchString)
}

// archName is how architectures are called; what a header says of them becomes
// part of status contexts and paths.
var archName = regexp.MustCompile(`^[a-zA-Z0-9_]{1,32}$`)

// rootOf is the tag's architecture that builds another: itself where the tag has
// it, else the first that is the same by its canonical name; empty for none.
func rootOf(tag []string, a string) string {
	if slices.Contains(tag, a) {
		return a
	}
	for _, root := range tag {
		if arch.Canonical(root) == arch.Canonical(a) {
			return root
		}
	}
	return ""
}

// noarchRoots lists where noarch packages may be made, by canonical names: Koji's
// choose_taskarch. As in Koji any of them will do.
func (c ArchChoice) noarchRoots() []string {
	tag := canonical(c.Tag)
	roots := tag
	if len(c.Noarch) > 0 {
		roots = keep(canonical(c.Noarch), func(a string) bool { return slices.Contains(tag, a) })
	}
	if exclusive := canonical(c.Header.ExclusiveArch); len(exclusive) > 0 {
		roots = keep(roots, func(a string) bool { return slices.Contains(exclusive, a) })
	}
	exclude := canonical(c.Header.ExcludeArch)
	return keep(roots, func(a string) bool { return !slices.Contains(exclude, a) })
}

func canonical(list []string) []string {
	names := make([]string, len(list))
	for i, a := range list {
		names[i] = arch.Canonical(a)
	}
	return names
}

// reason says what keeps an architecture from being built.
func (c ArchChoice) reason(a string) string {
	h := c.Header
	switch {
	case len(c.Override) > 0:
		return "the build is for " + archList(c.Override) + " only"
	case len(h.BuildArch) > 0 && !slices.Contains(h.BuildArch, a):
		return "BuildArch " + archList(h.BuildArch)
	case len(h.ExclusiveArch) > 0 && !slices.Contains(h.ExclusiveArch, a):
		return "ExclusiveArch " + archList(h.ExclusiveArch)
	case slices.Contains(h.ExcludeArch, a):
		return "ExcludeArch " + a
	}
	return "the build tag has no " + arch.Canonical(a)
}

// maxShownArches bounds how many architectures a text lists.
const maxShownArches = 12

// archList writes architectures that a header names, which may be anything.
func archList(list []string) string {
	list = slices.Compact(slices.Clone(list))
	for i, a := range list[:min(len(list), maxShownArches)] {
		if !archName.MatchString(a) {
			list[i] = quoted(a)
		}
	}
	if len(list) > maxShownArches {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:maxShownArches], " "), len(list)-maxShownArches)
	}
	return strings.Join(list, " ")
}

func keep(list []string, wanted func(string) bool) []string {
	var kept []string
	for _, item := range list {
		if wanted(item) {
			kept = append(kept, item)
		}
	}
	return kept
}
